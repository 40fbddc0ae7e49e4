"""Texture learns what is there to be learnt, from clips that weigh as they should; ways are heard alike."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from outofsync.appearance.network import FaceConfig, FaceNetwork
from training.face import FaceTraining, auc, checkpoint, fit_texture, look, shares, to_one_scale
from training.face_clips import DEGRADED, PSEUDO, RAW, FaceClip, loudness_of
from training.preparation.ledger import Entry


def clip(number: int, label: str, variant: str = RAW, generator: str = "", source: str = "here") -> FaceClip:
    """Numbers that give false clips away by their mean."""
    random = np.random.default_rng(number)
    false = label != "real" or variant == PSEUDO
    numbers = random.normal(0.8 * false, 1, (2, 186)).astype(np.float32)
    return FaceClip(numbers, variant, f"{number}-{variant}", label, generator, source, f"person {number}")


def clips() -> list[FaceClip]:
    return [
        *[clip(number, "real") for number in range(20)],
        *[clip(number, "real", DEGRADED) for number in range(20)],
        *[clip(number, "real", PSEUDO) for number in range(20)],
        *[clip(100 + number, "fake", generator="one") for number in range(15)],
        *[clip(200 + number, "fake", DEGRADED, "rare") for number in range(3)],
    ]


def facts(number: int, label: str, generator: str = "", identity: str | None = None) -> Entry:
    person = f"person {number}" if identity is None else identity
    return {"file": f"{number}.mp4", "label": label, "generator": generator, "identity": person}


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


def test_texture_finds_what_gives_false_clips_away() -> None:
    head = FaceNetwork(FaceConfig()).texture
    fit_texture(head, clips(), FaceTraining())
    with torch.no_grad():
        genuine, made = (
            head(torch.from_numpy(np.concatenate([clip(n, label).numbers for n in range(first, first + 10)])))
            for first, label in ((500, "real"), (600, "fake"))
        )
    assert made.mean() > genuine.mean()
    assert (made > genuine.median()).float().mean() > 0.9


def test_ways_are_heard_alike_and_none_outvotes_the_others() -> None:
    network = FaceNetwork(FaceConfig())
    random = np.random.default_rng(0)
    said = (random.normal(0, 1, (400, 3)) * [1, 10, 100] + [0, 50, -300]).astype(np.float32)
    to_one_scale(network, said)
    usual = network.together(torch.from_numpy(said))
    assert abs(float(usual.mean())) < 0.1
    middle = torch.from_numpy(np.median(said, axis=0))
    for way, step in enumerate((1, 10, 100)):
        raised = middle.clone()
        raised[way] += step
        assert float(network.together(raised[None])) == pytest.approx(0.31, abs=0.03)
        raised[way] += 1000 * step
        assert float(network.together(raised[None])) < 0.7


def test_a_look_tells_ways_and_generators_apart() -> None:
    table = [*[facts(n, "real") for n in range(6)], *[facts(10 + n, "fake", "one") for n in range(6)]]
    table += [facts(20 + n, "fake", "two") for n in range(6)]
    said = {
        each["file"]: np.array([each["label"] == "fake", each["generator"] == "two", 0], np.float32)
        for each in table
    }
    report = look(FaceNetwork(FaceConfig()), said, table)
    assert report["movement"] == 1.0
    assert report["texture"] == 0.75
    assert report["detail"] == 0.5
    assert report["one"] == report["two"] == report["together"] == report["mean over generators"] == 1.0


def test_checkpoints_hold_sixteen_bits() -> None:
    saved = checkpoint(FaceNetwork(FaceConfig()), {})
    assert saved.tensors["front.project.weight"].dtype == torch.float16
    assert saved.config["views"] == ("mouth", "whole")


def test_every_person_counts_alike() -> None:
    table = [facts(1, "real"), facts(2, "fake"), facts(3, "fake")]
    assert auc({"1.mp4": 0.0, "2.mp4": 1.0, "3.mp4": -1.0}, table) == 0.5
    table = [facts(1, "real", identity="a"), facts(2, "real", identity="a"), facts(3, "real", identity="b")]
    found = auc({"1.mp4": 1, "2.mp4": 1, "3.mp4": 0, "4.mp4": 0.5}, [*table, facts(4, "fake")])
    assert found == 0.5


def test_loudness_follows_the_sound() -> None:
    sound = np.concatenate([np.zeros(6400), np.full(6400, 3000)]).astype(np.int16)
    loud = loudness_of(sound, 20)
    assert loud[:8].max() < 0.1
    assert loud[12:18].min() > 0.9
