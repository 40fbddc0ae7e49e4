"""Manipulations are what they say, and the calibration tells them from genuine video."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from outofsync.frames import RawFrames
from outofsync.scoring.evidence import Evidence
from training.calibration import (
    WRONGLY_OFFSET,
    Case,
    balanced_weights,
    calibrate,
    cross_validated,
    fit_abstention,
)
from training.manipulations import Span, cut_spans, manipulated, shifted, swapped

FACTS = {"identity": "someone", "file": "a.mp4", "label": "real", "generator": ""}


def span(frames: int = 55, level: int = 0) -> Span:
    sound = np.repeat(np.arange(frames), 640).astype(np.int16) + level
    return Span(
        np.arange(frames, dtype=np.uint8)[:, None, None, None] * np.ones((1, 2, 2, 3), np.uint8),
        sound,
        "someone",
        "real",
        "",
    )


def cases(seed: int = 0) -> list[Case]:
    random = np.random.default_rng(seed)

    def case(number: int, label: str, fit: float) -> Case:
        score, features = random.normal(0.2, 0.05), random.normal(1, 0.1)
        evidence = Evidence(score, features, random.normal(fit, 1), 5.0, 0.0, fit / 3)
        return Case(f"person {number % 10}", label, "", evidence, 0)

    return [case(number, "real", 5.0) for number in range(40)] + [
        case(number, "shifted" if number % 2 else "swapped", 1.0) for number in range(120)
    ]


def test_a_shift_takes_the_first_sound_away() -> None:
    moved = shifted(span(), 6)
    assert moved is not None
    assert (len(moved), moved.audio[0], moved.frames[0, 0, 0, 0]) == (49, 6, 0)
    assert (moved.label, moved.generator) == ("shifted", "6")
    assert shifted(span(20), 15) is None


def test_a_swap_takes_anothers_sound() -> None:
    mixed = swapped(span(), span(30, level=1000))
    assert mixed is not None
    assert (len(mixed), mixed.audio[0], mixed.group) == (30, 1000, "someone")


def test_every_span_is_manipulated_in_every_way() -> None:
    assert [each.label for each in manipulated([span(), span()])].count("swapped") == 2
    assert len(manipulated([span(), span()])) == 10


def test_spans_of_a_clip() -> None:
    frames, audio = RawFrames(np.zeros((540, 2, 2, 3), np.uint8)), np.zeros(540 * 640, np.int16)
    assert [len(each) for each in cut_spans(frames, audio, FACTS)] == [250, 250, 40]
    assert [len(each) for each in cut_spans(frames, audio[: 520 * 640], FACTS)] == [250, 250]


def test_weights_balance_genuine_and_each_manipulation() -> None:
    weights = balanced_weights(cases())
    labels = np.array([case.label for case in cases()])
    real, shift, swap = (weights[labels == label].sum() for label in ("real", "shifted", "swapped"))
    assert real == pytest.approx(shift + swap)
    assert shift == pytest.approx(swap)


def test_the_calibration_separates_what_can_be_separated() -> None:
    table = cases()
    model = calibrate(table)
    right = [(model.probability(case.evidence) > 0.5) == (case.label != "real") for case in table]
    assert np.mean(right) > 0.9
    held_out = cross_validated(table)
    assert np.mean((held_out > 0.5) == [case.label != "real" for case in table]) > 0.85


def test_an_offset_is_believed_where_few_clips_without_one_would_be_said_to_have_it() -> None:
    table = [replace(case, best_delay=8, confidence=number / 200) for number, case in enumerate(cases())]
    rules = fit_abstention(table)
    for label, most in WRONGLY_OFFSET.items():
        said = [
            rules.constant_offset(each.best_delay, each.confidence) for each in table if each.label == label
        ]
        assert not said or np.mean(said) <= most + 0.02
    assert rules.constant_offset(8, 1.0)
    assert not rules.constant_offset(2, 1.0)
