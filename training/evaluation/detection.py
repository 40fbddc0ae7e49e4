"""Tables of judged clips: detection by kind of manipulation, the offset by length, abstentions."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from training.evaluation.judging import GENUINE, Record
from training.evaluation.material import OTHER_SPEAKER, SAME_SPEAKER, SHIFTS, SYNTHETIC_VOICE, shift_kind
from training.evaluation.statistics import NOTHING, Detection, Figure, detection, identity_weights, share

POOLED_FROM = 3  # frames: cameras and broadcasts are off by less
POOLED_SHIFTS = f"shifted sound, {POOLED_FROM} frames or more"
LIP_SYNC = "every lip-sync and talking-head generator"
ALL_VOICES = "every synthetic voice"
GENERATED = ("Wav2Lip", "SadTalker", "AV2AV")  # how the names of lip-sync and talking-head generators begin


@dataclass(frozen=True)
class Row:
    """One kind of manipulation against genuine clips of the same cut."""

    name: str
    clips: int
    identities: int
    detection: Detection  # by the calibrated probability, or by the score where nothing is calibrated
    by_score: Detection  # by the published score
    called_fake: Figure  # of genuine clips: the false-alarm rate
    abstained: Figure
    unjudged: int  # clips without a probability, left out of the detection figures
    reasons: dict[str, float]  # why clips were left undecided: share of the row's clips, by code


def measure(record: Record, calibrated: bool) -> float | None:
    """What a clip is ranked by."""
    return record.probability if calibrated else record.score


def kinds_in(records: Iterable[Record]) -> list[tuple[str, list[str]]]:
    """Rows and the kinds that each takes together, in the order of the table."""
    present = {record.kind for record in records}
    shifts = [shift_kind(shift) for shift in SHIFTS if shift_kind(shift) in present]
    pooled = [kind for kind in shifts if int(kind.split()[-1]) >= POOLED_FROM]
    swaps = [kind for kind in (SAME_SPEAKER, OTHER_SPEAKER) if kind in present]
    voices = sorted(kind for kind in present if kind.startswith(SYNTHETIC_VOICE))
    generators = sorted(present - {GENUINE, *shifts, *swaps, *voices})
    lip_sync = [kind for kind in generators if kind.startswith(GENERATED)]
    rows = [(kind, [kind]) for kind in shifts]
    rows += [(POOLED_SHIFTS, pooled)] if pooled else []
    rows += [(kind, [kind]) for kind in [*swaps, *generators]]
    rows += [(LIP_SYNC, lip_sync)] if lip_sync else []
    rows += [(ALL_VOICES, voices)] if voices else []
    return rows + [(kind, [kind]) for kind in voices]


def detection_table(records: Sequence[Record], resamples: int) -> list[Row]:
    """A row for genuine clips and one for each kind of manipulation."""
    calibrated = any(record.probability is not None for record in records)
    genuine = [record for record in records if record.kind == GENUINE]
    rows = [row_of(GENUINE, genuine, [], calibrated, resamples)]
    for name, kinds in kinds_in(records):
        fakes = [record for record in records if record.kind in kinds]
        rows.append(row_of(name, fakes, genuine, calibrated, resamples))
    return rows


def row_of(
    name: str, records: Sequence[Record], genuine: Sequence[Record], calibrated: bool, resamples: int
) -> Row:
    """One kind of manipulation; ``genuine`` is empty for the row of genuine clips themselves."""
    identities = [record.identity for record in records]
    detected = detect(records, genuine, resamples, calibrated=calibrated)
    return Row(
        name,
        len(records),
        len(set(identities)),
        detected,
        detect(records, genuine, resamples, calibrated=False),
        share([record.called_fake for record in records], identities, resamples),
        share([record.abstained for record in records], identities, resamples),
        sum(measure(record, calibrated) is None for record in records),
        reasons(records),
    )


def detect(
    fakes: Sequence[Record], genuine: Sequence[Record], resamples: int, *, calibrated: bool
) -> Detection:
    """Figures over the clips that have a value."""
    sides = [
        [(value, record.identity) for record in side if (value := measure(record, calibrated)) is not None]
        for side in (genuine, fakes)
    ]
    (values, people), (fake_values, fake_people) = (
        ([value for value, _ in side], [identity for _, identity in side]) for side in sides
    )
    return detection(values, people, fake_values, fake_people, resamples)


def reasons(records: Sequence[Record]) -> dict[str, float]:
    """Reason codes of abstentions and the share of clips, every identity alike, that each is given for."""
    if not records:
        return {}
    weights = identity_weights([record.identity for record in records])
    found = Counter[str]()
    for record, weight in zip(records, weights.tolist(), strict=True):
        if record.abstained:
            for code in record.reasons:
                found[code] += weight
    return {code: round(value, 4) for code, value in sorted(found.items(), key=lambda item: -item[1])}


@dataclass(frozen=True)
class OffsetRow:
    """How often the offset of genuine spans of one length is found."""

    length: str
    spans: int
    identities: int
    left_out: int  # genuine clips shorter than that
    exact: Figure
    within_1: Figure
    within_1_unweighted: float | None  # every span alike


def offset_row(length: str, records: Sequence[Record], left_out: int, resamples: int) -> OffsetRow:
    """Genuine spans are in sync: the offset found should be none. One without an offset counts as missed."""
    identities = [record.identity for record in records]
    errors = [abs(record.offset) if record.offset is not None else 99 for record in records]
    near = [error <= 1 for error in errors]
    if not records:
        return OffsetRow(length, 0, 0, left_out, NOTHING, NOTHING, None)
    return OffsetRow(
        length,
        len(records),
        len(set(identities)),
        left_out,
        share([error == 0 for error in errors], identities, resamples),
        share(near, identities, resamples),
        round(float(np.mean(near)), 4),
    )
