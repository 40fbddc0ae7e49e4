"""What travels inside archives, and what nginx is told, says the same words as outofsync_client.protocol."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import batching
import in_flight
from gateway.openapi import DOCUMENT
from gateway.progress import QUEUED, RECEIVING
from outofsync import errors
from outofsync.progress import Step
from outofsync_client import protocol
from serving.settings import CONFIG, ROOT

HANDLERS = ROOT / "handlers"
EVENTS = protocol.EDGE_EVENTS.format(id="a.b-c_1")


def test_handlers_hear_the_headers_that_callers_send() -> None:
    assert protocol.REQUEST_ID_HEADER.lower() == batching.REQUEST_ID_HEADER
    assert protocol.SENT_AT_HEADER.lower() == batching.SENT_HEADER


def test_workers_tell_of_requests_where_they_are_asked_to() -> None:
    assert protocol.PROGRESS_HEADER.lower() == batching.PROGRESS_HEADER
    assert protocol.PROGRESS_VARIABLE == batching.PROGRESS_VARIABLE
    told = DOCUMENT["paths"][protocol.EDGE_EVENTS]["get"]["description"]
    stages = re.findall(r"`([a-z]+)`", told.split("stages are")[1].split("at the server")[0])
    assert stages == [RECEIVING, QUEUED, *Step]


def test_workers_leave_marks_and_clips_where_they_are_looked_for() -> None:
    assert protocol.IN_FLIGHT_FOLDER == in_flight.FOLDER
    assert protocol.CLIPS_FOLDER == batching.CLIPS_FOLDER


@pytest.mark.parametrize("code", list(errors.ErrorCode))
def test_the_engines_codes_are_known(code: errors.ErrorCode) -> None:
    assert getattr(protocol.ErrorCode, code.name) == code.value


@pytest.mark.parametrize("name", [protocol.SYNC_FILE, protocol.SCORING_FILE])
def test_the_ensemble_loads_the_files_that_are_looked_for_in_its_archive(name: str) -> None:
    assert f'"{name}"' in (HANDLERS / "outofsync" / "nodes" / "ensemble.py").read_text()


def test_nodes_have_a_handler_and_an_archive_each() -> None:
    for node in protocol.NODES:
        assert (HANDLERS / f"{node}_handler.py").is_file()
        assert (ROOT / "archives" / node / "model-config.yaml").is_file()
    spec = (ROOT / "archives" / protocol.WORKFLOW / "workflow.yaml").read_text()
    assert set(protocol.NODES) <= set(re.findall(r"^  (\w+):", spec, re.MULTILINE))


def test_nginx_passes_on_what_there_is() -> None:
    told = (CONFIG / "edge" / "nginx.conf").read_text()
    passed = re.findall(r"location ~ (\S+) \{", told)
    edge = protocol.EDGE
    for route in (edge.detect, edge.deblur, edge.health, protocol.EDGE_MODELS, protocol.EDGE_REPORT, EVENTS):
        assert any(re.search(pattern, route) for pattern in passed), route
    assert f"location = {protocol.EDGE_DOCUMENT} {{" in told
    for header in (protocol.REQUEST_ID_HEADER, protocol.API_KEY_HEADER):
        assert f"$http_{header.lower().replace('-', '_')}" in told


@pytest.mark.parametrize("room", ["gateway", "serving", "archives", "benchmarks"])
def test_no_room_reaches_into_private_modules_of_the_client(room: str) -> None:
    private = re.compile(r"outofsync_client(\.\w+)*\._\w|from outofsync_client(\.\w+)* import _\w")
    sources: list[Path] = sorted((ROOT / room).rglob("*.py"))
    assert sources
    assert not [path for path in sources if private.search(path.read_text())]
