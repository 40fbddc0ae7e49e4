"""Servers and the engine of one version judge a catalogue alike, bit for bit."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from server_fixture import CHECKPOINTS, LiveServer

from benchmarks.footage import footage
from outofsync.options import Options
from outofsync_cluster.backends import EngineBackend, read_weights

SECONDS = {"one.mp4": 1.6, "two.mp4": 2.0}
SIDE = 360
PATIENCE_S = 300.0
THREADS = int(os.environ.get("OMP_NUM_THREADS") or len(os.sched_getaffinity(0)))  # as the server's workers

pytestmark = pytest.mark.server


def test_rows_are_the_same(server: LiveServer, tmp_path: Path) -> None:
    files = {name: footage(seconds, SIDE, SIDE) for name, seconds in SECONDS.items()}
    files["words.mp4"] = b"no video"
    for name, data in files.items():
        (tmp_path / name).write_bytes(data)
    output = tmp_path / "served"
    words = [str(tmp_path), "--output-dir", str(output), "--backend", "served", "--quiet"]
    door = ["--url", server.state.url, "--token", server.state.token, "--cores", "1"]
    ran = subprocess.run(
        [sys.executable, "-m", "outofsync_cluster.cli", *words, *door],
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    assert "2 judged, 1 failed" in ran.stdout
    lines = [
        json.loads(line) for part in (output / "results").iterdir() for line in part.read_text().splitlines()
    ]
    engine = EngineBackend(read_weights(CHECKPOINTS), Options().to_dict(), threads=THREADS, device="cpu")
    answers = engine.judge(list(files.values()))
    engine.close()
    assert {Path(line["uri"]).name: result_of(line) for line in lines} == {
        name: result_of(json.loads(answer.data)) for name, answer in zip(SECONDS, answers, strict=False)
    }


def result_of(line: dict[str, Any]) -> dict[str, Any]:
    """A result without where its video lay, and without what depends on the clock."""
    return {name: value for name, value in line.items() if name not in ("uri", "sha256", "timing_ms")}
