"""One command shifts the bands of a server to videos of one's own, and the server says by which it judges."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from shutil import copytree
from typing import Any

import pytest
from media_factory import beginning
from server_fixture import MakeServer

from outofsync_client import Client
from outofsync_client.calibration import Calibration
from serving.settings import ROOT

pytestmark = pytest.mark.server

COUNT = 20
SHORTEST_S, STEP_S = 2.0, 0.1


@dataclass(frozen=True)
class Desk:
    """A folder with a server of its own, its model store, and videos of so many people."""

    folder: Path

    def outofsync(self, *words: str) -> subprocess.CompletedProcess[str]:
        command = [str(Path(sys.executable).parent / "outofsync"), *words]
        return subprocess.run(command, cwd=self.folder, capture_output=True, text=True, check=False)

    def judge(self, video: Path) -> dict[str, Any]:
        with Client.of_state(self.folder / ".state") as client:
            return client.detect(video, deblur="never").to_dict()


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Beginnings of one sample, each a little longer than the one before."""
    folder = tmp_path_factory.mktemp("clips")
    for place in range(COUNT):
        video = beginning(ROOT / "samples" / "synchronised.mp4", SHORTEST_S + place * STEP_S)
        (folder / f"{place}.mp4").write_bytes(video)
    return folder


@pytest.fixture
def desk(make_server: MakeServer, model_store: Path, clips: Path, tmp_path: Path) -> Desk:
    folder = tmp_path / "desk"
    copytree(model_store, folder / "model_store")
    for clip in clips.iterdir():  # a person each
        person = folder / "genuine" / clip.stem
        person.mkdir(parents=True)
        (person / "one.mp4").symlink_to(clip)
    make_server(state=folder / ".state", model_store=folder / "model_store")
    return Desk(folder)


def test_own_videos_shift_the_bands(desk: Desk) -> None:
    clip = desk.folder / "genuine" / "0" / "one.mp4"
    before = desk.judge(clip)
    assert before["models"]["ensemble"]["calibration"] == "shipped"
    words = ("calibrate", "genuine", "--name", "newsroom", "--deblur", "never", "--lowest-alarm", "0.97")
    tried = desk.outofsync(*words)
    assert tried.returncode == 0, tried.stderr
    assert f"of {COUNT})" in tried.stdout
    assert desk.judge(clip)["models"] == before["models"], "nothing changes before the promotion"

    done = desk.outofsync(*words, "--resume", "--promote", "--project", str(ROOT))
    assert done.returncode == 0, done.stderr
    assert "the server judges by the calibration newsroom" in done.stdout
    after = desk.judge(clip)
    assert after["models"]["ensemble"]["calibration"] == "newsroom"
    assert after["probability_fake"] == before["probability_fake"]
    calibration = Calibration.read(desk.folder / "calibration" / "calibration.json")
    assert calibration.bands.middle >= 0.97
    assert after["verdict"] == calibration.bands.verdict(after["probability_fake"])
    assert calibration.scoring_sha256 == before["models"]["ensemble"]["scoring_sha256"]

    assert desk.outofsync("models", "rollback").returncode == 0
    assert desk.judge(clip)["models"] == before["models"]
    listed = json.loads(desk.outofsync("models", "list", "--json").stdout)
    assert [one["role"] for one in listed] == ["promoted", "registered"]
