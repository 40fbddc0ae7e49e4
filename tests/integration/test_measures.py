"""What a server says of its own work, and that nothing of a request stays behind."""

from __future__ import annotations

import json
import time
from pathlib import Path

import psutil
import pytest
from media_factory import beginning
from server_fixture import LiveServer

from benchmarks.server import BATCHES, REQUESTS, metrics_of
from outofsync_client import Client
from outofsync_client.cli.status import status_of
from serving.settings import ROOT

pytestmark = pytest.mark.server

SAMPLE = beginning(ROOT / "samples" / "synchronised.mp4", 2.0)
FIRST_NODE = {"digest", "decode", "track", "detect", "crop", "sharpness", "code", "deblur"}
SECOND_NODE = {"handover", "read", "mouth_pictures", "log_mel", "visual_encoder", "audio_encoder", "fusion"}
SECOND_NODE |= {"regressors", "motion", "serialise"}


def clips(server: LiveServer) -> Path:
    """Where clips lie between the nodes."""
    worker = psutil.Process(server.workers()["deepfake__deblur"][0])
    return Path(worker.environ()["TMPDIR"]) / "clips"


def test_a_result_says_where_its_time_went(server: LiveServer) -> None:
    started = time.time()
    timing = server.detect(SAMPLE)["timing_ms"]
    passed_ms = (time.time() - started) * 1000
    assert set(timing) >= FIRST_NODE | SECOND_NODE
    assert 0 < sum(timing.values()) <= passed_ms


def test_what_came_before_the_work_is_said_where_the_caller_names_the_time(server: LiveServer) -> None:
    form = {"data": ("video", SAMPLE)}
    sent = {"X-OutOfSync-Sent-At": str(time.time() - 2.0)}
    answer = server.post("/wfpredict/deepfake", files=form, headers=sent).json()
    assert answer["timing_ms"]["arrival"] >= 2000


@pytest.mark.parametrize("sent", ["yesterday", "nan", "inf", "-5", "1e400"])
def test_a_time_that_makes_no_sense_is_left_out(server: LiveServer, sent: str) -> None:
    form = {"data": ("video", SAMPLE)}
    answer = server.post("/wfpredict/deepfake", files=form, headers={"X-OutOfSync-Sent-At": sent}).json()
    assert "verdict" in answer
    assert "arrival" not in answer["timing_ms"]


def test_batches_requests_and_stages_are_counted(server: LiveServer) -> None:
    server.detect(SAMPLE)
    before = metrics_of(server.state)
    server.detect(SAMPLE)
    after = metrics_of(server.state)

    def grown(name: str, **labels: str) -> float:
        return after.total(name, **labels) - before.total(name, **labels)

    for model in ("deepfake__deblur", "deepfake__ensemble"):
        assert grown(REQUESTS, ModelName=model) == grown(BATCHES, ModelName=model) == 1
    assert grown("outofsync_stage_seconds_total", ModelName="deepfake__deblur", Stage="decode") > 0
    assert grown("outofsync_stage_seconds_total", ModelName="deepfake__ensemble", Stage="fusion") > 0


def test_the_command_line_shows_what_a_server_does(server: LiveServer) -> None:
    server.detect(SAMPLE)
    server.detect(b"no video")

    def counts() -> dict[str, dict[str, int]]:
        with Client.of_state(server.settings.state) as client:
            status = status_of(client)
        assert status.health.ready
        assert status.served is not None
        assert [len(node.workers or ()) for node in status.served.nodes] == [1, 1]
        found: dict[str, dict[str, int]] = json.loads(json.dumps(status.to_dict()))["counts"]
        return found

    before = counts()
    server.detect(b"no video")
    after = counts()
    assert after["errors"]["unsupported_media"] == before["errors"]["unsupported_media"] + 1
    assert after["verdicts"] == before["verdicts"]
    assert sum(after["verdicts"].values()) > 0


def test_no_clip_stays_behind(server: LiveServer) -> None:
    for data in (SAMPLE, b"no video", SAMPLE[:5000]):
        server.detect(data)
    assert list(clips(server).iterdir()) == []


@pytest.mark.parametrize("name", ["../../server.json", "/etc/passwd", "0" * 32])
def test_nobody_reads_the_servers_files_by_naming_them(server: LiveServer, name: str) -> None:
    before = server.workers()
    asked = b'{"spooled": ["%s", 0, 10]}' % name.encode()
    for model in ("ensemble", "deepfake__ensemble"):
        answer = server.post(f"/predictions/{model}", data=asked).json()
        assert answer["error"]["code"] in {"corrupt_media", "bad_options", "empty_file", "internal"}
    assert server.workers() == before
