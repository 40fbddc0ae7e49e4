"""The worst errors, to be looked at: which they are, and what they look and sound like."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from outofsync.constants import DELAYS
from training.clips import PreparedClip
from training.evaluation.detection import Judged
from training.evaluation.judging import DUBBED, GENERATED, GENUINE, Product, Record
from training.evaluation.material import LONGEST, read
from training.evaluation.report import Cell, Table
from training.spans import excerpt, frames_of

EACH = 10  # genuine clips, and as many manipulated ones
OF_ONE = 2  # clips of one person at most, so that there is more to see than one person
STILLS = 6
STILL_PX = 96


@dataclass(frozen=True)
class Portrait:
    """What an error looks like: stills (height, width, 3) beside one another, delay logits (windows, 31)."""

    record: Record
    stills: NDArray[np.uint8]
    delays: NDArray[np.float32]


def worst(judged: Judged) -> list[Record]:
    """Genuine clips that rank highest, then manipulated ones, as they came, that rank lowest."""
    fakes = [*judged.of(GENERATED), *judged.of(DUBBED)]
    return _first(judged, judged.genuine(), -1) + _first(judged, fakes, 1)


def _first(judged: Judged, records: Sequence[Record], sign: int) -> list[Record]:
    ranked = [(value, record) for record in records if (value := judged.metric(record)) is not None]
    seen = Counter[str]()
    chosen = []
    for _, record in sorted(ranked, key=lambda pair: (sign * pair[0], pair[1].subject.file)):
        seen[record.identity] += 1
        if seen[record.identity] <= OF_ONE:
            chosen.append(record)
    return chosen[:EACH]


def errors_table(split: str, records: Sequence[Record]) -> Table:
    header = (
        "file",
        "source",
        "generator",
        "verdict",
        "probability",
        "offset",
        "judged at",
        "synchrony",
        "face",
        "size",
        "sharpness",
        "reasons",
    )
    note = (
        "Genuine clips with the highest probability, then manipulated ones with the lowest; of one person at "
        f"most {OF_ONE}. `errors_{split}.png` shows them."
    )
    return Table("errors", f"Worst errors, `{split}`", header, [_row(record) for record in records], note)


def _row(record: Record) -> tuple[Cell, ...]:
    subject = record.subject
    return (
        subject.file,
        subject.source,
        subject.generator or GENUINE,
        record.verdict,
        _decimals(record.probability),
        record.offset,
        record.judged_offset,
        _decimals(record.synchrony),
        _decimals(record.face),
        f"{subject.face_px:.0f} px",
        f"{subject.sharpness:.3f}",
        ", ".join(record.reasons),
    )


def _decimals(value: float | None) -> str | None:
    return None if value is None else f"{value:.3f}"


def portrait(product: Product, task: tuple[PreparedClip, Record]) -> Portrait:
    """Stills all over a clip, and the delays that the product saw."""
    prepared, record = task
    clip = read(prepared)
    clip = excerpt(clip, 0, min(frames_of(clip), LONGEST))
    result = product.ensemble.judge([clip])[0].to_dict()
    frames = clip.tracks[0].frames
    numbers = np.linspace(0, len(frames) - 1, STILLS).astype(int).tolist()
    pictures = [cv2.resize(frames.read(number, number + 1)[0], (STILL_PX, STILL_PX)) for number in numbers]
    stills = np.concatenate(pictures, axis=1).astype(np.uint8)
    return Portrait(record, stills, np.asarray(result.get("delays", []), np.float32).reshape(-1, DELAYS))
