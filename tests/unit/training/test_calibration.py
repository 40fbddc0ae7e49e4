"""The calibration tells what can be told, promises what holds, and believes few offsets that are none."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from outofsync.scoring.evidence import Evidence
from training.calibration import (
    ALARM,
    GENERATED,
    GENUINE,
    VOICE,
    WRONGLY_OFFSET,
    Case,
    calibrate,
    cross_validated,
    fit_abstention,
    weights_of,
)


def cases(seed: int = 0) -> list[Case]:
    """Genuine cases, others whose lips do not fit, and others whose faces look made; ten people."""
    random = np.random.default_rng(seed)

    def stretch(fit: float, generated: float) -> Evidence:
        return Evidence(
            delay_score=random.normal(0.2, 0.05),
            feature_score=random.normal(1, 0.1),
            fit=random.normal(fit, 1),
            contrast=random.normal(5, 0.5),
            distance=0.0,
            edge=fit / 3,
            margin=random.normal(fit, 1),
            level=random.normal(fit, 1),
            prominence=random.normal(fit, 1),
            generated=random.normal(generated, 1),
        )

    def case(number: int, side: str, kind: str, fit: float, generated: float) -> Case:
        segments = [stretch(fit, generated) for _ in range(1 + number % 3)]
        whole = Evidence.mean(segments, [1] * len(segments))
        moved = kind == "shifted"
        return Case(f"person {number % 10}", side, kind, whole, tuple(segments), 0, 0.0, moved)

    return [
        *[case(number, GENUINE, "", 5.0, -1.5) for number in range(60)],
        *[case(number, VOICE, "shifted" if number % 2 else "swapped", 1.0, -1.5) for number in range(90)],
        *[case(number, GENERATED, "generator", 5.0, 1.5) for number in range(60)],
    ]


def test_weights_balance_genuine_and_each_way_of_manipulating() -> None:
    weights = weights_of(cases())
    kinds = np.array([case.kind for case in cases()])
    genuine, *others = (weights[kinds == kind].sum() for kind in ("", "shifted", "swapped", "generator"))
    assert genuine == pytest.approx(sum(others))
    assert others == pytest.approx([others[0]] * 3)


@pytest.mark.slow
def test_the_calibration_separates_what_can_be_separated() -> None:
    table = cases()
    model = calibrate(table)
    assert set(model.parts) == {"synchrony", "face"}
    truth = [case.side != GENUINE for case in table]
    right = [model.video(case.whole, case.evidence).probability > 0.5 for case in table]
    assert np.mean(np.array(right) == truth) > 0.85
    assert np.mean((cross_validated(table) > 0.5) == truth) > 0.8


@pytest.mark.slow
def test_each_part_sees_its_own_manipulations() -> None:
    table = cases()
    model = calibrate(table)
    leading = [
        model.video(case.whole, case.evidence).leading == ("face" if case.side == GENERATED else "synchrony")
        for case in table
        if case.side != GENUINE
    ]
    assert np.mean(leading) > 0.9


@pytest.mark.slow
def test_bands_are_in_order_and_promise_few_false_alarms() -> None:
    model = calibrate(cases())
    assert 0 < model.bands[0] < 0.5 <= model.bands[1] <= model.bands[2]
    rate, low, high = model.promise[ALARM]
    assert low <= rate <= high
    assert rate < 0.06


@pytest.mark.slow
def test_without_faces_to_learn_from_there_is_one_part() -> None:
    model = calibrate([case for case in cases() if case.side != GENERATED])
    assert set(model.parts) == {"synchrony"}


def test_an_offset_is_believed_where_few_clips_without_one_would_be_said_to_have_it() -> None:
    table = [replace(case, offset=8, confidence=number / 300) for number, case in enumerate(cases())]
    rules = fit_abstention(table)
    for side, most in WRONGLY_OFFSET.items():
        said = [each.confidence >= rules.sure_offset for each in table if each.side == side]
        assert np.mean(said) <= most + 0.02
    inside = [replace(case, offset=3, confidence=1.0) for case in cases()]
    assert fit_abstention(inside).sure_offset < 0.1  # none of these has an offset outside the window
