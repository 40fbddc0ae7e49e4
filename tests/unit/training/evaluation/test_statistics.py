"""Figures of detection agree with their definitions on small cases, and identities are what is drawn."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import average_precision_score, roc_auc_score

from training.evaluation.statistics import (
    Figure,
    Side,
    auc_change,
    detection,
    draws,
    expected_calibration_error,
    grouped_auc,
    matched_auc,
    mean,
    reliability,
    share,
)
from training.spans import inverse_frequency_weights


def test_auc_and_average_precision_agree_with_scikit_learn() -> None:
    random = np.random.default_rng(3)
    genuine, fake = random.integers(0, 6, 40) / 5, random.integers(1, 8, 30) / 5  # with ties
    people, fake_people = [str(n % 7) for n in range(40)], [str(n % 4) for n in range(30)]
    found = detection(Side(genuine.tolist(), people), Side(fake.tolist(), fake_people), 0)
    truth, values = np.repeat([0, 1], [40, 30]), np.concatenate([genuine, fake])
    weights = np.concatenate(
        [inverse_frequency_weights(people) / 7, inverse_frequency_weights(fake_people) / 4]
    )
    assert found.auc.value == pytest.approx(roc_auc_score(truth, values, sample_weight=weights), abs=1e-4)
    precision = average_precision_score(truth, values, sample_weight=weights)
    assert found.average_precision.value == pytest.approx(precision, abs=1e-4)


def test_weights_decide_the_auc() -> None:
    # One talker's ten clips rank below the fakes, the other two people's one clip each above.
    genuine = [0.1] * 10 + [0.9, 0.9]
    found = detection(Side(genuine, ["a"] * 10 + ["b", "c"]), Side([0.5], ["a"]), 10)
    assert found.auc.value == pytest.approx(1 / 3, abs=1e-4)


def test_groups_are_as_frequent_among_genuine_clips_as_among_fakes() -> None:
    # Whatever is sharp ranks high: against all genuine clips that passes for detection.
    genuine = Side([0.2, 0.2, 0.2, 0.8], list("abcd"), ["blurred"] * 3 + ["sharp"])
    fake = Side([0.8, 0.8, 0.8, 0.2], list("efgh"), ["sharp"] * 3 + ["blurred"])
    assert detection(genuine, fake, 0).auc.value == pytest.approx(0.75)
    assert matched_auc(genuine, fake, 0).value == pytest.approx(0.5)
    assert grouped_auc(genuine, fake, 0).value == pytest.approx(0.5)


def test_groups_without_a_genuine_clip_are_left_out() -> None:
    genuine = Side([0.5, 0.9], ["a", "b"], ["page 1", "page 2"])
    fake = Side([0.7, 0.1], ["c", "d"], ["page 1", "page 3"])
    assert matched_auc(genuine, fake, 0).value == 1.0
    assert grouped_auc(genuine, fake, 0) == Figure(1.0)
    assert grouped_auc(genuine, Side([0.1], ["d"], ["page 3"]), 0) == Figure(None)


def test_a_group_counts_by_its_fakes() -> None:
    genuine = Side([0.5, 0.5], ["a", "b"], ["page 1", "page 2"])
    fake = Side([0.9, 0.9, 0.9, 0.1], list("cdef"), ["page 1"] * 3 + ["page 2"])
    found = grouped_auc(genuine, fake, 200)
    assert found.value == 0.75
    assert found.interval is not None
    assert found.interval[0] < 0.75 < found.interval[1]


def test_a_change_is_that_of_the_same_clips() -> None:
    genuine, people = [0.1, 0.3, 0.2], ["a", "b", "c"]
    before = Side(genuine, people), Side([0.9, 0.8], ["d", "e"])
    after = Side(genuine, people), Side([0.9, 0.0], ["d", "e"])
    assert auc_change(before, before, 100) == Figure(0.0, (0.0, 0.0))
    assert auc_change(before, after, 0).value == -0.5


def test_the_bootstrap_draws_identities() -> None:
    drawn = draws(["a", "a", "b", "c"], 200)
    assert drawn.shape == (201, 4)
    assert (drawn[0] == 1).all()
    assert (drawn[:, 0] == drawn[:, 1]).all()
    assert (drawn[:, 0] + drawn[:, 2] + drawn[:, 3] == 3).all()


def test_many_clips_of_few_people_leave_a_wide_interval() -> None:
    few = share([True] * 50 + [False] * 50, ["a"] * 50 + ["b"] * 50, 500)
    many = share([True] * 50 + [False] * 50, [str(n) for n in range(100)], 500)
    assert few == Figure(0.5, (0.0, 1.0), percent=True)
    assert many.interval is not None
    assert 0.35 < many.interval[0] < many.interval[1] < 0.65


def test_one_identity_gives_no_interval() -> None:
    assert share([True, False], ["a", "a"], 100) == Figure(0.5, percent=True)
    assert detection(Side([0.1, 0.2], ["a", "b"]), Side([0.9, 0.9], ["c", "c"]), 100).auc == Figure(1.0)


def test_nothing_to_measure_is_said() -> None:
    assert share([], [], 10) == Figure(None)
    assert mean([], [], 10) == Figure(None)
    assert detection(Side([0.5], ["a"]), Side([], []), 10).auc == Figure(None)
    assert matched_auc(Side([0.5], ["a"], ["x"]), Side([], [], []), 10) == Figure(None)


def test_how_figures_are_written() -> None:
    assert str(Figure(None)) == "-"
    assert str(Figure(0.5, (0.25, 1.0))) == "0.500 (0.250 to 1.000)"
    assert str(Figure(0.125, percent=True)) == "12.5 %"


def test_expected_calibration_error_of_known_bins() -> None:
    probabilities = np.array([0.1, 0.1, 0.9, 0.9])
    fake = np.array([False, False, True, False])
    assert expected_calibration_error(probabilities, fake, np.ones((1, 4)), 10)[0] == pytest.approx(0.25)
    # Weighing the false one away leaves what each bin lacks: 0.1.
    weights = np.array([[1.0, 1.0, 1.0, 0.0]])
    assert expected_calibration_error(probabilities, fake, weights, 10)[0] == pytest.approx(0.1)


def test_bins_of_the_reliability_diagram() -> None:
    bins = reliability(np.array([0.0, 0.3, 1.0]), np.array([False, True, True]), np.array([1.0, 1.0, 2.0]), 4)
    assert [each.weight for each in bins] == [0.25, 0.25, 0.0, 0.5]
    assert (bins[1].stated, bins[1].observed) == (0.3, 1.0)
    assert (bins[2].stated, bins[2].observed) == (None, None)
    assert bins[3].stated == 1.0
