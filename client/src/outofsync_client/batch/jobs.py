"""Judges what a ledger does not hold yet by jobs, which go on when whoever waits for them is killed."""

from __future__ import annotations

from pathlib import Path
from typing import Union

from outofsync_client._client import Client
from outofsync_client._exceptions import NotFoundError, OutOfSyncError
from outofsync_client._many import Judged
from outofsync_client._result import Result
from outofsync_client.batch.journal import HandedIn, JobJournal
from outofsync_client.batch.ledger import Ledger
from outofsync_client.batch.runner import Batch, Video
from outofsync_client.protocol import JobState


class JobBatch(Batch):
    """One run over many videos, ``jobs`` of them underway at a time.

    What the journal says was handed in is not handed in again: a run that was killed goes on with its jobs,
    and gathers those that have ended meanwhile.
    """

    def __init__(
        self,
        client: Client,
        ledger: Ledger,
        journal: JobJournal,
        *,
        jobs: int,
        retry_failed: bool = False,
    ) -> None:
        super().__init__(client, ledger, jobs=jobs, retry_failed=retry_failed)
        self._journal = journal
        self._ended: set[str] = set()  # contents whose job has ended, and is to be written down

    def _judge(self, video: Video) -> Result:
        last = self._journal.last(video.digest)
        number = last.number + 1 if last.ended else last.number
        while True:
            try:
                job = self._client.jobs.wait(self._handed_in(video, number))
            except NotFoundError:  # it was forgotten, or was another server's
                number += 1
                continue
            if job.state == JobState.EXPIRED:
                number += 1
                continue
            self._ended.add(video.digest)
            if job.state == JobState.CANCELLED:
                raise OutOfSyncError(f"job {job.id} was cancelled", code=JobState.CANCELLED)
            return job.result

    def _handed_in(self, video: Video, number: int) -> str:
        """The id of the content's job of this number."""
        last = self._journal.last(video.digest)
        if last.number == number and last.job is not None:
            return last.job
        job = self._client.jobs.submit(
            video.path,
            priority="bulk",
            idempotency_key=self._journal.key(video.digest, number),
            resume=_Resumption(self._journal, video, number),
            **self._ledger.options,
        )
        self._journal.note(video.digest, number, job=job.id)
        return job.id

    def _written(self, judged: Judged[Video]) -> tuple[Path, Union[Result, OutOfSyncError]]:
        written = super()._written(judged)
        digest = judged.file.digest
        if digest in self._ended:
            self._ended.remove(digest)
            self._journal.note(digest, self._journal.last(digest).number, ended=True)
        return written


class _Resumption:
    """Where a large file's upload lies."""

    def __init__(self, journal: JobJournal, video: Video, number: int) -> None:
        self._journal, self._video, self._number = journal, video, number

    @property
    def place(self) -> Union[str, None]:
        """Of an upload that was begun and may go on."""
        last: HandedIn = self._journal.last(self._video.digest)
        return last.upload if last.number == self._number else None

    def begun(self, place: str) -> None:
        """A new upload lies there."""
        self._journal.note(self._video.digest, self._number, upload=place)
