"""Packs: frames come back in their order, and everybody is in before anybody is in twice."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from outofsync.frames import JpegFrames
from training.frame_pack import Candidate, PackedFrame, chosen, read_pack, write_pack

PICTURE = np.random.default_rng(0).integers(0, 256, (32, 32, 3), dtype=np.uint8)


def candidate(name: str, person: str, clip: str, sharpness: float, source: str = "a") -> Candidate:
    return Candidate(PackedFrame(name.encode(), source, "train"), person, clip, sharpness)


def names(frames: list[PackedFrame]) -> list[str]:
    return [frame.jpeg.decode() for frame in frames]


def test_frames_come_back_in_their_order(tmp_path: Path) -> None:
    coded = JpegFrames.encode(PICTURE)
    frames = [
        PackedFrame(coded, "a", "train"),
        PackedFrame(b"x", "b", "val"),
        PackedFrame(b"yz", "b", "train"),
    ]
    write_pack(tmp_path / "new" / "frames.safetensors", frames)
    train = read_pack(tmp_path / "new" / "frames.safetensors", split="train")
    assert train == [frames[0], frames[2]]
    assert np.array_equal(train[0].picture(), JpegFrames.decode(coded))
    assert read_pack(tmp_path / "new" / "frames.safetensors", split="val") == [frames[1]]


def test_everybody_comes_before_anybody_twice_and_other_clips_before_the_same() -> None:
    frames = [
        candidate("1", "ann", "x", 0.3),
        candidate("2", "ann", "x", 0.29),
        candidate("3", "ann", "y", 0.2),
        candidate("4", "bob", "z", 0.17),
    ]
    assert names(chosen(frames, 100)) == ["1", "4", "3", "2"]
    assert names(chosen(frames, 2)) == ["1", "4"]


def test_no_source_gives_more_than_its_share() -> None:
    frames = [candidate(str(n), str(n), str(n), 0.3 - n / 100) for n in range(5)]
    frames.append(candidate("other", "other", "other", 0.16, source="b"))
    assert names(chosen(frames, 100, max_of_a_source=2)) == ["0", "1", "other"]
