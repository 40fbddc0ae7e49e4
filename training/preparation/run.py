"""A run over many videos: what is done is skipped, what is written is complete."""

from __future__ import annotations

import fcntl
import hashlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

from training.preparation.cutting import Cut, Unusable, cut_video
from training.preparation.ledger import Entry, append, read_ledger, rewrite
from training.preparation.shards import ShardWriter, stored
from training.preparation.sources import Source
from training.preparation.workers import Over, processes

KNOWN_BY = 16  # hexadecimal digits of a digest, all that clips of older folders are named by
Digested = tuple[Source, str]  # a video and the SHA-256 of its content


class BusyError(RuntimeError):
    """Another run writes into the same folder."""


def manifest_of(folder: Path) -> Path:
    return folder / "manifest.jsonl"


def skipped_of(folder: Path) -> Path:
    return folder / "skipped.jsonl"


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Hold a folder; raises :class:`BusyError` where another process does."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / ".lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise BusyError(f"another run writes into {folder}") from None
        yield


class Preparation:
    """Writes the clips of a folder and keeps its two ledgers.

    One process alone writes, a clip first and then its line in the manifest: killed at any moment, a run
    loses no more than the clips in work.

    Args:
        folder: where shards and ledgers go.
        over: who cuts videos: processes of this machine, or a cluster.
        cut: what they do with one; a function of a module, so that it can be sent to a process.
    """

    def __init__(
        self, folder: Path, *, over: Over | None = None, cut: Callable[[Path], Cut | Unusable] = cut_video
    ) -> None:
        self._folder = folder
        self._over = over or processes(1)
        self._cut = cut

    def run(self, sources: Iterable[Source], *, retry: Iterable[str] = ()) -> tuple[int, int]:
        """Prepare every source not yet done; returns how many were written and skipped.

        ``retry`` names codes of skipped videos that are tried again. Raises :class:`BusyError`.
        """
        with alone(self._folder):
            return self._run(sources, frozenset(retry))

    def _run(self, sources: Iterable[Source], retry: frozenset[str]) -> tuple[int, int]:
        self._recall(retry)
        shards = ShardWriter(self._folder)
        self._written = self._left_out = 0
        calls = ((item, (item[0].path,)) for item in self._new(sources))
        for (source, digest), outcome in self._over(self._cut, calls, _lost):
            if isinstance(outcome, Unusable):
                self._skip(source, outcome, digest)
                continue
            entry = _facts(source, digest) | shards.append(outcome.payload) | outcome.facts
            append(manifest_of(self._folder), entry)
            self._written += 1
            if self._written % 100 == 0:
                print(f"{self._written} clips written, {self._left_out} skipped", flush=True)
        return self._written, self._left_out

    def _recall(self, retry: frozenset[str]) -> None:
        """Learn from the ledgers what is done, after taking out what is not."""
        written = read_ledger(manifest_of(self._folder))
        there = stored(written, self._folder)
        if len(there) < len(written):
            print(f"{len(written) - len(there)} clips of the manifest are not there; they are made again")
            rewrite(manifest_of(self._folder), there)
        skipped = read_ledger(skipped_of(self._folder))
        final = [entry for entry in skipped if entry["code"] not in retry]
        if len(final) < len(skipped):
            rewrite(skipped_of(self._folder), final)
        self._done = {(entry["file"], entry.get("path")) for entry in [*there, *final]}
        self._names = dict[str, str]()  # by content
        for entry in [*there, *final]:
            if digest := _digest_of(entry):
                self._names.setdefault(digest, entry["file"])

    def _new(self, sources: Iterable[Source]) -> Iterator[Digested]:
        """Sources that must be cut: neither done nor the same content as another."""
        recalled = frozenset(self._names)
        for source in sources:
            known_as = {(source.file, str(source.path.resolve())), (source.file, None)}
            if known_as & self._done:
                continue
            try:
                with source.path.open("rb") as file:
                    digest = hashlib.file_digest(file, "sha256").hexdigest()
            except OSError as error:
                self._skip(source, Unusable("unreadable", error.strerror or "the file cannot be read"))
                continue
            first = self._names.get(digest[:KNOWN_BY])
            if first is None:
                self._names[digest[:KNOWN_BY]] = source.file
                yield source, digest
            elif first != source.file or digest[:KNOWN_BY] not in recalled:  # else the file was moved
                self._skip(source, Unusable("duplicate", f"the same content as {first}"), digest)

    def _skip(self, source: Source, why: Unusable, digest: str = "") -> None:
        reason = {"code": why.code, "message": why.message}
        append(skipped_of(self._folder), _facts(source, digest) | why.facts | reason)
        self._left_out += 1


def _lost(why: str) -> Cut | Unusable:
    return Unusable("internal", why)


def _facts(source: Source, digest: str) -> Entry:
    facts: dict[str, Any] = {key: value for key, value in asdict(source).items() if key != "path"}
    return facts | {"path": str(source.path.resolve()), "sha256": digest}


def _digest_of(entry: Entry) -> str:
    """The first digits of a clip's digest; older manifests only have them in the name of its file."""
    if entry.get("sha256"):
        return str(entry["sha256"])[:KNOWN_BY]
    return str(entry.get("clip", "")).removesuffix(".clip")
