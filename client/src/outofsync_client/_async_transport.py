"""The same attempts for asyncio: nothing blocks the event loop, and no threads stand behind it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Callable, TypeVar

import httpx

from outofsync_client._answers import Answer
from outofsync_client._flow import Body, Call, Flow, Request, Step
from outofsync_client._transport import (
    NO_ANSWER,
    NO_WHOLE_ANSWER,
    BaseTransport,
    PoolKey,
    SocketTimeouts,
    Timeouts,
)

T = TypeVar("T")
DEFAULT_CONNECTIONS = 16  # below a server's queue size


class AsyncTransport(BaseTransport):
    """Connections of an asyncio program; ``connections``: requests at a time.

    Sockets belong to the event loop that made them, so that each loop has its own.
    """

    def __init__(self, timeouts: Timeouts, **settings: Any) -> None:
        super().__init__(timeouts, **settings)
        self.connections = DEFAULT_CONNECTIONS
        self._loops: dict[asyncio.AbstractEventLoop, _InLoop] = {}
        self._closed = False

    def limit(self, connections: int) -> None:
        """How many requests there may be at a time. Raises ValueError for none at all."""
        if connections < 1:
            raise ValueError("it takes one connection at least")
        self.connections = connections

    async def run(self, flow: Flow[T]) -> T:
        """As :meth:`Transport.run`."""
        if self._closed:
            raise RuntimeError("the client is closed")
        with self._in_loop().under_way() as here:
            async with here.slots:
                resume: Callable[[], Step] = partial(next, flow)
                while True:
                    try:
                        step = resume()
                    except StopIteration as end:
                        return end.value  # type: ignore[no-any-return]
                    try:
                        outcome = await self._carry_out(step)
                    except BaseException as error:
                        resume = partial(flow.throw, error)
                    else:
                        resume = partial(flow.send, outcome)

    async def aclose(self) -> None:
        """Wait for what is under way in this event loop, then let go of its connections."""
        self._closed = True
        here = self._in_loop()
        while here.requests:
            await asyncio.wait(here.requests)
        while here.clients:
            _, client = here.clients.popitem()
            await client.aclose()

    def _in_loop(self) -> _InLoop:
        """What belongs to the loop that runs now; loops that have ended are forgotten."""
        loop = asyncio.get_running_loop()
        if loop not in self._loops:
            living = {one: its for one, its in self._loops.items() if not one.is_closed()}
            self._loops = {**living, loop: _InLoop(asyncio.Semaphore(self.connections))}
        return self._loops[loop]

    async def _carry_out(self, step: Step) -> Any:
        if isinstance(step, Request):
            return await self._send(step)
        if isinstance(step, Call):
            return await asyncio.to_thread(step.work)
        return await asyncio.sleep(step.seconds)

    async def _send(self, request: Request) -> Answer:
        """As :class:`Transport` does."""
        timeouts = self._socket_timeouts(request)
        content = None if request.body is None else self._chunks(request.body, request, timeouts)
        client = self._client_for(request)
        with self._mapped_errors(request, NO_ANSWER):
            built = client.build_request(content=content, **self._arguments(request, timeouts))
            response = await client.send(built, stream=True)
        try:
            with self._mapped_errors(request, NO_WHOLE_ANSWER):
                timeouts.update(self._socket_timeouts(request))
                chunks = []
                async for chunk in response.aiter_bytes():
                    chunks.append(chunk)
                    self._socket_timeouts(request)
        finally:
            await response.aclose()
        return self._answer(request, response, b"".join(chunks))

    async def _chunks(self, body: Body, request: Request, timeouts: SocketTimeouts) -> AsyncIterator[bytes]:
        for chunk in self._upload(body, request, timeouts):
            yield chunk

    def _client_for(self, request: Request) -> httpx.AsyncClient:
        clients, key = self._in_loop().clients, PoolKey.of(request)
        if key not in clients:
            clients[key] = self._new_client(httpx.AsyncClient, key)
        return clients[key]


@dataclass
class _InLoop:
    """What belongs to one event loop: its connections, and the requests that are under way or wait."""

    slots: asyncio.Semaphore
    clients: dict[PoolKey, httpx.AsyncClient] = field(default_factory=dict)
    requests: set[asyncio.Future[None]] = field(default_factory=set)

    @contextmanager
    def under_way(self) -> Iterator[_InLoop]:
        done = asyncio.get_running_loop().create_future()
        self.requests.add(done)
        try:
            yield self
        finally:
            self.requests.discard(done)
            done.set_result(None)
