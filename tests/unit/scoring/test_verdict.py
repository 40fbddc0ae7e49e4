"""Words and reasons that follow from probabilities and offsets."""

from __future__ import annotations

from dataclasses import replace

import pytest

from outofsync.findings import Alignment
from outofsync.reasons import Reason
from outofsync.scoring.calibration import Assessment, Calibration
from outofsync.scoring.verdict import Verdict, judge

CALIBRATION = Calibration(parts={}, usual_fit=6.0, bands=(0.2, 0.6, 0.9))
IN_STEP = Alignment(0, 0.9, 0, None)


def assessed(probability: float, span: float = 0.0, **parts: float) -> Assessment:
    return Assessment(probability, parts or {"synchrony": probability}, span)


def verdict(
    assessment: Assessment | None,
    *,
    score: float = 0.1,
    alignment: Alignment = IN_STEP,
    fit: float = 0.0,
    aligned: Assessment | None = None,
) -> Verdict:
    return judge(score, assessment, CALIBRATION if assessment else None, alignment, fit, aligned)


@pytest.mark.parametrize(
    ("probability", "word", "label"),
    [
        (0.1, "real", "REAL"),
        (0.4, "likely_real", "REAL"),
        (0.7, "likely_fake", "FAKE"),
        (0.95, "fake", "FAKE"),
    ],
)
def test_verdicts_by_probability(probability: float, word: str, label: str) -> None:
    found = verdict(assessed(probability))
    assert (found.word, found.label, found.probability) == (word, label, probability)


@pytest.mark.parametrize(
    ("score", "word"),
    [(0.1, "real"), (0.3, "likely_real"), (0.5, "likely_fake"), (0.7, "fake"), (2.0, "fake")],
)
def test_without_calibration_the_published_bands_apply(score: float, word: str) -> None:
    found = verdict(None, score=score)
    assert (found.word, found.probability) == (word, None)


def test_more_likely_fake_than_not_but_no_alarm_is_said_to_be_unclear() -> None:
    found = verdict(assessed(0.55))
    assert (found.word, found.label, found.reasons) == ("likely_real", "REAL", (Reason.UNCLEAR,))
    assert found.probability == 0.55


def test_a_tolerated_offset_is_said_and_changes_nothing() -> None:
    found = verdict(assessed(0.1), alignment=Alignment(3, 0.9, 3, None))
    assert (found.word, found.reasons) == ("real", (Reason.IN_SYNC, Reason.TOLERATED_OFFSET))


def test_a_sure_offset_outside_the_window_is_no_fake() -> None:
    far = Alignment(8, 0.9, 4, 8)
    found = verdict(assessed(0.97), alignment=far, aligned=assessed(0.1))
    assert (found.word, found.label, found.reasons) == ("inconclusive", None, (Reason.CONSTANT_OFFSET,))
    assert (found.probability, found.aligned) == (0.97, 0.1)


def test_what_is_fake_once_it_is_put_right_is_called_so() -> None:
    far = Alignment(8, 0.9, 4, 8)
    found = verdict(assessed(0.97), alignment=far, aligned=assessed(0.95, face=0.95, synchrony=0.1))
    assert (found.word, found.reasons) == ("fake", (Reason.CONSTANT_OFFSET, Reason.GENERATED_FACE))


def test_without_calibration_a_sure_offset_is_left_open() -> None:
    assert verdict(None, alignment=Alignment(8, 0.9, 4, 8)).reasons == (Reason.CONSTANT_OFFSET,)


def test_reasons_name_the_part_that_spoke() -> None:
    generated = assessed(0.95, face=0.97, synchrony=0.1)
    assert verdict(generated).reasons == (Reason.GENERATED_FACE,)
    dubbed = assessed(0.95, face=0.1, synchrony=0.97)
    assert verdict(dubbed, fit=1.0).reasons == (Reason.OUT_OF_SYNC,)
    assert verdict(dubbed, fit=7.0).reasons == (Reason.UNNATURAL_SEQUENCE,)
    both = assessed(0.99, face=0.8, synchrony=0.97)
    assert verdict(both, fit=1.0).reasons == (Reason.GENERATED_FACE, Reason.OUT_OF_SYNC)


def test_a_single_false_stretch_is_named_first() -> None:
    found = verdict(replace(assessed(0.95), span=0.9), fit=7.0)
    assert found.reasons[0] is Reason.MANIPULATED_SPAN
