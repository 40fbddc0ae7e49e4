"""``client.jobs``: the methods of both clients."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from typing import TYPE_CHECKING, Any, Optional

from outofsync_client._jobs import (
    LOOK_S,
    Job,
    JobFlows,
    JobOrId,
    PriorityChoice,
    StateChoice,
    Wishes,
    changed,
    name_of,
)
from outofsync_client._multipart import UploadProgress, VideoFile
from outofsync_client._pieces import Resumption

if TYPE_CHECKING:
    from outofsync_client._async_transport import AsyncTransport
    from outofsync_client._transport import Transport


class Jobs:
    """Jobs at the edge, of this client's key; methods raise the client's errors."""

    def __init__(self, flows: JobFlows, transport: Transport) -> None:
        self._flows = flows
        self._transport = transport

    def submit(
        self,
        file: VideoFile,
        *,
        name: Optional[str] = None,
        priority: Optional[PriorityChoice] = None,
        fresh: bool = False,
        on_upload: Optional[UploadProgress] = None,
        idempotency_key: Optional[str] = None,
        resume: Optional[Resumption] = None,
        **options: Any,
    ) -> Job:
        """Hand in a video; the job ends, whatever becomes of this program or of the server.

        ``name`` is what lists call it, by itself the file's name; ``priority`` "bulk" lets others go first;
        ``fresh`` has it judged even where the server has this key's answer already; the options are those of
        :meth:`Client.detect`. A large file goes in pieces: one whose connection breaks goes on from there.

        Of one ``idempotency_key`` (1 to 64 letters, digits, ``_``, ``.`` and ``-``) there is one job, however
        often it is handed in; ``resume`` has a ``place`` and is told of it (``begun``), so that another
        process can go on with a large file's upload.
        """
        wishes = Wishes(name or name_of(file), priority, fresh, idempotency_key)
        return self._transport.run(self._flows.submit(file, options, wishes, on_upload, resume))

    def get(self, job: JobOrId) -> Job:
        """The job as it is now, with its result if it is done."""
        return self._transport.run(self._flows.get(job))

    def list(
        self,
        *,
        state: Optional[StateChoice] = None,
        verdict: Optional[str] = None,
        label: Optional[str] = None,
    ) -> Iterator[Job]:
        """This key's jobs without their results, newest first, asked for page by page."""
        filters = {"state": state, "verdict": verdict, "label": label}
        before: Optional[str] = None
        while True:
            jobs, before = self._transport.run(self._flows.page(before, filters))
            yield from jobs
            if before is None:
                return

    def wait(self, job: JobOrId, *, seconds: Optional[float] = None) -> Job:
        """The job once it has ended; raises :class:`RequestTimeoutError` where that takes longer."""
        return self._transport.run(self._flows.wait(job, seconds))

    def events(self, job: JobOrId) -> Iterator[Job]:
        """The job whenever it has changed, until it has ended; lost connections are made anew."""
        told: Optional[Job] = None
        while told is None or not told.finished:
            found = self.get(job)
            if changed(found, told):
                yield found
            told = found
            if not found.finished:
                time.sleep(LOOK_S)

    def cancel(self, job: JobOrId) -> Optional[Job]:
        """End a job before its time, or forget one that has ended: None then."""
        return self._transport.run(self._flows.end(job))


class AsyncJobs:
    """:class:`Jobs` for asyncio."""

    def __init__(self, flows: JobFlows, transport: AsyncTransport) -> None:
        self._flows = flows
        self._transport = transport

    async def submit(
        self,
        file: VideoFile,
        *,
        name: Optional[str] = None,
        priority: Optional[PriorityChoice] = None,
        fresh: bool = False,
        on_upload: Optional[UploadProgress] = None,
        idempotency_key: Optional[str] = None,
        resume: Optional[Resumption] = None,
        **options: Any,
    ) -> Job:
        """See :meth:`Jobs.submit`."""
        wishes = Wishes(name or name_of(file), priority, fresh, idempotency_key)
        return await self._transport.run(self._flows.submit(file, options, wishes, on_upload, resume))

    async def get(self, job: JobOrId) -> Job:
        """See :meth:`Jobs.get`."""
        return await self._transport.run(self._flows.get(job))

    async def list(
        self,
        *,
        state: Optional[StateChoice] = None,
        verdict: Optional[str] = None,
        label: Optional[str] = None,
    ) -> AsyncIterator[Job]:
        """See :meth:`Jobs.list`."""
        filters = {"state": state, "verdict": verdict, "label": label}
        before: Optional[str] = None
        while True:
            jobs, before = await self._transport.run(self._flows.page(before, filters))
            for job in jobs:
                yield job
            if before is None:
                return

    async def wait(self, job: JobOrId, *, seconds: Optional[float] = None) -> Job:
        """See :meth:`Jobs.wait`."""
        return await self._transport.run(self._flows.wait(job, seconds))

    async def events(self, job: JobOrId) -> AsyncIterator[Job]:
        """See :meth:`Jobs.events`."""
        told: Optional[Job] = None
        while told is None or not told.finished:
            found = await self.get(job)
            if changed(found, told):
                yield found
            told = found
            if not found.finished:
                await asyncio.sleep(LOOK_S)

    async def cancel(self, job: JobOrId) -> Optional[Job]:
        """See :meth:`Jobs.cancel`."""
        return await self._transport.run(self._flows.end(job))
