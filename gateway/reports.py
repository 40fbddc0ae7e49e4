"""Reports on results that callers send back, drawn by a process of their own, one at a time."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from contextlib import suppress
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from starlette.responses import Response

from gateway.errors import bad_report, busy
from gateway.renderer import LENGTH
from gateway.upload import Upload

REQUEST_BYTES = 64 << 20
LONGEST_S = 60.0  # for one report
MOST_WAITING = 8  # that are drawn or wait for it
IDLE_S = 120.0  # after which the process ends: it holds a hundred megabytes
COMMAND = (sys.executable, "-m", "gateway.renderer")
ONE_THREAD = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}


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


class Renderer:
    """Starts the process when it is needed, and ends it where it takes too long or is idle."""

    def __init__(self) -> None:
        self._process: asyncio.subprocess.Process | None = None
        self._one_at_a_time = asyncio.Lock()
        self._waiting = 0
        self._rest: asyncio.TimerHandle | None = None  # runs while there is nothing to do …
        self._resting: asyncio.Task[None] | None = None  # … and leads to this

    async def render(self, upload: Upload) -> Report:
        """The report that a body asks for; raises ``bad_options`` where it cannot be drawn, and ``busy``."""
        if self._waiting >= MOST_WAITING:
            raise busy(f"{MOST_WAITING} reports are being drawn already")
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

    async def _end(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            with suppress(ProcessLookupError):
                process.kill()
            await process.wait()

    def _retire(self) -> None:
        """End a process that has had nothing to do."""
        self._resting = asyncio.create_task(self._end())

    async def _drawn(self, upload: Upload) -> Report:
        if self._rest is not None:
            self._rest.cancel()
        try:
            head, content = await asyncio.wait_for(self._ask(upload), LONGEST_S)
        except TimeoutError:
            await self._end()
            raise bad_report("drawing this result takes too long") from None
        except (
            ConnectionError,
            EOFError,
        ):  # it is not the process that is at fault: it draws what is a result
            await self._end()
            raise bad_report("drawing this result takes too much memory") from None
        except BaseException:  # its caller has left: what is half drawn is nobody's
            await self._end()
            raise
        self._rest = asyncio.get_running_loop().call_later(IDLE_S, self._retire)
        if refused := head.get("refused"):
            raise bad_report(refused)
        return Report(head["name"], head["type"], content)

    async def _ask(self, upload: Upload) -> tuple[dict[str, Any], bytes]:
        """Head and content of the answer; raises ConnectionError or EOFError where the process died."""
        if self._process is None or self._process.returncode is not None:
            pipe = asyncio.subprocess.PIPE
            environment = {**os.environ, **ONE_THREAD}
            self._process = await asyncio.create_subprocess_exec(
                *COMMAND, stdin=pipe, stdout=pipe, env=environment
            )
        sink, source = self._process.stdin, self._process.stdout
        assert sink is not None
        assert source is not None
        sink.write(LENGTH.pack(upload.size))
        async for chunk in upload.chunks():
            sink.write(chunk)
            await sink.drain()
        blocks = []
        for _ in range(2):
            (length,) = LENGTH.unpack(await source.readexactly(LENGTH.size))
            blocks.append(await source.readexactly(length))
        return json.loads(blocks[0]), blocks[1]
