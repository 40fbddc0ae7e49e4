"""The chain of commands behind the checkpoints: rehearsed, interrupted, and kept off what ships."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest

from outofsync.checkpoints.store import Checkpoint
from outofsync.clip import Clip, Track
from outofsync.frames import RawFrames
from training.clips import is_held_out
from training.preparation.ledger import append
from training.preparation.run import manifest_of
from training.preparation.shards import ShardWriter
from training.preparation.sources import listed
from training.reproduce import FEWEST, main, parse, write_some

FRAMES = 6


@pytest.fixture
def clips(tmp_path: Path) -> Path:
    """Sharp noise, of somebody to learn from and somebody to be watched by."""
    folder = tmp_path / "clips"
    folder.mkdir()
    for split in ("train", "val"):
        pictures = np.random.default_rng(1).integers(0, 255, (FRAMES, 224, 224, 3), np.uint8)
        track = Track(0, 0, RawFrames(pictures), np.zeros((FRAMES, 4), np.float32))
        clip = Clip([track], np.zeros(FRAMES * 640, np.int16))
        known = {"file": split, "split": split, "label": "real", "generator": "", "identity": split}
        entry = {**known, "source": "tests", "frames": FRAMES, "face_px": 200.0, "sha256": "0" * 64}
        append(manifest_of(folder), entry | ShardWriter(folder).append(clip.to_bytes()))
    return folder


def rehearse(clips: Path, output: Path) -> int:
    chosen = ["--only", "deblur", "--clips", str(clips), "--output-dir", str(output), "--workers", "1"]
    return main([*chosen, "--scale", "0.0001"])


@pytest.mark.slow
def test_a_rehearsal_makes_a_checkpoint_and_goes_on_where_it_was(
    clips: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "made"
    shard = next(clips.glob("shard-*"))
    hidden = shard.rename(shard.with_suffix(".hidden"))
    assert rehearse(clips, output) != 0  # the first command fails, and nothing after it is tried
    assert not (output / "deblur.safetensors").exists()
    hidden.rename(shard)
    assert rehearse(clips, output) == 0
    made = Checkpoint.load(output / "deblur.safetensors", kind="deblur")
    capsys.readouterr()
    assert rehearse(clips, output) == 0
    assert capsys.readouterr().out.count("done before") == 2
    assert Checkpoint.load(output / "deblur.safetensors", kind="deblur").sha256 == made.sha256


def test_what_is_made_builds_on_what_was_made_before_and_else_on_what_ships(tmp_path: Path) -> None:
    def arguments(*only: str) -> tuple[str, ...]:
        plan = parse(["--only", *only, "--clips", "clips", "--output-dir", str(tmp_path)])
        return list(plan.commands())[-1].arguments

    assert "checkpoints/sync.safetensors" in arguments("scoring")
    assert f"{tmp_path}/sync.safetensors" in arguments("sync", "scoring")
    (tmp_path / "sync.safetensors").touch()
    assert f"{tmp_path}/sync.safetensors" in arguments("scoring")


def test_nothing_is_made_over_what_it_starts_from(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        parse(["--output-dir", "checkpoints"])
    assert "folder of its own" in capsys.readouterr().err


def test_a_rehearsal_keeps_some_of_every_kind_and_nothing_of_test(tmp_path: Path) -> None:
    kinds = [("train", "real"), ("train", "fake"), ("val", "real"), ("test", "real")]
    rows = [(f"{split}/{label}_{n}.mp4", split, label) for split, label in kinds for n in range(300)]
    videos = tmp_path / "videos.csv"
    with videos.open("w", newline="") as file:
        csv.writer(file).writerows([("file", "split", "label"), *rows])

    def kept(scale: float) -> list[str]:
        some = tmp_path / f"{scale}.csv"
        write_some(videos, some, scale)
        return [f"{video.split}/{Path(video.file).name}" for video in listed(some)]

    many, few = kept(0.5), kept(0.001)
    shares = {kind: sum(name.startswith("/".join(kind)) for name in many) for kind in kinds}
    assert shares == {kinds[0]: 150, kinds[1]: 150, kinds[2]: 150, kinds[3]: 0}
    assert set(few) < {row[0] for row in rows}
    learnt = [name for name in few if name.startswith("train/real")]
    assert sum(map(is_held_out, learnt)) == len(learnt) - FEWEST == FEWEST
