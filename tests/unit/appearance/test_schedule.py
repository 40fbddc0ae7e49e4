"""Stretches cover a track, logits are spread over frames, and company changes nothing."""

from __future__ import annotations

from dataclasses import asdict

import numpy as np
import pytest
import torch

from outofsync.appearance.inputs import VIEWS, pictures_of
from outofsync.appearance.network import FaceConfig, FaceNetwork
from outofsync.appearance.schedule import SEEN, FaceJudge, read_stretch, spread, starts_of
from outofsync.checkpoints.store import Checkpoint, CheckpointError
from outofsync.frames import RawFrames

SMALL = FaceConfig()


@pytest.fixture(scope="module")
def judge() -> FaceJudge:
    torch.manual_seed(0)
    return FaceJudge(FaceNetwork(SMALL))


def track(frames: int, seed: int = 0) -> RawFrames:
    return RawFrames(np.random.default_rng(seed).integers(0, 255, (frames, 224, 224, 3), np.uint8))


@pytest.mark.parametrize(
    ("frames", "starts"),
    [(1, [0]), (20, [0]), (32, [0]), (60, [0]), (70, [0, 38]), (140, [0, 50, 100]), (150, [0, 50, 100])],
)
def test_a_stretch_of_every_two_seconds(frames: int, starts: list[int]) -> None:
    assert starts_of(frames) == starts
    assert max(starts_of(frames)) + SEEN <= max(frames, SEEN)


@pytest.mark.parametrize("frames", [1, 2, 7, 32, 36, 90])
def test_stretches_are_filled_from_what_there_is(frames: int) -> None:
    numbered = RawFrames(
        np.arange(frames, dtype=np.uint8)[:, None, None, None] * np.ones((1, 2, 2, 3), np.uint8)
    )
    read = read_stretch(numbered, 0)[:, 0, 0, 0]
    assert len(read) == SEEN + 4
    assert read.max() < frames
    steps = np.abs(np.diff(read.astype(int)))
    assert steps.max() <= 1


def test_frames_take_the_logit_of_the_nearest_stretch() -> None:
    found = spread([1.0, 3.0], [0, 50], 100)
    assert found.shape == (100,)
    assert (found[:41] == 1.0).all()
    assert (found[42:] == 3.0).all()


def test_logits_do_not_depend_on_the_company(judge: FaceJudge) -> None:
    one, other = track(120), track(40, seed=1)
    (alone,) = judge.evaluate([one])
    among = judge.evaluate([other, one, other])
    assert alone.shape == (120,)
    np.testing.assert_array_equal(among[1], alone)
    np.testing.assert_array_equal(among[0], among[2])
    assert judge.evaluate([]) == []


@pytest.mark.gpu
def test_a_card_comes_to_the_same_logits(judge: FaceJudge) -> None:
    torch.manual_seed(0)
    on_card = FaceJudge(FaceNetwork(SMALL), "cuda")
    tracks = [track(120), track(40, seed=1)]
    together = on_card.evaluate(tracks)
    for one, found, expected in zip(tracks, together, judge.evaluate(tracks), strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=5e-5)
        np.testing.assert_array_equal(on_card.evaluate([one])[0], found)


def test_views_are_cut_from_their_places() -> None:
    crops = np.zeros((3, 144, 144, 3), np.uint8)
    crops[:, 90:100] = 200  # lips
    mouth, whole = pictures_of(crops, tuple(VIEWS), 64)
    assert mouth.shape == whole.shape == (3, 64, 64)
    assert mouth[0, 20:34].mean() > 100
    assert mouth.mean() > whole.mean()


def test_a_checkpoint_is_read_back_and_another_one_refused() -> None:
    network = FaceNetwork(SMALL)
    good = Checkpoint("face", "movement", asdict(SMALL), network.state_dict())
    assert FaceJudge.from_checkpoint(good).evaluate([track(40)])[0].shape == (40,)
    with pytest.raises(CheckpointError, match="face network"):
        FaceJudge.from_checkpoint(
            Checkpoint("face", "movement", asdict(FaceConfig(lags=(1,))), network.state_dict())
        )
