"""From numbers to a word: the verdict, its label, and the reasons that go with it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

from outofsync.reasons import Reason
from outofsync.scoring.calibration import Assessment, Calibration

# Bands of the published score in the deblurring system built on it (docs/method.md: Score); used where a
# checkpoint has no calibration. The system's fifth band, above 1.0, is still fake.
PUBLISHED_BANDS = (0.3, 0.5, 0.7)
VERDICTS = ("real", "likely_real", "likely_fake", "fake")
INCONCLUSIVE = "inconclusive"
EVEN = 0.5  # from here on, one story is likelier than the other
SYNCHRONY = "synchrony"  # the part of a calibration that compares lips and voice …
FACE = "face"  # … and the part that looks at the face alone


class Offsets(Protocol):
    """What a verdict has to know of a video's constant offset, in frames."""

    @property
    def judged(self) -> int: ...
    @property
    def elsewhere(self) -> int | None: ...


@dataclass(frozen=True, slots=True)
class Verdict:
    """One of ``real``, ``likely_real``, ``likely_fake``, ``fake`` or ``inconclusive``, and why.

    ``aligned`` is the probability after a constant offset outside the broadcast window was put right.
    """

    word: str
    probability: float | None
    reasons: tuple[Reason, ...]
    aligned: float | None = None
    parts: dict[str, float] = field(default_factory=dict)

    @property
    def label(self) -> str | None:
        """``REAL``, ``FAKE`` or None where nothing can be said."""
        if self.word == INCONCLUSIVE:
            return None
        return "REAL" if self.word in VERDICTS[:2] else "FAKE"


def inconclusive(*reasons: Reason) -> Verdict:
    return Verdict(INCONCLUSIVE, None, reasons)


def judge(
    score: float,
    assessment: Assessment | None,
    calibration: Calibration | None,
    offsets: Offsets,
    fit: float,
    aligned: Assessment | None,
) -> Verdict:
    """Verdict on a video that could be scored.

    ``assessment`` is what the calibration says at the offset where the video is judged, ``aligned`` at a sure
    offset outside the window, where there is one. ``fit`` is how well lips and voice fit.
    """
    if assessment is None or calibration is None:
        if offsets.elsewhere is not None:
            return inconclusive(Reason.CONSTANT_OFFSET)
        word = _band(score, PUBLISHED_BANDS)
        return Verdict(word, None, (Reason.OUT_OF_SYNC if word in VERDICTS[2:] else Reason.IN_SYNC,))
    if offsets.elsewhere is None:
        word, reasons = _worded(assessment, calibration, offsets, fit)
        return Verdict(word, assessment.probability, reasons, parts=assessment.parts)
    # Sound that lags throughout says nothing by itself; what remains once it is put right may.
    word, reasons = (INCONCLUSIVE, ())
    if aligned is not None and _band(aligned.probability, calibration.bands) in VERDICTS[2:]:
        word, reasons = _worded(aligned, calibration, offsets, fit)
    reasons = (Reason.CONSTANT_OFFSET, *reasons)
    at_best = None if aligned is None else aligned.probability
    return Verdict(word, assessment.probability, reasons, at_best, assessment.parts)


def _worded(
    assessment: Assessment, calibration: Calibration, offsets: Offsets, fit: float
) -> tuple[str, tuple[Reason, ...]]:
    """The word for a probability, and the reasons for it."""
    word = _band(assessment.probability, calibration.bands)
    if word in VERDICTS[:2]:
        noted = (Reason.TOLERATED_OFFSET,) if abs(offsets.judged) > 1 else ()
        # Past one half, yet too many genuine videos look like this for an alarm: doubt is said, not judged.
        return word, (Reason.UNCLEAR if assessment.probability >= EVEN else Reason.IN_SYNC, *noted)
    return word, _suspicions(assessment, calibration, fit)


def _suspicions(assessment: Assessment, calibration: Calibration, fit: float) -> tuple[Reason, ...]:
    """Which parts spoke against a video: the leading one, and any other that is an alarm by itself."""
    alarm = calibration.bands[1]
    spoke = [name for name, value in assessment.parts.items() if value >= alarm or name == assessment.leading]
    reasons = [Reason.MANIPULATED_SPAN] if assessment.span > EVEN else []
    if FACE in spoke:
        reasons.append(Reason.GENERATED_FACE)
    if set(spoke) - {FACE}:
        # In sync, and yet unlike recorded speech, or not in sync at all.
        reasons.append(Reason.UNNATURAL_SEQUENCE if fit > calibration.usual_fit else Reason.OUT_OF_SYNC)
    return tuple(reasons)


def _band(value: float, bounds: tuple[float, float, float]) -> str:
    return VERDICTS[sum(value >= bound for bound in bounds)]
