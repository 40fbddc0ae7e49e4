"""The client for programs that are built on asyncio: the same methods, awaited."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, ClassVar, Union

from outofsync_client._async_transport import DEFAULT_CONNECTIONS, AsyncTransport
from outofsync_client._base import BaseClient, DeblurChoice, Health, IncludeChoice, ModeChoice
from outofsync_client._client import F
from outofsync_client._exceptions import OutOfSyncError
from outofsync_client._job_clients import AsyncJobs
from outofsync_client._many import Judged, ManyProgress, counting
from outofsync_client._metrics import Metrics
from outofsync_client._multipart import UploadProgress, VideoFile
from outofsync_client._result import Result
from outofsync_client._transport import BaseTransport


class AsyncClient(BaseClient):
    """:class:`Client` for asyncio; takes the same arguments, and ``connections``: requests at a time.

    Both do the same work step by step, so that they behave alike down to the last retry. Files are read in
    small pieces between which the event loop turns to others; only a pipe, which may keep one waiting, and a
    :class:`TokenSource` that looks up a new token are called in a thread. A request that is cancelled ends at
    once, with its connection.
    """

    _transport_type: ClassVar[type[BaseTransport]] = AsyncTransport
    _transport: AsyncTransport

    def __init__(
        self, url: Union[str, Sequence[str]], *, connections: int = DEFAULT_CONNECTIONS, **settings: Any
    ) -> None:
        super().__init__(url, **settings)
        self._transport.limit(connections)

    @classmethod
    def of_state(
        cls, folder: Union[str, Path], *, connections: int = DEFAULT_CONNECTIONS, **settings: Any
    ) -> AsyncClient:
        """A client of the server that ``make serve`` runs on this machine, by its state folder."""
        client = super().of_state(folder, **settings)
        client._transport.limit(connections)
        return client

    async def __aenter__(self) -> AsyncClient:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Wait for what is under way, then let go of the connections."""
        await self._transport.aclose()

    async def detect(
        self,
        file: VideoFile,
        *,
        deblur: DeblurChoice | None = None,
        mode: ModeChoice | None = None,
        lam: float | None = None,
        max_len: int | None = None,
        include: Sequence[IncludeChoice] | None = None,
        video_track: int | None = None,
        audio_track: int | None = None,
        on_upload: UploadProgress | None = None,
    ) -> Result:
        """See :meth:`Client.detect`; ``on_upload`` is called in the event loop."""
        options = {"deblur": deblur, "mode": mode, "lam": lam, "max_len": max_len, "include": include}
        options |= {"video_track": video_track, "audio_track": audio_track}
        return await self._transport.run(self._detect(file, options, on_upload=on_upload))

    async def detect_many(
        self,
        files: Iterable[F],
        *,
        jobs: int = 4,
        ordered: bool = True,
        on_done: ManyProgress | None = None,
        **options: Any,
    ) -> AsyncIterator[Judged[F]]:
        """See :meth:`Client.detect_many`; ``jobs`` beyond ``connections`` wait."""
        if jobs < 1:
            raise ValueError("it takes one job at least")
        tell = counting(files, on_done)
        numbered = enumerate(files)
        waiting: list[asyncio.Task[Judged[F]]] = []
        try:
            while True:
                for place, file in numbered:
                    waiting.append(asyncio.ensure_future(self._judge(place, file, options)))
                    if len(waiting) >= jobs:
                        break
                if not waiting:
                    return
                done = waiting[0]
                if not ordered:
                    finished, _ = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
                    done = next(iter(finished))
                judged = await done
                waiting.remove(done)
                tell()
                yield judged
        finally:
            for task in waiting:
                task.cancel()

    async def deblur(self, file: VideoFile, *, on_upload: UploadProgress | None = None) -> bytes:
        """See :meth:`Client.deblur`; ``on_upload`` is called in the event loop."""
        return await self._transport.run(self._deblur(file, on_upload=on_upload))

    @property
    def jobs(self) -> AsyncJobs:
        """See :attr:`Client.jobs`."""
        return AsyncJobs(self._job_flows(), self._transport)

    async def health(self) -> Health:
        """See :meth:`Client.health`."""
        return await self._transport.run(self._health())

    async def metrics(self) -> Metrics:
        """See :meth:`Client.metrics`."""
        return await self._transport.run(self._metrics())

    async def wait_until_ready(self, seconds: float) -> Health:
        """See :meth:`Client.wait_until_ready`."""
        return await self._transport.run(self._wait_until_ready(seconds))

    async def _judge(self, place: int, file: F, options: dict[str, Any]) -> Judged[F]:
        try:
            return Judged(place, file, await self.detect(file, **options))
        except OutOfSyncError as error:
            return Judged(place, file, error)
