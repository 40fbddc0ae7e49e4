"""The figures that a release is held to, each beside its floor and its aim."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from outofsync.constants import FRAME_RATE
from training.evaluation.bands import both_bands
from training.evaluation.detection import Judged, people
from training.evaluation.false_alarms import MIN_PEOPLE, worst_source
from training.evaluation.generators import MIN_CLIPS, worst_family
from training.evaluation.judging import (
    DUBBED,
    GENERATED,
    INSIDE,
    OTHER_SPEAKER,
    OUTSIDE,
    PIECE,
    SAME_SPEAKER,
    SYNTHETIC_VOICE,
    WHOLE,
    Record,
    Subject,
)
from training.evaluation.material import FAIR_CONFIDENCE, MAX_MANIPULATED, PLACES_INSIDE, PLACES_OUTSIDE
from training.evaluation.offsets import halves_agree, shifts_found
from training.evaluation.report import Table
from training.evaluation.statistics import Figure, grouped_auc, matched_auc

HEADER = ("what", "value", "floor", "aim", "clips", "people", "not ranked")
LONG_ENOUGH = 5 * FRAME_RATE  # frames from which hardly anything should be left open


@dataclass(frozen=True)
class Line:
    """One figure; ``records`` are those it was measured on, genuine ones it compares them with left out."""

    what: str
    value: Figure
    floor: str = ""
    aim: str = ""
    records: Sequence[Record] = ()


def figures_table(split: str, judged: Judged, *lines: Line) -> Table:
    """Every figure of one split; ``lines`` are those that were measured otherwise."""
    every = [
        *_false_alarms(judged),
        *_synchrony(judged),
        *_generated(judged),
        *_found(judged),
        *_offsets(judged),
        *lines,
    ]
    rows = [
        (
            line.what,
            line.value,
            line.floor,
            line.aim,
            len(line.records) or None,
            people(line.records) or None,
            sum(judged.metric(record) is None for record in line.records) if line.records else None,
        )
        for line in every
    ]
    inside, outside = (
        ", ".join(f"{place:+d}" for place in group) for group in (PLACES_INSIDE, PLACES_OUTSIDE)
    )
    note = (
        "Every identity counts alike; 95 % intervals by drawing identities anew. Clips as they are, at most "
        f"10 s, unless said; of one identity at most {MAX_MANIPULATED} clips are manipulated. Sound is "
        f"moved to {inside} frames (inside the window) and {outside} (beyond it), positive for late, from "
        "where the clip has it by itself: the offset found on the untouched clip where its confidence is "
        f"{FAIR_CONFIDENCE:g} or more, else none. AUC ranks by `probability_fake`, against all genuine clips "
        "of the same cut. *Not ranked*: without a probability (silence, a still mouth), left out of AUC."
    )
    return Table("figures", f"Figures, `{split}`", HEADER, rows, note)


def _false_alarms(judged: Judged) -> list[Line]:
    genuine, inside = judged.genuine(), judged.of(INSIDE)
    long = [record for record in genuine if record.frames >= LONG_ENOUGH]
    source, alarms, of_source = worst_source(judged)
    return [
        Line("genuine called `likely_fake` or `fake`", judged.called_fake(genuine), "5 %", "2 %", genuine),
        Line("the same, sound moved inside the window", judged.called_fake(inside), "6 %", "2 %", inside),
        Line("genuine left `inconclusive`, 5 s and more", judged.abstained(long), "10 %", "3 %", long),
        Line(
            f"false alarms of the worst source of {MIN_PEOPLE} people or more: {source}",
            alarms,
            "15 %",
            "5 %",
            of_source,
        ),
    ]


def _synchrony(judged: Judged) -> list[Line]:
    floors = {
        (OTHER_SPEAKER, WHOLE): ("0.96", "0.99"),
        (SAME_SPEAKER, WHOLE): ("0.92", "0.98"),
        (OUTSIDE, WHOLE): ("0.96", "0.99"),
        (OTHER_SPEAKER, PIECE): ("0.92", "0.97"),
        (SAME_SPEAKER, PIECE): ("", ""),
        (OUTSIDE, PIECE): ("0.92", "0.97"),
        (INSIDE, WHOLE): ("0.5", "0.5"),
    }
    lines = []
    for (kind, cut), (floor, aim) in floors.items():
        fakes = judged.of(kind, cut)
        name = f"AUC, {kind}" + (f", {cut}" if cut == PIECE else "")
        lines.append(Line(name, judged.auc(fakes, judged.genuine(cut)), floor, aim, fakes))
    return lines


def _generated(judged: Judged) -> list[Line]:
    fakes, genuine = judged.of(GENERATED), judged.genuine()
    pages = {record.subject.page for record in genuine} & {record.subject.page for record in fakes}
    on_page = [record for record in fakes if record.subject.page in pages]
    name, auc, of_family = worst_family(judged)
    lines = [
        Line("AUC, generated pictures", judged.auc(fakes, genuine), "0.75", "0.92", fakes),
        Line(
            "the same, against genuine clips of like size and sharpness",
            judged.grouped(matched_auc, fakes, genuine, both_bands),
            "0.72",
            "0.90",
            fakes,
        ),
        Line(
            f"the same, within pages that show both ({', '.join(sorted(pages)) or 'none'})",
            judged.grouped(grouped_auc, on_page, genuine, _page),
            "0.70",
            "0.90",
            on_page,
        ),
        Line(f"the worst family of {MIN_CLIPS} clips or more: {name}", auc, "0.60", "0.85", of_family),
    ]
    for kind in (DUBBED, SYNTHETIC_VOICE):
        apart = judged.of(kind)
        lines.append(Line(f"AUC, {kind}", judged.auc(apart, genuine), records=apart))
    return lines


def _page(subject: Subject) -> str:
    return subject.page


def _found(judged: Judged) -> list[Line]:
    lines = []
    for kind, floor, aim in ((OTHER_SPEAKER, "80 %", "97 %"), (GENERATED, "35 %", "75 %"), (DUBBED, "", "")):
        fakes = judged.of(kind)
        lines.append(
            Line(f"called `likely_fake` or `fake`: {kind}", judged.called_fake(fakes), floor, aim, fakes)
        )
    return lines


def _offsets(judged: Judged) -> list[Line]:
    whole, short = (shifts_found(judged, cut) for cut in (WHOLE, PIECE))
    halves = halves_agree(judged)
    return [
        Line("a known shift found within a frame, whole clips", whole[0], "98 %", "99.5 %", whole[1]),
        Line("the same, 2.2 s", short[0], "88 %", "96 %", short[1]),
        Line(
            "the two halves of a clip of 4 s or more agree within a frame",
            halves[0],
            "94 %",
            "99 %",
            halves[1],
        ),
    ]
