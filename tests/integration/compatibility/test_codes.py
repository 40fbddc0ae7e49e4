"""Every error a client can meet, provoked for real, is the same through every door."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
import yaml
from edge_fixture import edges
from fault_proxy import FaultProxy, answer
from integration.compatibility.doors import (
    DOORS,
    Site,
    error_of,
    site_of,
)
from integration.compatibility.provocations import CASES, DECODE_S, MOST_BYTES, QUEUE, VIDEO, worker_died
from untrained import write_checkpoints

import outofsync_client as oos
from archives.build import SETTINGS, build
from benchmarks.ports import free_port
from gateway.openapi import DOCUMENT
from outofsync.errors import ErrorCode
from outofsync.limits import Limits
from outofsync_client import Client, OutOfSyncError
from outofsync_client._exceptions import ERRORS_BY_CODE
from outofsync_client.protocol import FORM_BYTES
from serving.edge.render import FAULTS

pytestmark = pytest.mark.server


@pytest.fixture(scope="module")
def strict_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Archives of small networks whose limits are soon reached."""
    settings = tmp_path_factory.mktemp("settings")
    shutil.copytree(SETTINGS / "deepfake", settings / "deepfake")
    for name in ("deblur", "ensemble"):
        values = yaml.safe_load((SETTINGS / name / "model-config.yaml").read_text())
        values["jobQueueSize"] = QUEUE
        values["outofsync"]["limits"] = {"request_bytes": MOST_BYTES, "decode_wall_s": DECODE_S}
        (settings / name).mkdir()
        (settings / name / "model-config.yaml").write_text(yaml.safe_dump(values, sort_keys=False))
    store = tmp_path_factory.mktemp("store")
    build(write_checkpoints(tmp_path_factory.mktemp("checkpoints")), store, settings=settings)
    return store


@pytest.fixture(scope="module")
def site(strict_store: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A server with the workflow alone, its limits soon reached, and the edge before it."""
    with ExitStack() as left:
        make = edges(strict_store, tmp_path_factory, left)
        edge = make("--rate", "500", "--burst", "500", "--plain-port", str(free_port()))
        yield left.enter_context(site_of(edge))


@pytest.mark.parametrize(
    ("code", "door"), [(code, door) for code, case in CASES.items() for door in case.doors]
)
def test_each_error_is_told_as_what_it_is_whichever_door(site: Site, code: str, door: str) -> None:
    case = CASES[code]
    told = case.expected(door)
    error = case.provoke(site, door)
    assert type(error) is told.kind
    assert (error.code, error.status, error.stage) == (told.kind.default_code, told.status, told.stage)
    assert ERRORS_BY_CODE[code] is case.expected(case.doors[0]).kind
    assert error.message
    assert error.hint
    assert error.message.rstrip(".") in str(error)
    if code != "unreadable_file":  # found before there was a request
        assert error.request_id
        assert error.request_id in str(error)


def test_a_worker_that_dies_of_each_attempt_is_no_news_to_callers_of_the_edge(site: Site) -> None:
    """The gateway asks again, which is in vain, or too soon for the next worker."""
    error = worker_died(site, "edge")
    assert (type(error), error.status) in [(oos.InternalError, 500), (oos.BusyError, 503)]
    assert error.stage == "edge"
    assert all((error.message, error.hint, error.request_id))


def test_every_code_of_the_client_is_provoked_here() -> None:
    assert set(CASES) == set(ERRORS_BY_CODE)


def test_every_code_of_the_server_and_the_edge_is_one_of_the_client() -> None:
    documented = DOCUMENT["components"]["schemas"]["Error"]["properties"]["error"]["properties"]["code"]
    assert {code.value for code in ErrorCode} <= set(ERRORS_BY_CODE)
    assert set(documented["enum"]) <= set(ERRORS_BY_CODE)
    assert {fault.code for fault in FAULTS} <= set(ERRORS_BY_CODE)


@pytest.mark.parametrize(("door", "stage"), [("token", ""), ("edge", "edge")])
def test_what_no_door_lets_in_is_too_large_as_well(site: Site, door: str, stage: str, tmp_path: Path) -> None:
    path = tmp_path / "video"
    with path.open("wb") as file:
        file.truncate(Limits().request_bytes + FORM_BYTES + 1)
    with site.client(door) as client:
        error = error_of(lambda: client.detect(path))
    assert (type(error), error.status, error.stage) == (oos.TooLargeError, 413, stage)
    assert error.hint


@pytest.mark.parametrize("body", [b"<html></html>", b"", b"{}"])
@pytest.mark.parametrize("door", ["token", "gateway"])
def test_what_is_no_answer_of_a_server_is_unexpected(site: Site, door: str, body: bytes) -> None:
    with (
        FaultProxy(site.url(door), *[answer(200, body)] * 2) as proxy,
        Client(proxy.url, **site.keys(door)) as client,
    ):
        errors = [error_of(lambda: client.detect(VIDEO)), error_of(lambda: client.deblur(VIDEO))]
        asked = proxy.asked
    for error, one in zip(errors, asked, strict=True):
        assert (type(error), error.status) == (oos.UnexpectedAnswerError, 200)
        assert error.request_id == one.headers["x-outofsync-request-id"]


@pytest.mark.parametrize("door", DOORS)
def test_an_async_client_hears_the_same(site: Site, door: str) -> None:
    videos = [b"", b"a letter" * 99, VIDEO[: len(VIDEO) // 2], VIDEO]
    expected = [oos.EmptyFileError, oos.UnsupportedMediaError, oos.CorruptMediaError, oos.Result]

    async def outcomes() -> list[oos.Outcome]:
        async with site.async_client(door) as client:
            return [judged.outcome async for judged in client.detect_many(videos)]

    found = asyncio.run(outcomes())
    assert [type(one) for one in found] == expected
    for one in found[:-1]:
        assert isinstance(one, OutOfSyncError)
        assert all((one.message, one.hint, one.request_id, one.status, one.stage))
