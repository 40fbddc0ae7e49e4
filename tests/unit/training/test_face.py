"""The face network learns what is there to be learnt, from clips that weigh as they should."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from outofsync.appearance.network import FaceConfig, FaceNetwork
from training.face import FaceTraining, apart, auc, checkpoint, fit, look, moved, shares
from training.face_clips import DEGRADED, PSEUDO, RAW, FaceClip, loudness_of


def clip(number: int, label: str, variant: str = RAW, generator: str = "", source: str = "here") -> FaceClip:
    """Vectors that give false clips away by how far they go, and numbers that do by their mean."""
    random = np.random.default_rng(number)
    false = label != "real" or variant == PSEUDO
    vectors = random.normal(0, 1 + 0.1 * false, (2, 40, 256)).astype(np.float16)
    numbers = random.normal(0.8 * false, 1, (2, 186)).astype(np.float32)
    return FaceClip(
        vectors, numbers, variant, f"{number}-{variant}", label, generator, source, f"person {number}"
    )


def clips() -> list[FaceClip]:
    return [
        *[clip(number, "real") for number in range(20)],
        *[clip(number, "real", DEGRADED) for number in range(20)],
        *[clip(number, "real", PSEUDO) for number in range(20)],
        *[clip(100 + number, "fake", generator="one") for number in range(15)],
        *[clip(200 + number, "fake", DEGRADED, "rare") for number in range(3)],
    ]


def test_shares_balance_genuine_pseudo_and_generated() -> None:
    table = clips()
    weights = shares(table, 0.25)
    false = np.array([each.false for each in table])
    pseudo = np.array([each.variant == PSEUDO for each in table])
    assert weights[~false].sum() == pytest.approx(1)
    assert weights[pseudo].sum() == pytest.approx(0.25)
    assert weights[false & ~pseudo].sum() == pytest.approx(0.75)
    rare, common = weights[-1], weights[-4]
    assert common < rare < 5 * common


def test_the_network_finds_what_gives_false_clips_away() -> None:
    network = FaceNetwork(FaceConfig()).eval()
    fit(network, clips(), clips(), FaceTraining())
    unseen = [clip(500 + n, "real") for n in range(10)]
    unseen += [clip(600 + n, "fake", generator="new") for n in range(10)]
    report = look(network, unseen)
    assert report["together"] > 0.9
    assert report["movement"] > 0.9
    assert report["texture"] > 0.9
    assert report["new"] == report["mean over generators"] == report["together"]
    assert apart(network, unseen[0]).shape == (2,)


def test_checkpoints_hold_sixteen_bits() -> None:
    saved = checkpoint(FaceNetwork(FaceConfig()), {})
    assert saved.tensors["front.project.weight"].dtype == torch.float16
    assert saved.config["views"] == ("mouth", "whole")


def test_every_person_counts_alike() -> None:
    table = [clip(1, "real"), clip(2, "fake"), clip(3, "fake")]
    assert auc({"1-raw": 0.0, "2-raw": 1.0, "3-raw": -1.0}, table) == 0.5


def test_movement_is_how_far_each_number_goes() -> None:
    steady = np.arange(40, dtype=np.float16)[:, None] * np.ones((2, 1, 256), np.float16)
    still = clip(1, "real")
    (far,) = {tuple(moved(replace(still, vectors=steady[:, :frames]), (1, 4))) for frames in (32, 40)}
    assert far == (*[1.0] * 256, *[4.0] * 256, *[1.0] * 256, *[4.0] * 256)
    short = moved(replace(still, vectors=steady[:, :20]), (1, 4))  # goes back the way it came
    assert short[0] == pytest.approx(1.0)
    assert 2.0 < short[256] < 4.0


def test_loudness_follows_the_sound() -> None:
    sound = np.concatenate([np.zeros(6400), np.full(6400, 3000)]).astype(np.int16)
    loud = loudness_of(sound, 20)
    assert loud[:8].max() < 0.1
    assert loud[12:18].min() > 0.9
