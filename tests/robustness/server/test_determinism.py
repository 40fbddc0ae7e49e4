"""The same file gets the same answer, bit for bit: alone or in company, in any order, by any process's life.

That it is also what the engine answers in process, with the networks that ship, is held by
tests/integration/test_same_as_engine.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import psutil
import pytest
from server_fixture import LiveServer
from under_load import VIDEO, wait_for

from outofsync.options import INCLUDE
from serving.settings import ROOT

pytestmark = pytest.mark.server

FILES = {path.name: path.read_bytes() for path in sorted((ROOT / "samples").glob("*.mp4"))} | {"drawn": VIDEO}
Answers = dict[str, dict[str, Any]]


def answer(server: LiveServer, name: str) -> tuple[str, dict[str, Any]]:
    """All that is said of a file but how long it took, to the last digit that was written."""
    said = server.detect(FILES[name], request_id="same", include=list(INCLUDE))
    said.pop("timing_ms", None)
    return name, said


def at_once(server: LiveServer, names: Sequence[str]) -> Answers:
    """Of all of them together, so that batches form; each as often as it is named, and always the same."""
    with ThreadPoolExecutor(len(names)) as pool:
        said = list(pool.map(lambda name: answer(server, name), names))
    answers = dict(said)
    assert [answers[name] for name in names] == [one for _, one in said]
    return answers


@pytest.fixture(scope="module")
def alone(small_server: LiveServer) -> Answers:
    """What each is answered by itself, one after the other."""
    wait_for(small_server.folder.server)
    state = small_server.folder.server()
    assert state is not None
    return dict(answer(LiveServer(state, small_server.settings), name) for name in FILES)


def test_company_and_order_change_nothing(server: LiveServer, alone: Answers) -> None:
    names = list(FILES)
    assert at_once(server, [*names, *reversed(names)]) == alone
    assert at_once(server, [*names[2:], *names[:2], *names[::2]]) == alone


def test_other_workers_say_the_same(server: LiveServer, alone: Answers) -> None:
    before = server.workers()
    for pids in before.values():
        for pid in pids:
            psutil.Process(pid).kill()
    wait_for(lambda: all(pid > 0 and pid not in before[model] for model, (pid,) in server.workers().items()))
    wait_for(lambda: "error" not in server.detect(VIDEO))
    assert at_once(server, list(reversed(FILES))) == alone


def test_a_restart_changes_nothing(server: LiveServer, alone: Answers) -> None:
    gone = server.java()
    gone.kill()
    gone.wait()
    wait_for(lambda: not server.folder.server_file.exists())
    wait_for(server.folder.server)
    state = server.folder.server()
    assert state is not None
    assert at_once(LiveServer(state, server.settings), list(FILES)) == alone
