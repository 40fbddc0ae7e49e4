"""A real Prometheus scrapes a loaded server, and the rules and the dashboard read what it has."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil
import pytest
import requests
from decoders import decoders
from edge_fixture import LiveEdge, MakeEdge, installed
from media_factory import Media, beginning

from benchmarks.ports import free_port
from serving.settings import ROOT

pytestmark = pytest.mark.server

FOLDER = ROOT / "config" / "observability"
SAMPLE = beginning(ROOT / "samples" / "synchronised.mp4", 2.0)
# These happen in the test; the others of the dashboard need a canary or a day of traffic.
HAPPEN = {
    "Requests by status",
    "Time of a request",
    "Errors by code and stage",
    "Where the time goes",
    "Waiting requests",
    "Mean batch",
    "Batches by size",
    "Verdicts",
    "Why no verdict was given",
    "Deblurred",
    "Decoders that died",
    "Servers",
    "Pipelines",
    "Verdicts of each version",
    "Uploads",
}

VERDICTS = "sum(outofsync_verdicts_total)"
INCONCLUSIVE = 'sum(outofsync_verdicts_total{Verdict="inconclusive"})'
ABSTENTIONS = "sum(outofsync_abstentions_total)"
UNSUPPORTED = 'sum(outofsync_errors_total{Code="unsupported_media",Stage="probe"})'
CORRUPT = 'sum(outofsync_errors_total{Code="corrupt_media"})'
CRASHES = "sum(outofsync_decode_crashes_total)"
DEBLURRED = "sum(outofsync_deblurred_total)"
READING_S = 0.05  # of the processor: a small part of what the file takes
COUNTED = (VERDICTS, INCONCLUSIVE, ABSTENTIONS, UNSUPPORTED, CORRUPT, CRASHES, DEBLURRED)


def panels() -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads((FOLDER / "dashboard.json").read_text())["panels"]
    return found


def test_the_rules_fire_where_they_should() -> None:
    promtool = installed("promtool", "prometheus")
    for command in (["check", "rules", "alerts.yml"], ["test", "rules", "alerts_test.yml"]):
        done = subprocess.run([promtool, *command], cwd=FOLDER, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr
    named = set(re.findall(r"alert: (\w+)", (FOLDER / "alerts.yml").read_text()))
    tested = set(re.findall(r"alertname: (\w+)", (FOLDER / "alerts_test.yml").read_text()))
    assert named == tested


class Prometheus:
    """A Prometheus of the test's own."""

    def __init__(self, folder: Path, targets: dict[str, str]) -> None:
        self.url = f"http://127.0.0.1:{free_port()}"
        for name in ("prometheus.yml", "alerts.yml"):
            shutil.copy(FOLDER / name, folder)
        settings = folder / "prometheus.yml"
        settings.write_text(settings.read_text().replace("15s", "1s"))
        (folder / "targets").mkdir()
        for name, target in targets.items():
            (folder / "targets" / f"{name}.json").write_text(json.dumps([{"targets": [target]}]))
        words = [f"--config.file={settings}", f"--storage.tsdb.path={folder / 'data'}"]
        words += [f"--web.listen-address={self.url.removeprefix('http://')}"]
        self.process = subprocess.Popen(
            [installed("prometheus", "prometheus"), *words],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    def query(self, expression: str) -> list[dict[str, Any]]:
        """What an expression gives now; an expression that Prometheus cannot read is an assertion error."""
        answer = requests.get(f"{self.url}/api/v1/query", params={"query": expression}, timeout=30).json()
        assert answer["status"] == "success", answer
        found: list[dict[str, Any]] = answer["data"]["result"]
        return found

    def value(self, expression: str) -> float:
        found = self.query(expression)
        return float(found[0]["value"][1]) if found else 0.0

    def wait_for(self, condition: Callable[[], object]) -> None:
        for _ in range(600):
            with suppress(requests.RequestException):
                if condition():
                    return
            time.sleep(0.1)
        raise AssertionError("Prometheus never saw it")


@pytest.fixture(scope="module")
def edge(make_edge: MakeEdge) -> LiveEdge:
    return make_edge("--metrics-port", str(free_port()), "--rate", "500", "--burst", "500")


@pytest.fixture(scope="module")
def prometheus(edge: LiveEdge, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prometheus]:
    targets = {
        "server": edge.servers[0].state.metrics_url.split("/")[2],
        "gateway": f"127.0.0.1:{edge.settings.metrics_port}",
    }
    running = Prometheus(tmp_path_factory.mktemp("prometheus"), targets)
    try:
        running.wait_for(lambda: running.value("count(up == 1)") == 2)
        yield running
    finally:
        running.process.terminate()
        running.process.wait()


def is_reading(decoder: psutil.Process) -> bool:
    """It may write no files any more, so it was confined, and has worked since."""
    try:
        limits = Path(f"/proc/{decoder.pid}/limits").read_text()
    except OSError:
        raise psutil.NoSuchProcess(decoder.pid) from None
    confined = bool(re.search(r"^Max file size +0 +0 ", limits, re.MULTILINE))
    before = decoder.cpu_times().user
    while confined and decoder.cpu_times().user < before + READING_S:
        time.sleep(0.005)
    return confined


def kill_a_decoder(edge: LiveEdge, ask: Callable[[], requests.Response]) -> requests.Response:
    """Ask, and kill the process that decodes meanwhile, once it is well into the file."""
    worker = psutil.Process(edge.servers[0].workers()["deepfake__deblur"][0])
    with ThreadPoolExecutor(1) as pool:
        asking = pool.submit(ask)
        while not asking.done():
            for child in decoders(worker):
                with suppress(psutil.NoSuchProcess):
                    if is_reading(child):
                        child.kill()
            time.sleep(0.005)
        return asking.result()


def test_a_loaded_server_is_seen(edge: LiveEdge, prometheus: Prometheus) -> None:
    still = Media(frames=60).to_bytes()
    before = {name: prometheus.value(name) for name in COUNTED}  # of the probes
    with ThreadPoolExecutor(8) as pool:
        judged = list(pool.map(edge.detect, [SAMPLE, still] * 4))
        broken = list(pool.map(edge.detect, [b"no video", SAMPLE[:5000]]))
    assert {answer.status_code for answer in judged} == {200}
    assert sorted(answer.status_code for answer in broken) == [415, 422]
    killed = kill_a_decoder(edge, lambda: edge.detect(Media(frames=3000).to_bytes()))
    assert killed.json()["error"]["code"] == "corrupt_media"

    def grown(name: str) -> float:
        return prometheus.value(name) - before[name]

    prometheus.wait_for(lambda: grown(VERDICTS) == 8 and grown(CRASHES) == 1)  # the last to come
    inconclusive = sum(answer.json()["verdict"] == "inconclusive" for answer in judged)
    assert grown(INCONCLUSIVE) == inconclusive >= 4
    assert grown(ABSTENTIONS) >= inconclusive
    assert grown(UNSUPPORTED) == 1
    assert grown(CORRUPT) == 2, "each is counted once"
    assert grown(CRASHES) == 1
    assert grown(DEBLURRED) == 8
    assert prometheus.value('sum(outofsync_stage_seconds_total{Stage="decode"})') > 0
    assert prometheus.value('sum(outofsync_stage_seconds_total{Stage="fusion"})') > 0
    assert prometheus.value('sum(outofsync_batch_requests_total{Size!="1"})') > 0, "batches were shared"
    assert prometheus.value('ts_queue_latency_microseconds{model_name="deepfake__deblur"}') > 0
    assert prometheus.value('outofsync_http_requests_total{status="200",route="/v1/detect"}') == 8
    assert prometheus.value('outofsync_http_requests_total{status="415",code="unsupported_media"}') == 1
    assert prometheus.value("outofsync_server_up") == 1


def test_every_panel_can_be_drawn(edge: LiveEdge, prometheus: Prometheus) -> None:
    for _ in range(3):  # a rate needs two scrapes apart
        edge.detect(SAMPLE)
        edge.detect(b"no video")
        edge.detect(Media(frames=60).to_bytes())
    empty = set()
    for panel in panels():
        expressions = [target["expr"].replace("$__rate_interval", "2m") for target in panel["targets"]]
        if not any(map(prometheus.query, expressions)):  # of several lines one is enough: not all happens
            empty.add(panel["title"])
    assert not empty & HAPPEN
    assert {panel["title"] for panel in panels()} >= HAPPEN


def test_every_metric_that_is_read_is_told(edge: LiveEdge) -> None:
    server = requests.get(edge.servers[0].state.metrics_url, timeout=30).text
    gateway = requests.get(f"http://127.0.0.1:{edge.settings.metrics_port}/metrics", timeout=30).text
    told = set(re.findall(r"^(?:# TYPE )?(\w+)", server + gateway, re.MULTILINE))
    told |= {f"{name}_bucket" for name in told}
    source = (ROOT / "handlers" / "metrics.py").read_text()
    told |= set(re.findall(r"outofsync_\w+", source))
    read = (FOLDER / "dashboard.json").read_text() + (FOLDER / "alerts.yml").read_text()
    names = set(re.findall(r"\b((?:outofsync|ts)_[a-z_]+(?:total|bucket|up|progress|microseconds))\b", read))
    assert names
    assert not names - told


def test_a_request_is_found_in_both_nodes_logs(edge: LiveEdge) -> None:
    identity = "seen-by-both-nodes"
    edge.detect(SAMPLE, headers={"X-OutOfSync-Request-Id": identity})
    edge.detect(b"no video", headers={"X-OutOfSync-Request-Id": f"{identity}-failed"})
    time.sleep(1.0)
    entries = []
    for line in edge.servers[0].folder.log_file.read_text().splitlines():
        if line.startswith("{"):
            entries.append(json.loads(line).get("entry") or {})
    nodes = {entry["node"]: entry for entry in entries if entry.get("request_id") == identity}
    assert set(nodes) == {"deepfake__deblur", "deepfake__ensemble"}
    assert nodes["deepfake__ensemble"]["verdict"]
    assert nodes["deepfake__deblur"]["timing_ms"]["decode"] > 0
    failed = [entry for entry in entries if entry.get("request_id") == f"{identity}-failed"]
    assert [(entry["node"], entry["code"]) for entry in failed] == [("deepfake__deblur", "unsupported_media")]
    assert edge.servers[0].state.token not in edge.servers[0].folder.log_file.read_text()
