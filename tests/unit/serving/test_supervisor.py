"""What a supervisor does for any services: order, restarts, giving up, and what it tells systemd."""

from __future__ import annotations

import os
import signal
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from serving import supervisor
from serving.settings import ServeError
from serving.supervisor import TERMINATORS, Check, Restarts, Supervisor


@pytest.fixture(autouse=True)
def own_signals(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Pauses are short, and the tests' own signal handlers come back."""
    monkeypatch.setattr(supervisor, "FIRST_PAUSE_S", 0.01)
    before = {number: signal.getsignal(number) for number in TERMINATORS}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


class Recorded:
    """A service that writes down what is done with it, and does at its nth look what it was told."""

    def __init__(self, name: str, diary: list[str], *, at: dict[int, str | Exception] | None = None) -> None:
        self.name = name
        self.diary = diary
        self.at = at or {}
        self.looks = 0
        self.failing: list[Exception] = []  # its next starts

    def __str__(self) -> str:
        return self.name

    def start(self, check: Check) -> None:
        check()
        self.diary.append(f"{self.name} starts")
        if self.failing:
            raise self.failing.pop(0)

    def watch(self) -> str | None:
        self.looks += 1
        what = self.at.get(self.looks)
        if isinstance(what, Exception):
            raise what
        if what == "terminate":
            os.kill(os.getpid(), signal.SIGTERM)
            return None
        return what

    def stop(self, *, drained: bool) -> None:
        self.diary.append(f"{self.name} {'is drained' if drained else 'is stopped'}")


def run(*services: Recorded, restarts: Restarts | None = None) -> None:
    with pytest.raises(SystemExit) as ended:
        Supervisor(services, restarts or Restarts(), status="all is well").run()
    assert ended.value.code == 0


def test_the_last_to_start_is_the_first_to_be_stopped() -> None:
    diary: list[str] = []
    run(Recorded("one", diary), Recorded("two", diary, at={1: "terminate"}))
    assert diary == ["one starts", "two starts", "two is drained", "one is drained"]


def test_a_service_that_ends_is_started_anew_and_the_others_go_on() -> None:
    diary: list[str] = []
    run(Recorded("one", diary), Recorded("two", diary, at={1: "it fell over", 3: "terminate"}))
    assert diary[2:4] == ["two is stopped", "two starts"]
    assert diary.count("one starts") == 1


@pytest.mark.parametrize("error", [ServeError("no port"), ConnectionError("gone"), OSError("disk full")])
def test_whatever_a_later_start_fails_with_is_tried_again(
    error: Exception, capsys: pytest.CaptureFixture[str]
) -> None:
    diary: list[str] = []
    service = Recorded("one", diary, at={1: "it fell over", 3: "terminate"})
    supervised = Recorded("two", diary, at={20: "terminate"})
    begin = service.start

    def fail_once(check: Check) -> None:
        if diary.count("one starts") == 1:
            service.failing = [error]
        begin(check)

    service.start = fail_once  # type: ignore[method-assign]
    run(service, supervised)
    assert diary.count("one starts") == 3
    assert str(error) in capsys.readouterr().err


def test_a_look_that_goes_wrong_counts_as_an_end() -> None:
    diary: list[str] = []
    run(Recorded("one", diary, at={1: RuntimeError("no such process"), 2: "terminate"}))
    assert diary == ["one starts", "one is stopped", "one starts", "one is drained"]


def test_a_first_start_that_fails_is_told_and_leaves_nothing() -> None:
    diary: list[str] = []
    broken = Recorded("two", diary)
    broken.failing = [ServeError("no port")]
    with pytest.raises(ServeError, match="no port"):
        Supervisor([Recorded("one", diary), broken], Restarts()).run()
    assert diary == ["one starts", "two starts", "two is drained", "one is drained"]


def test_a_service_that_ends_again_and_again_is_given_up() -> None:
    diary: list[str] = []
    ends: dict[int, str | Exception] = dict.fromkeys(range(1, 10), "it fell over")
    with pytest.raises(ServeError, match="one ended 3 times in"):
        Supervisor([Recorded("one", diary, at=ends)], Restarts(limit=3)).run()
    assert diary.count("one starts") == 3


def test_ends_of_long_ago_do_not_count(monkeypatch: pytest.MonkeyPatch) -> None:
    diary: list[str] = []
    monkeypatch.setattr(supervisor, "FIRST_PAUSE_S", 0.0)
    ends: dict[int, str | Exception] = {1: "it fell over", 2: "and again", 3: "terminate"}
    run(Recorded("one", diary, at=ends), restarts=Restarts(limit=2, within_s=0.0))
    assert diary.count("one starts") == 3


def test_a_signal_while_a_service_starts_ends_it() -> None:
    diary: list[str] = []

    class Slow(Recorded):
        def start(self, check: Check) -> None:
            super().start(check)
            os.kill(os.getpid(), signal.SIGTERM)
            while True:  # until it raises
                check()
                time.sleep(0.01)

    run(Recorded("one", diary), Slow("two", diary))
    assert diary == ["one starts", "two starts", "two is drained", "one is drained"]


def test_systemd_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    address = tmp_path / "notify"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(address))
        monkeypatch.setenv("NOTIFY_SOCKET", str(address))
        run(Recorded("one", [], at={1: "terminate"}))
        assert manager.recv(1000) == b"READY=1\nSTATUS=all is well"
        assert manager.recv(1000) == b"STOPPING=1"
    run(Recorded("one", [], at={1: "terminate"}))  # a manager that is gone is nobody's trouble
