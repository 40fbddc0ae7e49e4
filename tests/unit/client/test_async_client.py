"""The same methods, awaited."""

from __future__ import annotations

import asyncio
import inspect
import json
import os
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from unit.client.conftest import TOKEN

from outofsync_client import AsyncClient, Client, NoAudioError, Retries

if TYPE_CHECKING:
    from unit.client.conftest import StubServer

MakeResult = Callable[..., dict[str, Any]]


def test_both_clients_have_the_same_surface() -> None:
    def surface(kind: type) -> set[str]:
        return {name for name in dir(kind) if not name.startswith("_")} - {"close", "aclose"}

    assert surface(AsyncClient) == surface(Client)
    for name in ("detect", "deblur", "health", "wait_until_ready", "detect_many"):
        parameters = [
            list(inspect.signature(getattr(kind, name)).parameters) for kind in (Client, AsyncClient)
        ]
        assert parameters[0] == parameters[1]


def test_requests_run_beside_one_another(server: StubServer, make_result: MakeResult) -> None:
    together = threading.Barrier(4, timeout=20)
    result = make_result()

    def answer(_: object) -> tuple[int, bytes]:
        together.wait()  # nobody is answered before all four have asked
        return 200, json.dumps(result).encode()

    server.answer = answer

    async def ask() -> list[str]:
        async with AsyncClient(server.url, token=TOKEN) as client:
            results = await asyncio.gather(*(client.detect(b"video") for _ in range(4)))
        return [result.verdict for result in results]

    assert asyncio.run(ask()) == ["real"] * 4


def test_no_threads_stand_behind_it(server: StubServer, make_result: MakeResult, tmp_path: Path) -> None:
    video = tmp_path / "video"
    video.write_bytes(bytes(900_000))
    result = json.dumps(make_result()).encode()
    running: list[str] = []

    def answer(_: object) -> tuple[int, bytes]:
        running.extend(thread.name for thread in threading.enumerate())
        return 200, result

    server.answer = answer

    async def ask() -> None:
        async with AsyncClient(server.url, token=TOKEN) as client:
            await client.detect(video)

    asyncio.run(ask())
    of_the_server = ("MainThread", "Thread-")  # and of the test
    assert running
    assert [name for name in running if not name.startswith(of_the_server)] == []


def test_others_have_their_turn_while_a_file_is_read(server: StubServer, make_result: MakeResult) -> None:
    server.answers(make_result())
    turns = 0

    async def others() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    async def ask() -> int:
        async with AsyncClient(server.url, token=TOKEN) as client:
            task = asyncio.ensure_future(others())
            before = []
            await client.detect(
                bytes(900_000), on_upload=lambda sent, _: before.append(turns) if not sent else None
            )
            task.cancel()
            return before[0]

    assert asyncio.run(ask()) >= 900_000 // (1 << 16), "already before the upload, when it is hashed"


def test_a_pipe_may_be_fed_by_the_same_event_loop(server: StubServer, make_result: MakeResult) -> None:
    server.answers(make_result())

    async def feed(descriptor: int) -> None:
        with os.fdopen(descriptor, "wb") as sink:
            for piece in (b"vi", b"deo"):
                await asyncio.sleep(0.01)
                sink.write(piece)
                sink.flush()

    async def ask() -> None:
        reader, writer = os.pipe()
        with os.fdopen(reader, "rb") as source:
            async with AsyncClient(server.url, token=TOKEN) as client:
                await asyncio.gather(client.detect(source), feed(writer))

    asyncio.run(ask())
    assert server.received[0].fields["data"] == b"video"


def test_a_request_that_is_cancelled_hangs_up() -> None:
    async def ask() -> None:
        asked, left = asyncio.Event(), asyncio.Event()

        async def keep_silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readline()
            asked.set()
            await reader.read()
            left.set()
            writer.close()

        listener = await asyncio.start_server(keep_silent, "127.0.0.1", 0)
        host, port = listener.sockets[0].getsockname()
        async with AsyncClient(f"http://{host}:{port}") as client:
            task = asyncio.ensure_future(client.detect(b"video"))
            await asked.wait()
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            await asyncio.wait_for(left.wait(), 60)
        listener.close()

    asyncio.run(ask())


def test_no_more_requests_run_at_a_time_than_connections(server: StubServer, make_result: MakeResult) -> None:
    free = threading.Semaphore(2)
    result = json.dumps(make_result()).encode()

    def answer(_: object) -> tuple[int, bytes]:
        assert free.acquire(blocking=False), "a third at once"
        time.sleep(0.01)
        free.release()
        return 200, result

    server.answer = answer

    async def ask() -> None:
        async with AsyncClient(server.url, token=TOKEN, connections=2) as client:
            await asyncio.gather(*(client.detect(b"video") for _ in range(20)))

    asyncio.run(ask())
    assert len(server.received) == 20
    with pytest.raises(ValueError, match="one connection"):
        AsyncClient(server.url, connections=0)


@pytest.mark.filterwarnings("ignore::ResourceWarning")  # the first loop ended without the client's knowledge
def test_a_client_outlives_an_event_loop(server: StubServer, make_result: MakeResult) -> None:
    server.answers(make_result())
    client = AsyncClient(server.url, token=TOKEN)

    async def ask() -> str:
        return (await client.detect(b"video")).verdict

    async def ask_and_close() -> str:
        verdict = await ask()
        await client.aclose()
        return verdict

    assert [asyncio.run(ask()), asyncio.run(ask()), asyncio.run(ask_and_close())] == ["real"] * 3
    with pytest.raises(RuntimeError, match="closed"):
        asyncio.run(ask())


def test_closing_waits_for_what_is_under_way(server: StubServer, make_result: MakeResult) -> None:
    asked, release = server.holds_back(make_result())

    async def ask() -> str:
        client = AsyncClient(server.url, token=TOKEN)
        task = asyncio.ensure_future(client.detect(b"video"))
        while not asked.is_set():
            await asyncio.sleep(0.01)
        closing = asyncio.ensure_future(client.aclose())
        await asyncio.sleep(0.01)
        assert not closing.done()
        release.set()
        await closing
        assert task.done()
        return (await task).verdict

    assert asyncio.run(ask()) == "real"


@pytest.mark.parametrize("ordered", [True, False])
def test_many_are_judged_a_few_at_a_time(server: StubServer, make_result: MakeResult, ordered: bool) -> None:
    server.answers(make_result())

    async def ask() -> list[int]:
        async with AsyncClient(server.url, token=TOKEN) as client:
            judged = client.detect_many(
                [b"a", b"b", b"c"], jobs=2, ordered=ordered, on_done=lambda *counts: heard.append(counts)
            )
            return [done.place async for done in judged]

    heard: list[tuple[int, int | None]] = []
    places = asyncio.run(ask())
    assert heard == [(1, 3), (2, 3), (3, 3)]
    assert sorted(places) == [0, 1, 2]
    assert places == [0, 1, 2] or not ordered


def test_errors_are_the_same(server: StubServer) -> None:
    server.refuses("no_audio")

    async def ask() -> None:
        async with AsyncClient(server.url, token=TOKEN, retries=Retries.none()) as client:
            (outcome,) = [done.outcome async for done in client.detect_many([b"mute"])]
            assert isinstance(outcome, NoAudioError)
            assert TOKEN not in repr(client)
            await client.detect(b"mute")

    with pytest.raises(NoAudioError):
        asyncio.run(ask())
