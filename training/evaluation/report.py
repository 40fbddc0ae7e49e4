"""Tables as markdown and as plain JSON types."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, is_dataclass
from typing import Any

from training.evaluation.calibration import FITTED_ON, Reliability
from training.evaluation.deblurring import DeblurringRow
from training.evaluation.detection import OffsetRow, Row
from training.evaluation.robustness import SECONDS, SHORTEST, RobustnessRow
from training.evaluation.statistics import MISSING, Figure


@dataclass(frozen=True)
class Table:
    """A titled table with a note below."""

    title: str
    header: tuple[str, ...]
    rows: Sequence[tuple[str, ...]]
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


COLUMNS: dict[str, Callable[[Row], str]] = {
    "kind": lambda row: row.name,
    "clips": lambda row: str(row.clips),
    "files": lambda row: str(row.clips),
    "identities": lambda row: str(row.identities),
    "AUC": lambda row: str(row.detection.auc),
    "average precision": lambda row: str(row.detection.average_precision),
    "equal error rate": lambda row: percent(row.detection.equal_error_rate),
    "AUC of `score`": lambda row: str(row.by_score.auc),
    "average precision of `score`": lambda row: str(row.by_score.average_precision),
    "called fake": lambda row: percent(row.called_fake),
    "inconclusive": lambda row: percent(row.abstained),
    "not ranked": lambda row: str(row.unjudged),
}


def _cells(rows: Sequence[Row], header: Sequence[str]) -> list[tuple[str, ...]]:
    return [tuple(COLUMNS[name](row) for name in header) for row in rows]


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
    cells = _cells(rows, header)
    note = (
        "Each kind against the genuine clips of the same cut, ranked by `probability_fake` as served. "
        "*Called fake*: verdict `likely_fake` or `fake`; for genuine clips that is the false-alarm rate. "
        "Average precision is for as many manipulated as genuine clips. *Not ranked*: clips without a "
        "probability (silence, a still mouth). Nothing is deblurred here: `deblur=never`. 95 % intervals by "
        "drawing identities anew; none where there are fewer than two."
    )
    if split == FITTED_ON:
        note += " The shipped calibration was fitted on this split: it has seen these people."
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


def robustness_markdown(split: str, rows: Sequence[RobustnessRow]) -> Table:
    header = (
        "degradation",
        "deblur",
        "clips",
        "AUC",
        "within ±1 frame",
        "false alarms",
        "deblurred",
        "not ranked",
    )
    cells = [
        (
            row.degradation,
            row.deblur,
            str(row.clips),
            str(row.auc),
            percent(row.within_1),
            percent(row.false_alarms),
            f"{100 * row.restored:.0f} %",
            str(row.unjudged),
        )
        for row in rows
    ]
    note = (
        f"The longest genuine video of each identity, {SHORTEST:g} to {SECONDS:g} s of it, degraded, encoded "
        "anew, then decoded, tracked and judged like an upload. AUC of the degraded video against itself "
        "with its sound moved by 5 and 10 frames and with somebody else's. Gaussian blur has a standard "
        "deviation of 1.2 %, motion blur a length of 4 % of the picture's shorter side; noise a standard "
        "deviation of 15."
    )
    return Table(f"Robustness, `{split}`", header, cells, note)


def deblurring_markdown(split: str, rows: Sequence[DeblurringRow], touched: dict[str, Any]) -> Table:
    names = list(rows[0].remedies) if rows else []
    cells = [
        (
            row.kind,
            str(row.frames),
            *(f"{each.psnr:.2f} dB, {each.ssim:.3f}" for each in row.remedies.values()),
        )
        for row in rows
    ]
    note = (
        "Sharp face crops blurred at random; mean PSNR (60 dB stands for equal) and SSIM against the sharp "
        "ones. Richardson-Lucy undoes one Gaussian blur in linear light, chosen on people trained on. "
        f"`auto` would restore {touched['restored']} of {touched['frames']} frames of {touched['clips']} "
        f"unblurred clips whose faces have at least {touched['face_px_at_least']} px."
    )
    return Table(f"Deblurring, `{split}`", ("blur", "frames", *names), cells, note)


def collection_markdown(name: str, rows: Sequence[Row]) -> Table:
    header = (
        "kind",
        "files",
        "identities",
        "AUC",
        "average precision",
        "AUC of `score`",
        "average precision of `score`",
        "called fake",
        "inconclusive",
        "not ranked",
    )
    cells = _cells(rows, header)
    note = (
        "Every file through the whole product with default options, `mode=full`. Average precision is for as "
        "many fakes as genuine files; every identity counts alike."
    )
    return Table(name, header, cells, note)
