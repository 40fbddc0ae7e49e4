"""Probabilities: of a segment, of a video that repeats itself, of one false stretch, by several parts."""

from __future__ import annotations

import numpy as np
import pytest

from outofsync.checkpoints.store import CheckpointError
from outofsync.scoring.abstention import Abstention
from outofsync.scoring.calibration import Calibration, Part
from outofsync.scoring.evidence import Evidence
from outofsync.scoring.score import SegmentScore

SCORE = SegmentScore(np.full(9, 0.25), np.full(9, 2.0))


def evidence(fit: float, generated: float = 0.0) -> Evidence:
    """A segment whose lips fit that well."""
    delays = np.zeros((10, 31), np.float32)
    delays[:, 15] = fit
    return Evidence.of(delays, SCORE, generated)


def part(name: str = "fit", weight: float = -1.0, **changes: float) -> Part:
    """As likely genuine as manipulated where lips fit by 3 logits, or where the face says nothing."""
    return Part((name,), (3.0 if name == "fit" else 0.0,), (1.0,), (weight,), 0.0, **changes)


def calibration(**parts: Part) -> Calibration:
    return Calibration(parts=parts or {"synchrony": part()}, usual_fit=6.0)


def test_probabilities_follow_the_evidence() -> None:
    model = calibration()
    probabilities = [model.segment(evidence(fit)).probability for fit in (0.0, 3.0, 6.0)]
    assert probabilities == sorted(probabilities, reverse=True)
    assert probabilities[1] == pytest.approx(0.5)


def test_absurd_evidence_is_not_believed_without_bounds() -> None:
    probability = calibration().segment(evidence(1e6)).probability
    assert 0 < probability < 0.001


def test_a_segment_among_others_is_part_of_the_whole() -> None:
    model = calibration()
    alone = model.segment(evidence(1.0)).probability
    assert model.video(evidence(1.0), [evidence(1.0)]).probability == alone
    assert model.video(evidence(1.0), [evidence(1.0)] * 9).probability == pytest.approx(alone)


def test_one_sure_stretch_among_thirty_raises_the_video_and_is_named() -> None:
    model = calibration()
    genuine = [evidence(6.0)] * 30
    spliced = [*genuine[:-1], evidence(-3.0)]
    before, after = model.video(evidence(6.0), genuine), model.video(evidence(5.7), spliced)
    assert before.probability < 0.1
    assert after.probability > 5 * before.probability
    assert after.span > max(0.9, before.span)


def test_either_part_is_enough() -> None:
    model = calibration(synchrony=part(), face=part("generated", weight=1.0))
    fits_and_filmed = model.segment(evidence(7.0, generated=-4.0))
    fits_but_generated = model.segment(evidence(7.0, generated=4.0))
    filmed_but_dubbed = model.segment(evidence(-1.0, generated=-4.0))
    assert fits_and_filmed.probability < 0.1
    assert fits_but_generated.probability > 0.9
    assert fits_but_generated.leading == "face"
    assert filmed_but_dubbed.probability > 0.9
    assert filmed_but_dubbed.leading == "synchrony"


def test_a_calibration_survives_a_checkpoint() -> None:
    model = Calibration(
        parts={"synchrony": part()}, usual_fit=6.0, bands=(0.1, 0.6, 0.9), promise={"fake": (0.01, 0.0, 0.02)}
    )
    assert Calibration.from_dict({**model.to_dict(), "bands": [0.1, 0.6, 0.9]}) == model


def test_what_an_earlier_version_fitted_is_refused_with_what_to_do() -> None:
    with pytest.raises(CheckpointError, match="fit it anew"):
        Calibration.from_dict(
            {"names": ["fit"], "mean": [0.0], "scale": [1.0], "weights": [1.0], "bias": 0.0}
        )
    with pytest.raises(CheckpointError, match="fit it anew"):
        Calibration.from_dict(calibration(synchrony=part("wander")).to_dict())
    with pytest.raises(CheckpointError, match="another version"):
        Abstention.from_dict({"tolerated_offset": 2})
