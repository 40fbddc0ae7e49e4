"""The command line says what a gateway is started with."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import TypeAdapter

from gateway.__main__ import parse
from gateway.settings import GatewaySettings

STATE = Path("/a/state")
PORT = ["--state", str(STATE), "--no-keys"]
SOCKET = [*PORT, "--socket", "/a/socket"]


def test_without_choices_the_settings_are_the_defaults() -> None:
    assert parse(PORT) == GatewaySettings((STATE,), None)


def test_every_choice_arrives() -> None:
    words = ["--state", "/a", "--state", "/b", "--keys", "/k", "--host", "::1", "--port", "1"]
    words += ["--metrics-port", "2", "--metrics-host", "::", "--in-flight", "3", "--queue-seconds", "4"]
    words += ["--patience-seconds", "5", "--answer-seconds", "6", "--health-seconds", "7"]
    words += ["--header-seconds", "8", "--drain-seconds", "9", "--notice-seconds", "0.5"]
    assert parse(words) == GatewaySettings(
        states=(Path("/a"), Path("/b")),
        keys=Path("/k"),
        host="::1",
        port=1,
        metrics_host="::",
        metrics_port=2,
        in_flight=3,
        queue_s=4.0,
        patience_s=5.0,
        answer_s=6.0,
        health_s=7.0,
        header_s=8.0,
        drain_s=9.0,
        notice_s=0.5,
    )


def test_settings_come_whole_from_another_process() -> None:
    chosen = GatewaySettings(
        (STATE,), Path("/k"), socket=Path("/s"), shadows=1, request_bytes=2, notice_s=0.0
    )
    assert parse(["--settings", TypeAdapter(GatewaySettings).dump_json(chosen).decode()]) == chosen


def test_on_a_socket_nobody_needs_notice_unless_asked_for() -> None:
    assert parse(SOCKET).notice_s == 0
    assert parse([*SOCKET, "--notice-seconds", "3"]).notice_s == 3


@pytest.mark.parametrize(
    "words",
    [
        ["--no-keys"],
        ["--state", "/a"],
        [*PORT, "--keys", "/k"],
        [*PORT, "--session", "/t"],
        ["--state", "/a", "--session", "/t", "--host", "::"],
        ["--state", "/a", "--session", "/t", "--socket", "/s"],
        [*PORT, "--host", "0.0.0.0"],
        [*SOCKET, "--port", "1"],
    ],
)
def test_what_makes_no_sense_is_refused(words: list[str]) -> None:
    with pytest.raises(SystemExit):
        parse(words)


def test_no_number_is_negative() -> None:
    with pytest.raises(ValueError, match="negative"):
        parse([*PORT, "--drain-seconds", "-1"])
