"""``outofsync batch --as-jobs`` against a real edge, killed again and again."""

from __future__ import annotations

import json
import os
import struct
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from edge_fixture import LiveEdge
from integration.edge.test_progress import SAMPLE

pytestmark = pytest.mark.server
VIDEOS = 4


def video(number: int) -> bytes:
    """The sample, with a box at its end that nobody looks into: another content of the same findings."""
    box = b"free" + b"number %d" % number
    return SAMPLE + struct.pack(">I", 4 + len(box)) + box


def begin(edge: LiveEdge, folder: Path) -> subprocess.Popen[bytes]:
    words = [str(Path(sys.executable).parent / "outofsync"), "batch", "videos", "--output-dir", "out"]
    words += ["--as-jobs", "--jobs", "2", "--resume", "--url", edge.url, "--ca-bundle", edge.authority]
    return subprocess.Popen(words, cwd=folder, env={**os.environ, "OUTOFSYNC_API_KEY": edge.key})


def lines(path: Path) -> list[dict[str, Any]]:
    """Those that are whole."""
    text = path.read_text() if path.exists() else ""
    return [json.loads(line) for line in text.splitlines(keepends=True) if line.endswith("\n")]


def test_a_run_that_is_killed_goes_on_with_its_jobs(edge: LiveEdge, tmp_path: Path) -> None:
    (tmp_path / "videos").mkdir()
    for number in range(VIDEOS):
        (tmp_path / f"videos/{number}.mp4").write_bytes(video(number))
    journal, results = tmp_path / "out/jobs.jsonl", tmp_path / "out/results.jsonl"

    def handed_in() -> int:
        return sum("job" in entry for entry in lines(journal))

    for count in range(1, VIDEOS):
        with begin(edge, tmp_path) as run:
            while handed_in() < count and run.poll() is None:
                time.sleep(0.01)
            run.kill()
    assert begin(edge, tmp_path).wait() in (0, 1, 2), "an exit code of verdicts"
    found = lines(results)
    assert sorted(Path(entry["path"]).name for entry in found) == [f"{n}.mp4" for n in range(VIDEOS)]
    assert handed_in() == VIDEOS
    digests = {entry["sha256"] for entry in found}
    jobs = [job for job in edge.ask("GET", "/v1/jobs?limit=200").json()["jobs"] if job["sha256"] in digests]
    assert len(jobs) == VIDEOS, "nothing was handed in twice"
    expected = edge.detect(SAMPLE).json()
    assert {entry["result"]["score"] for entry in found} == {expected["score"]}
