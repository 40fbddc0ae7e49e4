"""Tables as markdown and as plain JSON types."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, is_dataclass
from typing import Any

from training.evaluation.calibration import Reliability
from training.evaluation.detection import OffsetRow, Row
from training.evaluation.statistics import MISSING, Figure


@dataclass(frozen=True)
class Table:
    """A titled table with a note below."""

    title: str
    header: tuple[str, ...]
    rows: list[tuple[str, ...]]
    note: str = ""

    def markdown(self) -> str:
        lines = [f"### {self.title}", "", _line(self.header), "|" + "---|" * len(self.header)]
        lines += [_line(row) for row in self.rows]
        return "\n".join(lines) + ("\n\n" + self.note if self.note else "") + "\n"


def _line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def plain(value: Any) -> Any:
    """Dataclasses as dictionaries, tuples as lists."""
    if is_dataclass(value) and not isinstance(value, type):
        return plain(asdict(value))
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    return value


def percent(figure: Figure) -> str:
    """A share in per cent with its interval."""
    if figure.value is None:
        return MISSING
    text = f"{100 * figure.value:.0f} %"
    if figure.interval:
        text += f" ({100 * figure.interval[0]:.0f} to {100 * figure.interval[1]:.0f})"
    return text


def offset_markdown(split: str, rows: Sequence[OffsetRow]) -> Table:
    header = (
        "length",
        "spans",
        "identities",
        "clips left out",
        "exact",
        "within ±1 frame",
        "±1, spans alike",
    )
    cells = [
        (
            row.length,
            str(row.spans),
            str(row.identities),
            str(row.left_out),
            percent(row.exact),
            percent(row.within_1),
            MISSING if row.within_1_unweighted is None else f"{100 * row.within_1_unweighted:.0f} %",
        )
        for row in rows
    ]
    note = (
        "Genuine clips cut into consecutive spans as files would be; what does not fill a span is left out, "
        "and so are clips shorter than it. Every identity counts alike, but in the last column."
    )
    return Table(f"Offset of genuine clips, `{split}`", header, cells, note)


def detection_markdown(split: str, view: str, rows: Sequence[Row]) -> Table:
    header = (
        "kind",
        "clips",
        "identities",
        "AUC",
        "average precision",
        "equal error rate",
        "called fake",
        "AUC of `score`",
        "not ranked",
    )
    cells = [
        (
            row.name,
            str(row.clips),
            str(row.identities),
            str(row.detection.auc),
            str(row.detection.average_precision),
            percent(row.detection.equal_error_rate),
            percent(row.called_fake),
            str(row.auc_score),
            str(row.unjudged),
        )
        for row in rows
    ]
    note = (
        "Each kind against the genuine clips of the same cut, ranked by `probability_fake` as served. "
        "*Called fake*: verdict `likely_fake` or `fake`; for genuine clips that is the false-alarm rate. "
        "Average precision is for as many manipulated as genuine clips. *Not ranked*: clips without a "
        "probability (silence, a still mouth). Nothing is deblurred here: `deblur=never`. 95 % intervals by "
        "drawing identities anew; none where there are fewer than two."
    )
    return Table(f"Detection, `{split}`, {view}", header, cells, note)


def abstention_markdown(split: str, rows: Sequence[Row]) -> Table:
    cells = [
        (
            row.name,
            str(row.clips),
            percent(row.abstained),
            ", ".join(f"{code} {100 * value:.0f} %" for code, value in row.reasons.items()) or MISSING,
        )
        for row in rows
    ]
    header = ("kind", "clips", "inconclusive", "reasons")
    return Table(f"Abstentions, `{split}`, whole clips", header, cells)


def calibration_markdown(split: str, found: dict[str, Reliability]) -> Table:
    cells = [
        (name, str(result.clips), str(result.identities), str(result.error)) for name, result in found.items()
    ]
    note = (
        "15 bins of equal width; genuine and manipulated clips weigh the same, so does each kind of "
        "manipulation (shifted by 3 frames or more, swapped, each generator) and each identity in it. "
        "Synthetic voices are left out."
    )
    return Table(
        f"Expected calibration error, `{split}`",
        ("probabilities", "clips", "identities", "error"),
        cells,
        note,
    )
