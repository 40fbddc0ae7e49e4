"""Catalogues on a real Ray, with real weights: one row a video, whatever dies, from folders and buckets."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import psutil
import pyarrow.parquet as pq
import pytest

from benchmarks.footage import footage
from benchmarks.ports import free_port
from outofsync_cluster.fence import fenced
from outofsync_cluster.places import Storage
from serving.settings import ROOT

VIDEOS = {"one.mp4": 1.6, "two.mp4": 1.8, "three.mp4": 2.0}  # seconds
SIDE = 360
PATIENCE_S = 300.0
KILLS = 2
ANSWER_S = 10.0
FILE = {"Content-Type": "application/octet-stream"}  # the storage server would read a form to its end


def command(source: str, output: str, *more: str) -> list[str]:
    words = ["--output-dir", output, "--checkpoints", str(ROOT / "checkpoints"), "--quiet", *more]
    return [sys.executable, "-m", "outofsync_cluster.cli", source, *words]


def score(source: str, output: str, *more: str) -> str:
    ran = subprocess.run(
        command(source, output, *more),
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    return ran.stdout


def table(folder: Path, name: str) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    for part in sorted((folder / name).glob("*.parquet")):
        rows += pq.read_table(part).to_pylist()
    return rows


def judged(folder: Path) -> dict[str, dict[str, Any]]:
    """Results by file name, without what differs from run to run; no file has two."""
    found = {}
    for part in (folder / "results").glob("*.jsonl"):
        for line in part.read_text().splitlines():
            result = json.loads(line)
            name = Path(result.pop("uri")).name
            assert name not in found, f"{name} is there twice"
            del result["timing_ms"], result["sha256"]
            found[name] = result
    return found


@pytest.fixture(scope="module")
def catalogue(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("catalogue")
    for name, seconds in VIDEOS.items():
        (folder / name).write_bytes(footage(seconds, SIDE, SIDE))
    (folder / "empty.mp4").touch()
    (folder / "words.mp4").write_text("no video")
    return folder


@pytest.fixture(scope="module")
def undisturbed(catalogue: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    output = tmp_path_factory.mktemp("undisturbed")
    assert "3 judged, 2 failed" in score(str(catalogue), str(output))
    return output


def test_each_video_has_its_row(undisturbed: Path) -> None:
    assert set(judged(undisturbed)) == set(VIDEOS)
    codes = {Path(row["uri"]).name: row["code"] for row in table(undisturbed, "errors")}
    assert codes == {"empty.mp4": "empty_file", "words.mp4": "unsupported_media"}
    videos = table(undisturbed, "videos")
    assert all(row["cpu_s"] > 0 and row["width"] > 0 and row["fps"] > 0 for row in videos)
    assert {row["key"] for row in table(undisturbed, "segments")} <= {row["key"] for row in videos}
    assert "one.mp4" in (undisturbed / "report.html").read_text()


def test_what_is_known_is_not_judged_again(catalogue: Path, undisturbed: Path) -> None:
    before = table(undisturbed, "sources")
    assert "0 judged, 0 failed, 0 met again, 5 done before" in score(str(catalogue), str(undisturbed))
    assert table(undisturbed, "sources") == before


def test_what_failed_is_tried_again_when_asked(catalogue: Path, undisturbed: Path, tmp_path: Path) -> None:
    again = shutil.copytree(undisturbed, tmp_path / "again")
    said = score(str(catalogue), str(again), "--retry-failed")
    assert "0 judged, 2 failed, 0 met again, 3 done before" in said
    assert judged(again) == judged(undisturbed)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=16k", "tmpfs", str(folder)]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("only root may mount a disk for the test, and not everywhere")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


def test_a_disk_that_is_full_is_said_and_later_gone_on_with(
    catalogue: Path, undisturbed: Path, small_disk: Path
) -> None:
    words = command(str(catalogue), str(small_disk))
    ran = subprocess.run(words, capture_output=True, text=True, timeout=PATIENCE_S, check=False)
    assert ran.returncode == 2
    assert ran.stderr.endswith("what was written before stays, and the same command goes on from there\n")
    assert "the disk is full" in ran.stderr
    subprocess.run(["mount", "-o", "remount,size=16m", str(small_disk)], check=True)
    score(str(catalogue), str(small_disk))
    assert judged(small_disk) == judged(undisturbed)
    assert len(table(small_disk, "sources")) == 5


def test_a_killed_driver_loses_and_doubles_nothing(
    catalogue: Path, undisturbed: Path, tmp_path: Path
) -> None:
    """Killed each time it has written something, until there is nothing left to do."""
    words = command(str(catalogue), str(tmp_path), "--write-every", "0")
    ends = []
    for _ in range(KILLS):
        with begun(words) as driver:
            before = len(table(tmp_path, "sources"))
            while len(table(tmp_path, "sources")) == before and driver.poll() is None:
                time.sleep(0.02)
        ends.append(driver.returncode)
    assert ends[0] == -signal.SIGKILL
    score(str(catalogue), str(tmp_path))
    assert judged(tmp_path) == judged(undisturbed)
    assert len(table(tmp_path, "sources")) == len(table(tmp_path, "videos")) + 2 == 5


def test_a_killed_process_and_stages_of_their_own_change_nothing(
    catalogue: Path, undisturbed: Path, tmp_path: Path
) -> None:
    """Crops that were cut by other actors are scored bit for bit alike, even where an engine is killed."""
    with begun(command(str(catalogue), str(tmp_path), "--split", "--cores", "2")) as driver:
        wait_for(lambda: driver.poll() is not None or engines(driver.pid) != [])
        engines(driver.pid)[0].kill()
        assert driver.wait(PATIENCE_S) == 0
    assert judged(tmp_path) == judged(undisturbed)
    assert len(table(tmp_path, "sources")) == 5


def test_a_second_run_is_kept_out(catalogue: Path, undisturbed: Path) -> None:
    with fenced(Storage().place(str(undisturbed))):
        assert_kept_out(str(catalogue), str(undisturbed))


def assert_kept_out(*words: str) -> None:
    ran = subprocess.run(command(*words), capture_output=True, text=True, timeout=PATIENCE_S, check=False)
    assert ran.returncode == 2
    assert "another run writes" in ran.stderr
    assert len(ran.stderr.splitlines()) == 1


def engines(driver: int) -> list[psutil.Process]:
    """The engine's processes that work for a driver's actors; it starts one itself to ask for its version."""
    found = []
    for process in psutil.Process(driver).children(recursive=True):
        with suppress(psutil.Error):
            if "outofsync_cluster.child" in process.cmdline() and process.ppid() != driver:
                found.append(process)
    return found


@contextmanager
def begun(words: list[str]) -> Iterator[subprocess.Popen[bytes]]:
    """A run that is killed at the end of the block, if it has not ended by then."""
    driver = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        yield driver
    finally:
        driver.kill()
        driver.wait()


def wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline, "it did not come to pass"
        time.sleep(0.02)


@pytest.fixture
def bucket(catalogue: Path) -> Iterator[str]:
    """The address of a storage server with the catalogue in the bucket ``videos``."""
    port = free_port()
    words = ["-c", "from moto.server import main; main()", "-H", "127.0.0.1", "-p", str(port)]
    server = subprocess.Popen([sys.executable, *words], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    url = f"http://127.0.0.1:{port}"
    try:
        _put(url, "videos", b"", patience_s=60.0)
        _put(url, "out", b"", patience_s=60.0)
        for video in catalogue.iterdir():
            _put(url, f"videos/new/{video.name}", video.read_bytes(), patience_s=60.0)
        yield url
    finally:
        server.kill()
        server.wait()


def _put(url: str, path: str, data: bytes, patience_s: float = 0.0) -> None:
    deadline = time.monotonic() + patience_s
    while True:
        try:
            with urlopen(Request(f"{url}/{path}", data, FILE, method="PUT"), timeout=ANSWER_S):
                return
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.2)


def test_a_bucket_brings_the_same_as_a_folder(
    bucket: str, undisturbed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "any")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    words, output = ["s3://videos/new", "s3://out/run", "--endpoint", bucket], "s3://out/run"
    place = Storage.of([output], bucket).place(output)
    with fenced(place):
        assert_kept_out(*words)
    assert "3 judged, 2 failed" in score(*words)
    assert "5 done before" in score(*words)
    (tmp_path / "results").mkdir()
    lines = place.child("results")
    for info in lines.entries():
        (tmp_path / "results" / Path(info.path).name).write_bytes(lines.at(info.path).read())
    assert judged(tmp_path) == judged(undisturbed)
