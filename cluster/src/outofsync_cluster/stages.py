"""What Ray's actors do with a few videos at a time: read them, know their content, have them judged."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

import pyarrow as pa
import ray

from outofsync.clip import Clip, is_clip
from outofsync_client import OutOfSyncError
from outofsync_cluster.backends import Answer, Backend, EngineBackend, ServedBackend, envelope
from outofsync_cluster.blocks import BATCH_ITEMS
from outofsync_cluster.copies import Copies
from outofsync_cluster.inventory import Item, grouped
from outofsync_cluster.places import Storage
from outofsync_cluster.reading import read_item
from outofsync_cluster.rows import table_of
from outofsync_cluster.work import Work

DIGEST_BYTES = 16  # of a content's SHA-256, kept in memory


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a video: ``answer`` is JSON, and missing where its content is judged elsewhere.

    Between the stages of a run it is a clip.
    """

    uri: str
    size_bytes: int
    modified: int
    sha256: str | None
    answer: bytes | None
    attempts: int
    cpu_s: float
    gpu_s: float
    wall_s: float
    peak_bytes: int
    bytes_read: int
    node: str
    perceptual_hash: str | None = None
    same_as: str | None = None  # the SHA-256 of what it is a copy of


@dataclass(frozen=True)
class Setup:
    """What actors are made with; ``server`` is how servers are asked, or None for the engine."""

    options: Mapping[str, Any]
    storage: Storage
    threads: int
    device: str
    server: Mapping[str, Any] | None = None
    skip_copies: bool = False  # between the two stages


class Registry:
    """Which contents are judged, or about to be: each is given to the place that asks for it first."""

    def __init__(self) -> None:
        self._settled: set[bytes] = set()
        self._claimed: dict[bytes, str] = {}
        self._copies = Copies()

    def settle(self, digests: list[bytes]) -> None:
        """These need nobody any more; claims that came to nothing are forgotten."""
        self._settled.update(digests)
        self._claimed.clear()
        self._copies.keep(lambda sha256: digest_of(sha256) in self._settled)

    def claim(self, contents: list[tuple[bytes, str]]) -> list[bool]:
        """For each content and the place where it lies: whether it is to be judged there."""
        return [
            digest not in self._settled and self._claimed.setdefault(digest, uri) == uri
            for digest, uri in contents
        ]

    def claim_copies(self, contents: list[tuple[str, str, float]]) -> list[str | None]:
        """For each SHA-256, fingerprint and length in seconds: the content that it is a copy of."""
        return [self._copies.claim(*content) for content in contents]


class Judge:
    """An actor: judges blocks of items. Two blocks overlap, so that one is read while another is judged."""

    def __init__(self, setup: Setup, weights: Sequence[Any], registry: Any, work: Work = Work.WHOLE) -> None:
        """``weights`` holds a reference to the files of the weights, for work that needs them."""
        self._setup = setup
        self._registry = registry
        self._working = threading.Lock()
        self._node = str(ray.get_runtime_context().get_node_id())
        self._backend = backend_of(setup, weights, work)

    def __call__(self, block: pa.Table) -> pa.Table:
        """A table of outcomes for a table of items."""
        items = [Item(**values) for values in block.to_pylist()]
        read = [self._read(item) for item in items]
        digests = [hashlib.sha256(data).hexdigest() if isinstance(data, bytes) else None for data in read]
        wanted = self._claim(items, digests)
        files = [data for data, asked in zip(read, wanted, strict=True) if asked and isinstance(data, bytes)]
        with self._working:
            judged = iter(in_batches(self._backend, files))
        outcomes: list[Outcome] = []
        for item, data, digest, asked in zip(items, read, digests, wanted, strict=True):
            answer: Answer | None = None
            if not isinstance(data, bytes):
                answer = Answer(envelope(data))
            elif asked:
                answer = next(judged)
            size = len(data) if isinstance(data, bytes) else 0
            outcomes.append(self._outcome(item, digest, answer, size))
        return table_of(Outcome, self._without_copies(outcomes) if self._setup.skip_copies else outcomes)

    def _without_copies(self, outcomes: list[Outcome]) -> list[Outcome]:
        """Clips of copies are left out, which nobody needs to score."""
        hashed = [
            (place, (str(outcome.sha256), outcome.perceptual_hash, length_of(outcome.answer)))
            for place, outcome in enumerate(outcomes)
            if outcome.answer and outcome.perceptual_hash
        ]
        originals = ray.get(self._registry.claim_copies.remote([asked for _, asked in hashed]))
        for (place, _), original in zip(hashed, originals, strict=True):
            if original is not None:
                outcomes[place] = replace(outcomes[place], answer=None, same_as=original)
        return outcomes

    def _read(self, item: Item) -> bytes | OutOfSyncError:
        try:
            return read_item(item, self._setup.storage)
        except OutOfSyncError as error:
            return error

    def _claim(self, items: list[Item], digests: list[str | None]) -> list[bool]:
        """Whether each item is to be judged here."""
        known = [(digest_of(digest), item.uri) for item, digest in zip(items, digests, strict=True) if digest]
        answers = iter(ray.get(self._registry.claim.remote(known)) if known else [])
        return [digest is not None and next(answers) for digest in digests]

    def _outcome(self, item: Item, digest: str | None, answer: Answer | None, size: int) -> Outcome:
        place = (item.uri, item.size_bytes, item.modified, digest)
        if answer is None:
            return Outcome(*place, None, 0, 0.0, 0.0, 0.0, 0, size, self._node)
        return Outcome(
            *place,
            answer.data,
            answer.attempts,
            answer.cpu_s,
            answer.gpu_s,
            answer.wall_s,
            answer.peak_bytes,
            size,
            self._node,
            answer.perceptual_hash,
        )


