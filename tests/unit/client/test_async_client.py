"""The same methods, awaited."""

from __future__ import annotations

import asyncio
import inspect
import json
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest
from unit.client.conftest import TOKEN

from outofsync_client import AsyncClient, Client, NoAudioError, Retries

if TYPE_CHECKING:
    from unit.client.conftest import StubServer

MakeResult = Callable[..., dict[str, Any]]


def test_both_clients_have_the_same_surface() -> None:
    def surface(kind: type) -> set[str]:
        return {name for name in vars(kind) if not name.startswith("_")} - {"close", "aclose", "url"}

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
