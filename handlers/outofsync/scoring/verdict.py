"""From numbers to a word: the verdict, its label, and the reasons that go with it."""

from __future__ import annotations

from dataclasses import dataclass

from outofsync.result import Reason
from outofsync.scoring.abstention import Abstention
from outofsync.scoring.calibration import Calibration
from outofsync.scoring.evidence import Evidence

# Bands of the published score in the deblurring system built on it (METHOD: Score); used where a checkpoint
# has no calibration. The system's fifth band, above 1.0, is still fake.
PUBLISHED_BANDS = (0.3, 0.5, 0.7)
VERDICTS = ("real", "likely_real", "likely_fake", "fake")
INCONCLUSIVE = "inconclusive"
EVEN = 0.5  # probability from which "likely real" would contradict it


@dataclass(frozen=True, slots=True)
class Verdict:
    """One of ``real``, ``likely_real``, ``likely_fake``, ``fake`` or ``inconclusive``, and why."""

    word: str
    probability: float | None
    reasons: tuple[Reason, ...]

    @property
    def label(self) -> str | None:
        """``REAL``, ``FAKE`` or None where nothing can be said."""
        if self.word == INCONCLUSIVE:
            return None
        return "REAL" if self.word in VERDICTS[:2] else "FAKE"


def inconclusive(*reasons: Reason) -> Verdict:
    return Verdict(INCONCLUSIVE, None, reasons)


def judge(
    evidence: Evidence,
    score: float,
    offset: int,
    confidence: float,
    calibration: Calibration | None,
    abstention: Abstention,
) -> Verdict:
    """Verdict on a video that could be scored."""
    if calibration is None:
        probability, word = None, _band(score, PUBLISHED_BANDS)
    else:
        probability = calibration.probability(evidence)
        word = _band(probability, calibration.bands)
    if abstention.constant_offset(offset, confidence):
        return Verdict(INCONCLUSIVE, probability, (Reason.CONSTANT_OFFSET,))
    if probability is not None and probability >= EVEN and word in VERDICTS[:2]:
        # More likely manipulated than not, and yet so many genuine videos look like this that it is no alarm.
        return Verdict(INCONCLUSIVE, probability, (Reason.UNCLEAR,))
    return Verdict(word, probability, (_reason(word, evidence, calibration),))


def _band(value: float, bounds: tuple[float, float, float]) -> str:
    return VERDICTS[sum(value >= bound for bound in bounds)]


def _reason(word: str, evidence: Evidence, calibration: Calibration | None) -> Reason:
    if word in VERDICTS[:2]:
        return Reason.IN_SYNC
    if calibration is not None and evidence.fit > calibration.usual_fit:
        return Reason.UNNATURAL_SEQUENCE  # in sync, and yet unlike recorded speech
    return Reason.OUT_OF_SYNC
