"""Clips for training that a Ray cluster prepared are those that one process prepares, byte for byte."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from media_factory import Media

from benchmarks.footage import footage
from serving.settings import ROOT

PATIENCE_S = 300.0


def prepare(videos: Path, output: Path, *more: str) -> subprocess.CompletedProcess[str]:
    words = ["--folder", str(videos), "--output-dir", str(output), *more]
    command = [sys.executable, "-m", "training.prepare", *words]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=PATIENCE_S, check=False)


@pytest.fixture
def videos(tmp_path: Path) -> Path:
    folder = tmp_path / "videos" / "someone"
    folder.mkdir(parents=True)
    for number, seconds in enumerate((2.0, 1.6, 1.8)):  # the longest first: it is done last
        (folder / f"{number}.mp4").write_bytes(footage(seconds, 360, 360))
    shutil.copy(folder / "1.mp4", folder / "copy.mp4")
    (folder / "mute.mp4").write_bytes(Media(audio=None).to_bytes())
    return folder.parent


def test_ray_writes_the_same_files(videos: Path, tmp_path: Path) -> None:
    here, there = tmp_path / "here", tmp_path / "there"
    for output, more in ((here, []), (there, ["--ray"])):
        done = prepare(videos, output, *more)
        assert "3 clips written, 2 skipped" in done.stdout, done.stderr
    written = sorted(path.name for path in here.iterdir())
    assert written == sorted(path.name for path in there.iterdir())
    for name in written:
        mine, theirs = (here / name).read_bytes(), (there / name).read_bytes()
        if name == "skipped.jsonl":  # copies are noticed while videos are read, ahead of what is cut
            mine, theirs = (b"".join(sorted(one.splitlines(keepends=True))) for one in (mine, theirs))
        assert mine == theirs, name
    assert "0 clips written, 0 skipped" in prepare(videos, there, "--ray").stdout


def test_a_cluster_that_is_not_there_is_named(videos: Path, tmp_path: Path) -> None:
    done = prepare(videos, tmp_path / "clips", "--ray", "127.0.0.1:1")
    assert done.returncode == 1
    assert "no Ray cluster answers at 127.0.0.1:1" in done.stderr
    assert "Traceback" not in done.stderr
