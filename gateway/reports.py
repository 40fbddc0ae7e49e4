"""Reports on results that callers send back, drawn by a process of their own, one at a time."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import sys
from contextlib import suppress
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from starlette.responses import Response

from gateway.errors import bad_report, busy, internal
from gateway.report_request import LENGTH
from gateway.upload import Upload

REQUEST_BYTES = 64 << 20
MAX_DRAWING_S = 60.0  # for one report
START_S = 120.0  # for loading what draws: a busy machine, or one that lists its fonts for the first time
MAX_WAITING = 8  # that are drawn or wait for it
IDLE_S = 120.0  # after which the process ends: it holds a hundred megabytes
COMMAND = (sys.executable, "-m", "gateway.renderer")
ONE_THREAD = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}

logger = logging.getLogger("gateway")


@dataclass(frozen=True)
class Report:
    """A file, with its name and type."""

    name: str
    media_type: str
    content: bytes

    def response(self) -> Response:
        """The file, to be saved; its name cannot break out of its header."""
        plain = "".join(letter if letter.isascii() and letter not in '"\\%' else "_" for letter in self.name)
        disposition = f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(self.name, safe='')}"
        headers = {"Content-Disposition": disposition, "X-Content-Type-Options": "nosniff"}
        return Response(self.content, media_type=self.media_type, headers=headers)


class Drawer:
    """The process that draws, from when its libraries are loaded."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    @classmethod
    async def start(cls) -> Drawer:
        """Start it; raises OSError, EOFError or TimeoutError where it does not become ready."""
        pipe = asyncio.subprocess.PIPE
        process = await asyncio.create_subprocess_exec(
            *COMMAND, stdin=pipe, stdout=pipe, env={**os.environ, **ONE_THREAD}
        )
        drawer = cls(process)
        try:
            await asyncio.wait_for(drawer._block(), START_S)  # empty: it is ready
        except BaseException:
            await drawer.end()
            raise
        return drawer

    @property
    def alive(self) -> bool:
        """Whether it has not ended."""
        return self._process.returncode is None

    async def draw(self, upload: Upload) -> tuple[dict[str, Any], bytes]:
        """Head and content of the answer; raises ConnectionError or EOFError where the process dies of it."""
        sink = self._process.stdin
        assert sink is not None
        sink.write(LENGTH.pack(upload.size))
        async for chunk in upload.chunks():
            sink.write(chunk)
            await sink.drain()
        head = json.loads(await self._block())
        return head, await self._block()

    async def end(self) -> None:
        """Kill it."""
        with suppress(ProcessLookupError):
            self._process.kill()
        await self._process.wait()

    async def _block(self) -> bytes:
        source = self._process.stdout
        assert source is not None
        (length,) = LENGTH.unpack(await source.readexactly(LENGTH.size))
        return await source.readexactly(length)


class Renderer:
    """Starts the process when it is needed, and ends it where it takes too long or is idle."""

    def __init__(self) -> None:
        self._drawer: asyncio.Task[Drawer] | None = None
        self._one_at_a_time = asyncio.Lock()
        self._waiting = 0
        self._rest: asyncio.TimerHandle | None = None  # runs while there is nothing to do …
        self._resting: asyncio.Task[None] | None = None  # … and leads to this

    async def render(self, upload: Upload) -> Report:
        """The report that a body asks for; raises ``bad_options`` where it cannot be drawn, and ``busy``."""
        if self._waiting >= MAX_WAITING:
            raise busy(f"{MAX_WAITING} reports are being drawn already")
        self._waiting += 1
        try:
            async for _ in upload.chunks():
                pass  # it is kept on disk: who sends slowly keeps nobody waiting
            if not upload.repeatable:
                raise busy("there is no room to keep the request")
            async with self._one_at_a_time:
                return await self._drawn(upload)
        finally:
            self._waiting -= 1

    async def close(self) -> None:
        """End the process."""
        if self._rest is not None:
            self._rest.cancel()
        await self._end()
        if self._resting is not None:
            await self._resting

    async def _drawn(self, upload: Upload) -> Report:
        if self._rest is not None:
            self._rest.cancel()
        drawer = await self._ready()
        try:
            head, content = await asyncio.wait_for(drawer.draw(upload), MAX_DRAWING_S)
        except TimeoutError:
            await self._end()
            raise bad_report("drawing this result takes too long") from None
        except (ConnectionError, EOFError):  # it draws whatever is a result
            await self._end()
            raise bad_report("drawing this result takes too much memory") from None
        except BaseException:  # its caller has left: what is half drawn is nobody's
            await self._end()
            raise
        self._rest = asyncio.get_running_loop().call_later(IDLE_S, self._retire)
        if refused := head.get("refused"):
            raise bad_report(refused)
        return Report(head["name"], head["type"], content)

    async def _ready(self) -> Drawer:
        """The process, which goes on starting where a caller does not wait for that; raises ``internal``."""
        task = self._drawer
        if task is None or (task.done() and not _serves(task)):
            task = self._drawer = asyncio.create_task(Drawer.start())
        try:
            return await asyncio.shield(task)
        except (OSError, EOFError, TimeoutError) as error:
            logger.error("the process that draws reports does not start (%s)", type(error).__name__)
            raise internal("reports cannot be drawn here") from None

    async def _end(self) -> None:
        task, self._drawer = self._drawer, None
        if task is None:
            return
        task.cancel()  # nothing, where it has started
        with suppress(asyncio.CancelledError, OSError, EOFError, TimeoutError):
            await (await task).end()

    def _retire(self) -> None:
        """End a process that has had nothing to do."""
        self._resting = asyncio.create_task(self._end())


def _serves(task: asyncio.Task[Drawer]) -> bool:
    """Whether a process that was to start did, and still runs."""
    return not task.cancelled() and task.exception() is None and task.result().alive
