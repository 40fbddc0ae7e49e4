"""The client for programs that are built on asyncio: the same methods, awaited."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Callable, TypeVar, Union

from outofsync_client._client import Client, DeblurChoice, F, Health, IncludeChoice, ModeChoice
from outofsync_client._exceptions import OutOfSyncError
from outofsync_client._many import Judged, ManyProgress, counting
from outofsync_client._metrics import Metrics
from outofsync_client._multipart import UploadProgress, VideoFile
from outofsync_client._result import Result

if TYPE_CHECKING:
    from outofsync_client.models import Models

T = TypeVar("T")
DEFAULT_CONNECTIONS = 16  # below a server's queue size


class AsyncClient:
    """:class:`Client` for asyncio; takes the same arguments, and ``connections``: requests at a time.

    The work is that of one :class:`Client` in threads of its own, so that both behave alike down to the last
    retry, and files are read without holding up the event loop. A request that is cancelled goes on in its
    thread until it is answered; its answer is dropped.
    """

    def __init__(
        self, url: Union[str, Sequence[str]], *, connections: int = DEFAULT_CONNECTIONS, **settings: Any
    ) -> None:
        self._use(Client(url, **settings), connections)

    @classmethod
    def of_state(
        cls, folder: Union[str, Path], *, connections: int = DEFAULT_CONNECTIONS, **settings: Any
    ) -> AsyncClient:
        """A client of the server that ``make serve`` runs on this machine, by its state folder."""
        client = cls.__new__(cls)
        client._use(Client.of_state(folder, **settings), connections)
        return client

    def _use(self, client: Client, connections: int) -> None:
        self._client = client
        self._pool = ThreadPoolExecutor(connections, thread_name_prefix="outofsync")
        self._connections = connections

    def __repr__(self) -> str:
        return f"Async{self._client!r}"

    async def __aenter__(self) -> AsyncClient:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    @property
    def models(self) -> Models:
        """See :attr:`Client.models`; its methods block, so call them in a thread."""
        return self._client.models

    async def aclose(self) -> None:
        """Wait for what is under way, then let go of the connections."""
        loop = asyncio.get_running_loop()
        await loop.run_in_executor(None, self._pool.shutdown)
        self._client.close()

    async def detect(
        self,
        file: VideoFile,
        *,
        deblur: DeblurChoice | None = None,
        mode: ModeChoice | None = None,
        lam: float | None = None,
        max_len: int | None = None,
        include: Sequence[IncludeChoice] | None = None,
        on_upload: UploadProgress | None = None,
    ) -> Result:
        """See :meth:`Client.detect`; ``on_upload`` is called in the request's thread."""
        return await self._run(
            lambda: self._client.detect(
                file,
                deblur=deblur,
                mode=mode,
                lam=lam,
                max_len=max_len,
                include=include,
                on_upload=on_upload,
            )
        )

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
        """See :meth:`Client.deblur`; ``on_upload`` is called in the request's thread."""
        return await self._run(lambda: self._client.deblur(file, on_upload=on_upload))

    async def health(self) -> Health:
        """See :meth:`Client.health`."""
        return await self._run(self._client.health)

    async def metrics(self) -> Metrics:
        """See :meth:`Client.metrics`."""
        return await self._run(self._client.metrics)

    async def wait_until_ready(self, seconds: float) -> Health:
        """See :meth:`Client.wait_until_ready`."""
        return await self._run(lambda: self._client.wait_until_ready(seconds))

    async def _judge(self, place: int, file: F, options: dict[str, Any]) -> Judged[F]:
        try:
            return Judged(place, file, await self.detect(file, **options))
        except OutOfSyncError as error:
            return Judged(place, file, error)

    async def _run(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._pool, work)
