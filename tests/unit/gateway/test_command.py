"""The command line says what a gateway is started with."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import TypeAdapter

from gateway.__main__ import parse
from gateway.jobs.settings import DATABASE_VARIABLE, JobSettings
from gateway.settings import GatewaySettings
from serving.edge.__main__ import parse as parse_edge

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


def test_what_is_said_of_jobs_arrives_and_the_database_comes_by_the_environment(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    words = ["--jobs-folder", "/j", "--jobs-at-once", "3", "--jobs-days", "0.5"]
    words += ["--jobs-callbacks", "hooks.example", "--jobs-callbacks", "*.hooks.example"]
    monkeypatch.setenv(DATABASE_VARIABLE, "postgresql://u:p@h/d")
    chosen = JobSettings(
        folder=Path("/j"),
        database="postgresql://u:p@h/d",
        at_once=3,
        retention_s=43_200.0,
        callbacks=("hooks.example", "*.hooks.example"),
    )
    assert parse([*PORT, *words]).jobs == chosen
    sent = TypeAdapter(GatewaySettings).dump_json(
        GatewaySettings((STATE,), None, jobs=JobSettings(at_once=3))
    )
    assert parse(["--settings", sent.decode()]).jobs == JobSettings(
        at_once=3, database="postgresql://u:p@h/d"
    )
    monkeypatch.delenv(DATABASE_VARIABLE)
    assert parse(["--settings", sent.decode()]).jobs.database is None


def test_the_edge_passes_on_what_is_said_of_jobs_but_for_the_database(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv(DATABASE_VARIABLE, "postgresql://u:p@h/d")
    _, edge = parse_edge(["run", "--jobs-days", "2", "--jobs-callbacks", "hooks.example"])
    assert edge.jobs == JobSettings(retention_s=172_800.0, callbacks=("hooks.example",))


@pytest.mark.parametrize("words", [["--jobs-at-once", "0"], ["--jobs-days", "-1"]])
def test_numbers_of_jobs_make_sense(words: list[str]) -> None:
    with pytest.raises(ValueError, match="zero or less"):
        parse([*PORT, *words])


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
