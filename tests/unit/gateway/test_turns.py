"""One caller's many requests leave room for the others, and all of it while nobody else asks."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack

import pytest
from starlette.responses import Response
from unit.gateway.conftest import RESULT, LiveGateway, MakeGateway, said

from gateway import keys, request_context
from gateway import turns as turns_module
from gateway.errors import EdgeError
from gateway.metrics import Metrics
from gateway.turns import Turns


def of(places: int = 16, shared: int = 8, longest_s: float = 0.05) -> Turns:
    return Turns(places, shared, Metrics(), alone_s=longest_s, longest_s=longest_s)


async def taken(turns: Turns, holder: str, held: AsyncExitStack, most: int = 100) -> int:
    """How many turns a caller is given, who takes what it can get."""
    for count in range(most):
        try:
            await held.enter_async_context(turns.of(holder))
        except EdgeError as error:
            return count if error.code == "busy" else -1
    return most


def test_who_is_alone_may_take_most_but_not_all() -> None:
    async def check() -> None:
        turns = of()
        async with AsyncExitStack() as held:
            assert await taken(turns, "greedy", held) == 12
            assert await taken(turns, "other", held, most=1) == 1, "there is room for who comes next"

    asyncio.run(check())


@pytest.mark.parametrize("others", [1, 3, 20])
def test_several_share_evenly(others: int) -> None:
    async def check() -> None:
        turns = of()
        async with AsyncExitStack() as held:
            for number in range(others):
                await held.enter_async_context(turns.of(f"other {number}"))
            assert await taken(turns, "greedy", held) == max(1, 8 // (others + 1))

    asyncio.run(check())


def test_a_turn_that_ends_is_the_next_ones() -> None:
    async def check() -> None:
        turns = of(places=1, longest_s=30.0)
        order = []

        async def work(number: int) -> None:
            async with turns.of("one"):
                order.append(number)
                await asyncio.sleep(0)

        await asyncio.gather(*(work(number) for number in range(5)))
        assert order == [0, 1, 2, 3, 4]

    asyncio.run(check())


def test_who_asked_no_more_is_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    async def check() -> None:
        turns = of(longest_s=10.0)
        async with turns.of("other"):
            pass
        assert turns.share("greedy") == 4
        monkeypatch.setattr(turns_module, "REMEMBERED_S", 0.0)
        assert turns.share("greedy") == 12

    asyncio.run(check())


def test_who_leaves_while_waiting_takes_nothing_along() -> None:
    async def check() -> None:
        turns = of(places=1, longest_s=30.0)
        async with turns.of("one"):
            waiting = asyncio.ensure_future(turns._take("one"))
            await asyncio.sleep(0)
            waiting.cancel()
            await asyncio.gather(waiting, return_exceptions=True)
        async with turns.of("one"):
            assert turns.share("two") == 4

    asyncio.run(check())


def test_a_body_that_hardly_comes_is_given_up(live: LiveGateway, monkeypatch: pytest.MonkeyPatch) -> None:
    """Or a caller who sends a byte now and then would hold a place for ever."""
    monkeypatch.setattr(request_context, "PATIENCE_S", 0.2)

    def drip() -> Iterator[bytes]:
        for _ in range(30):
            yield b"x"
            time.sleep(0.05)

    answer = live.ask("POST", "/v1/detect", content=drip())
    assert (answer.status_code, answer.json()["error"]["code"]) == (408, "timeout")
    assert live.detect().status_code == 200


def test_a_greedy_key_leaves_room_for_another(make_gateway: MakeGateway) -> None:
    """It fills all that it may; who comes then is answered while all of that is still under way."""
    live = make_gateway(in_flight=4, shared=2, queue_s=0.2)
    other = keys.add(live.keys, "other")
    release = threading.Event()

    def slow(_path: str, body: bytes) -> Response:
        if body == b"greedy":
            release.wait(60)
        return said(RESULT)

    live.servers[0].answer = slow
    with ThreadPoolExecutor(6) as pool:
        greedy = [pool.submit(live.detect, b"greedy") for _ in range(6)]
        while len(live.servers[0].asked) < 3:
            time.sleep(0.01)
        answer = live.detect(b"modest", headers={"X-Api-Key": other})
        assert answer.status_code == 200
        assert not any(one.done() and one.result().status_code == 200 for one in greedy)
        release.set()
        statuses = sorted(one.result().status_code for one in greedy)
    assert statuses[:3] == [200] * 3
    assert set(statuses) <= {200, 503}
