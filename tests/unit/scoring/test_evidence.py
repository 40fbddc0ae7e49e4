"""Segments cover a track, evidence says what delays say, and verdicts follow from it."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from outofsync.result import Reason
from outofsync.scoring.abstention import Abstention
from outofsync.scoring.calibration import Calibration
from outofsync.scoring.evidence import Evidence, offset_of
from outofsync.scoring.score import SegmentScore
from outofsync.scoring.segments import segment_bounds
from outofsync.scoring.verdict import judge

SCORE = SegmentScore(np.full(9, 0.25), np.full(9, 2.0))


def peaked(delay: int, height: float = 6.0) -> NDArray[np.float32]:
    """Ten windows whose logits peak at one delay (frames)."""
    delays = np.zeros((10, 31), np.float32)
    delays[:, 15 + delay] = height
    return delays


def calibration(**changes: object) -> Calibration:
    """Probability one half where lips and voice fit by 3 logits; more where they fit less."""
    facts: dict[str, object] = {
        "names": ("fit",), "mean": (3.0,), "scale": (1.0,), "weights": (-2.0,), "bias": 0.0, "usual_fit": 6.0,
    }  # fmt: skip
    return Calibration(**{**facts, **changes})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("windows", "bounds"),
    [
        (0, []),
        (1, [(0, 1)]),
        (50, [(0, 50)]),
        (51, [(0, 50), (1, 51)]),
        (120, [(0, 50), (50, 100), (70, 120)]),
        (150, [(0, 50), (50, 100), (100, 150)]),
    ],
)
def test_segments_cover_every_window(windows: int, bounds: list[tuple[int, int]]) -> None:
    assert segment_bounds(windows, 50) == bounds


@pytest.mark.parametrize("delay", [-15, -3, 0, 15])
def test_the_offset_is_the_best_delay(delay: int) -> None:
    offset, confidence = offset_of(peaked(delay))
    assert offset == delay
    assert confidence > 0.9


def test_flat_delays_leave_the_offset_unsure() -> None:
    _, confidence = offset_of(np.zeros((10, 31)))
    assert confidence < 0.1


def test_evidence_of_a_shift() -> None:
    evidence = Evidence.of(peaked(4), SCORE)
    assert (evidence.fit, evidence.contrast, evidence.offset) == (0.0, 6.0, 4.0)
    assert (evidence.delay_score, evidence.feature_score) == (0.25, 2.0)


def test_means_of_evidence_are_weighted() -> None:
    mean = Evidence.mean([Evidence.of(peaked(0), SCORE), Evidence.of(peaked(4), SCORE)], [30, 10])
    assert mean.offset == pytest.approx(1.0)
    assert mean.fit == pytest.approx(4.5)


def test_probabilities_follow_the_evidence() -> None:
    model = calibration()
    probabilities = [model.probability(Evidence.of(peaked(0, height), SCORE)) for height in (0.0, 3.0, 6.0)]
    assert probabilities[0] > 0.99
    assert probabilities[1] == pytest.approx(0.5)
    assert probabilities[2] < 0.01


def test_absurd_evidence_still_gives_a_probability() -> None:
    assert 0 < calibration().probability(Evidence.of(peaked(0, 1e6), SCORE)) < 1e-6


def test_a_calibration_survives_a_checkpoint() -> None:
    model = calibration(bands=[0.1, 0.2, 0.3])
    assert Calibration.from_dict(model.to_dict()) == calibration(bands=(0.1, 0.2, 0.3))


@pytest.mark.parametrize(
    ("height", "word", "label"),
    [
        (6.0, "real", "REAL"),
        (3.2, "likely_real", "REAL"),
        (2.8, "likely_fake", "FAKE"),
        (0.0, "fake", "FAKE"),
    ],
)
def test_verdicts_by_probability(height: float, word: str, label: str) -> None:
    verdict = judge(Evidence.of(peaked(0, height), SCORE), 9.0, 0, 0.9, calibration(), Abstention())
    assert (verdict.word, verdict.label) == (word, label)


@pytest.mark.parametrize(
    ("score", "word"),
    [(0.1, "real"), (0.3, "likely_real"), (0.5, "likely_fake"), (0.7, "fake"), (2.0, "fake")],
)
def test_without_calibration_the_published_bands_apply(score: float, word: str) -> None:
    verdict = judge(Evidence.of(peaked(0), SCORE), score, 0, 0.9, None, Abstention())
    assert (verdict.word, verdict.probability) == (word, None)


def test_a_sure_constant_offset_is_no_fake() -> None:
    evidence = Evidence.of(peaked(5), SCORE)
    assert judge(evidence, 1.0, 5, 0.9, calibration(), Abstention()).reasons == (Reason.CONSTANT_OFFSET,)
    assert judge(evidence, 1.0, 5, 0.9, calibration(), Abstention()).label is None
    assert judge(evidence, 1.0, 5, 0.2, calibration(), Abstention()).label == "FAKE"  # nothing sure about it
    assert (
        judge(evidence, 1.0, 2, 0.9, calibration(), Abstention()).label == "FAKE"
    )  # broadcasts are off by as much


def test_reasons_tell_bad_fit_from_too_good_a_fit() -> None:
    suspicious = calibration(weights=(2.0,))
    assert judge(Evidence.of(peaked(0, 9.0), SCORE), 1.0, 0, 0.9, suspicious, Abstention()).reasons == (
        Reason.UNNATURAL_SEQUENCE,
    )
    assert judge(Evidence.of(peaked(0, 0.0), SCORE), 1.0, 0, 0.9, calibration(), Abstention()).reasons == (
        Reason.OUT_OF_SYNC,
    )


def test_evidence_says_how_exactly_lips_and_voice_fit() -> None:
    blunt = peaked(0)
    blunt[:, 13:18] = 6.0
    assert Evidence.of(blunt, SCORE).edge == pytest.approx(0.0)
    assert Evidence.of(peaked(0), SCORE).edge == pytest.approx(6.0)


def test_more_likely_fake_than_not_but_no_alarm_is_left_open() -> None:
    cautious = calibration(bands=(0.3, 0.9, 0.99))
    verdict = judge(Evidence.of(peaked(0, 2.5), SCORE), 1.0, 0, 0.9, cautious, Abstention())
    assert (verdict.word, verdict.label, verdict.reasons) == ("inconclusive", None, (Reason.UNCLEAR,))
    assert verdict.probability is not None
    assert 0.5 < verdict.probability < 0.9
