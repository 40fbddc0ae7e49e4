"""Many videos at a time: order, errors, and what happens when one stops early."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import pytest

from outofsync_client import Client, NoAudioError, Result
from outofsync_client._many import judge_many
from outofsync_client.cli.options import MAX_JOBS

if TYPE_CHECKING:
    from unit.client.conftest import Received, StubServer

MakeResult = Callable[..., dict[str, Any]]


@pytest.mark.parametrize("ordered", [True, False])
def test_every_file_has_its_outcome(
    server: StubServer, client: Client, make_result: MakeResult, ordered: bool
) -> None:
    server.answers(make_result())
    judged = list(client.detect_many([b"a", b"b", b"c", b"d"], jobs=2, ordered=ordered, lam=0.5))
    assert sorted((done.place, done.file) for done in judged) == [(0, b"a"), (1, b"b"), (2, b"c"), (3, b"d")]
    if ordered:
        assert [done.place for done in judged] == [0, 1, 2, 3]
    assert all(done.result.verdict == "real" for done in judged)
    assert {request.options["lam"] for request in server.received} == {0.5}


def test_an_error_is_its_own_files(server: StubServer, client: Client) -> None:
    server.refuses("no_audio")
    (judged,) = client.detect_many([b"mute"])
    assert isinstance(judged.outcome, NoAudioError)
    with pytest.raises(NoAudioError):
        judged.result  # noqa: B018


def test_files_are_taken_as_they_are_needed(make_result: MakeResult) -> None:
    taken = []

    def files() -> Iterator[int]:
        for number in range(1000):
            taken.append(number)
            yield number

    judged = judge_many(lambda _: Result.from_dict(make_result()), files(), jobs=2, ordered=False)
    next(judged)
    judged.close()  # type: ignore[attr-defined]
    assert len(taken) < 10


def test_progress_tells_how_many_of_how_many(
    server: StubServer, client: Client, make_result: MakeResult
) -> None:
    server.answers(make_result())
    heard: list[tuple[int, int | None]] = []
    list(client.detect_many([b"a", b"b"], on_done=lambda *counts: heard.append(counts)))
    list(client.detect_many(iter([b"c"]), on_done=lambda *counts: heard.append(counts)))
    assert heard == [(1, 2), (2, 2), (1, None)]


def test_no_more_run_at_once_than_asked_for(make_result: MakeResult) -> None:
    running = threading.Semaphore(3)
    result = Result.from_dict(make_result())

    def judge(_: int) -> Result:
        assert running.acquire(blocking=False), "a fourth at once"
        time.sleep(0.01)
        running.release()
        return result

    assert len(list(judge_many(judge, range(30), jobs=3, ordered=True))) == 30


def test_each_job_keeps_its_connection(server: StubServer, client: Client, make_result: MakeResult) -> None:
    """As many as the command line allows: none is closed for want of room, to be made anew."""
    result = json.dumps(make_result()).encode()
    together = threading.Barrier(MAX_JOBS, timeout=60)

    def answer(_: Received) -> tuple[int, bytes]:
        together.wait()  # nobody is answered before all have asked
        return 200, result

    server.answer = answer
    videos = [b"video"] * MAX_JOBS
    for _ in range(3):
        assert len(list(client.detect_many(videos, jobs=MAX_JOBS))) == MAX_JOBS
    assert server.connections == MAX_JOBS


def test_without_jobs_nothing_can_be_done() -> None:
    with pytest.raises(ValueError, match="one job"):
        next(judge_many(lambda _: None, [1], jobs=0, ordered=True))  # type: ignore[arg-type,return-value]
