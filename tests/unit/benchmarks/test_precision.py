"""How far answers in half precision are from those in float32."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks import precision
from benchmarks.precision import Answers, answers, difference
from outofsync.faces import RetinaFaceDetector


def answer(level: int, logit: float, probability: float, verdict: str) -> Answers:
    crops = np.zeros((2, 4, 4, 3), np.uint8)
    crops[0, 0, 0, 0] = level
    result = {"delays": [[logit, -8.0]], "probability_fake": probability, "verdict": verdict}
    return Answers([crops], [result])


def test_differences_are_the_largest_ones() -> None:
    found = difference("half", answer(3, 1.0, 0.25, "real"), answer(1, 1.4, 0.5, "fake"))
    assert found.pixels == 2
    assert found.pixels_changed == 1 / (2 * 4 * 4 * 3)
    assert (round(found.delays, 6), found.probability, found.same_verdicts) == (0.05, 0.25, False)


@pytest.mark.slow
def test_half_precision_changes_no_verdict_of_the_samples() -> None:
    clips = precision.samples(RetinaFaceDetector(threads=1))[:1]
    expected, found = answers(clips, "cpu", "float32"), answers(clips, "cpu", "half")
    apart = difference("half", found, expected)
    assert apart.same_verdicts
    assert 0 < apart.pixels <= 3
    assert 0 < apart.delays < 0.01
    assert apart.probability < 0.01