class Scorer:
    """An actor: judges blocks of outcomes that hold clips. What holds an error already passes through."""

    def __init__(self, setup: Setup, weights: Sequence[Any]) -> None:
        self._working = threading.Lock()
        self._backend = backend_of(setup, weights, Work.SCORE)

    def __call__(self, block: pa.Table) -> pa.Table:
        """A table of outcomes for a table of outcomes."""
        outcomes = outcomes_in(block)
        clips = [outcome.answer for outcome in outcomes if outcome.answer and is_clip(outcome.answer)]
        with self._working:
            judged = iter(in_batches(self._backend, clips))
        return table_of(
            Outcome,
            [
                _scored(outcome, next(judged)) if outcome.answer and is_clip(outcome.answer) else outcome
                for outcome in outcomes
            ],
        )


def _scored(outcome: Outcome, answer: Answer) -> Outcome:
    """What both stages took together."""
    return replace(
        outcome,
        answer=answer.data,
        attempts=max(outcome.attempts, answer.attempts),
        cpu_s=outcome.cpu_s + answer.cpu_s,
        gpu_s=outcome.gpu_s + answer.gpu_s,
        wall_s=outcome.wall_s + answer.wall_s,
        peak_bytes=max(outcome.peak_bytes, answer.peak_bytes),
    )


def backend_of(setup: Setup, weights: Sequence[Any], work: Work) -> Backend:
    """Whoever does this work for an actor."""
    if setup.server is not None:
        return ServedBackend(setup.options, setup.server)
    files = ray.get(weights[0]) if weights else {}
    device = "cpu" if work is Work.CROP else setup.device
    return EngineBackend(files, setup.options, threads=setup.threads, device=device, work=work)


def in_batches(backend: Backend, files: Sequence[bytes]) -> list[Answer]:
    """Answers in order, to no more files at a time than are judged at once."""
    return [answer for batch in grouped(files, BATCH_ITEMS) for answer in backend.judge(batch)]


def length_of(clip: bytes) -> float:
    """Seconds of the video that a clip is of."""
    return float(Clip.from_bytes(clip).media.get("duration_s") or 0.0)


def digest_of(sha256: str) -> bytes:
    """What stands for a content in memory."""
    return bytes.fromhex(sha256)[:DIGEST_BYTES]


def outcomes_in(table: pa.Table) -> list[Outcome]:
    """The outcomes that an actor's table holds."""
    names = [field.name for field in fields(Outcome)]
    return [Outcome(**{name: row[name] for name in names}) for row in table.to_pylist()]


def parsed(outcome: Outcome) -> dict[str, Any]:
    """The JSON of an outcome that has an answer."""
    values: dict[str, Any] = json.loads(outcome.answer or b"{}")
    return values
