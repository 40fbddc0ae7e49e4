"""Judges what a ledger does not hold yet."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from outofsync_client._client import Client
from outofsync_client._exceptions import OutOfSyncError, UnreadableFileError
from outofsync_client._many import Judged, judge_many
from outofsync_client._result import Result
from outofsync_client.batch.files import sha256_of
from outofsync_client.batch.ledger import Ledger


@dataclass(frozen=True)
class Video:
    """A file and the digest of its content."""

    path: Path
    digest: str


@dataclass
class Tally:
    """What has become of the videos so far; verdicts, or ``error`` and its code."""

    verdicts: Counter[str] = field(default_factory=Counter)
    errors: Counter[str] = field(default_factory=Counter)
    skipped: int = 0

    @property
    def done(self) -> int:
        return sum(self.verdicts.values()) + sum(self.errors.values())


class Batch:
    """One run over many videos. ``retry_failed`` tries those again that an earlier run failed on."""

    def __init__(self, client: Client, ledger: Ledger, *, jobs: int, retry_failed: bool = False) -> None:
        self.tally = Tally()
        self._client = client
        self._ledger = ledger
        self._jobs = jobs
        self._retry_failed = retry_failed
        self._again: dict[str, list[Path]] = {}  # further names of the same content

    def run(self, paths: Iterable[Path]) -> Iterator[tuple[Path, Result | OutOfSyncError]]:
        """Each video's outcome once it is written down; what the ledger holds already is passed over."""
        unreadable: list[tuple[Path, OutOfSyncError]] = []
        judged = judge_many(self._judge, self._left(paths, unreadable), jobs=self._jobs, ordered=False)
        for done in judged:
            yield from self._failed(unreadable)
            yield self._written(done)
        yield from self._failed(unreadable)
        self._ledger.add_names(self._again)

    def _judge(self, video: Video) -> Result:
        return self._client.detect(video.path, **self._ledger.options)

    def _left(self, paths: Iterable[Path], unreadable: list[tuple[Path, OutOfSyncError]]) -> Iterator[Video]:
        """What is to be judged; the same content is judged once, and written down for each of its names."""
        taken: set[str] = set()
        for path in paths:
            try:
                video = Video(path, sha256_of(path))
            except OSError as error:
                unreadable.append((path, UnreadableFileError(f"{path}: {error.strerror}")))
                continue
            skip_failed = self._ledger.has_failed(video.digest) and not self._retry_failed
            if video.digest in taken or self._ledger.is_done(video.digest) or skip_failed:
                self.tally.skipped += 1
                if video.digest in taken and not self._ledger.names(video.digest, path):
                    self._again.setdefault(video.digest, []).append(path)
                continue
            taken.add(video.digest)
            yield video

    def _failed(
        self, unreadable: list[tuple[Path, OutOfSyncError]]
    ) -> Iterator[tuple[Path, Result | OutOfSyncError]]:
        while unreadable:
            path, error = unreadable.pop()
            self.tally.errors[error.code] += 1
            self._ledger.add("", path, error)
            yield path, error

    def _written(self, judged: Judged[Video]) -> tuple[Path, Result | OutOfSyncError]:
        outcome = judged.outcome
        self._ledger.add(judged.file.digest, judged.file.path, outcome)
        if isinstance(outcome, OutOfSyncError):
            self.tally.errors[outcome.code] += 1
        else:
            self.tally.verdicts[outcome.verdict] += 1
        return judged.file.path, outcome
