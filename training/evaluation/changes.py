"""Degraded videos against the same videos encoded once more, figure by figure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from training.evaluation.detection import Judged, side
from training.evaluation.judging import GENERATED, GENUINE, OTHER_SPEAKER, OUTSIDE, Record
from training.evaluation.report import Cell, Table
from training.evaluation.robustness import MAX_PEOPLE, SECONDS, SHORTEST, Setting, Tried
from training.evaluation.statistics import NOTHING, Figure, auc_change, mean

ATTACKS = (OTHER_SPEAKER, OUTSIDE, GENERATED)


@dataclass(frozen=True)
class Change:
    """One setting against the first one."""

    setting: Setting
    aucs: dict[str, Figure]  # by kind of manipulation
    called_fake: Figure  # of genuine clips
    abstained: Figure
    deblurred: float
    unranked: int


def changes(found: Sequence[Sequence[Tried]], resamples: int) -> list[Change]:
    """The first setting as it is, and what every other one changes about the same clips."""
    settings = [tried.setting for tried in found[0]] if found else []
    by_setting = [[of_video[number] for of_video in found] for number in range(len(settings))]
    every = [
        Judged([record for tried in group for record in tried.records], resamples) for group in by_setting
    ]
    rows = []
    for number, (setting, group, judged) in enumerate(zip(settings, by_setting, every, strict=True)):
        first = every[0] if number else None
        rows.append(
            Change(
                setting,
                {kind: _auc(judged, first, kind) for kind in ATTACKS},
                _share(judged, first, lambda record: record.called_fake),
                _share(judged, first, lambda record: record.abstained),
                float(np.mean([tried.deblurred for tried in group])),
                sum(every[0].metric(record) is None for record in judged.records),
            )
        )
    return rows


def _auc(judged: Judged, first: Judged | None, kind: str) -> Figure:
    """AUC, or by how much it differs from the first one's, of clips that are ranked in both."""
    if first is None:
        return judged.auc(judged.of(kind), judged.genuine())
    metric = first.metric
    pairs = [
        [pair for pair in _pairs(first.of(each), judged.of(each)) if None not in map(metric, pair)]
        for each in (GENUINE, kind)
    ]
    before, after = ([side([pair[which] for pair in group], metric) for group in pairs] for which in (0, 1))
    return auc_change((before[0], before[1]), (after[0], after[1]), judged.resamples)


def _share(judged: Judged, first: Judged | None, is_so: Callable[[Record], bool]) -> Figure:
    """Share of genuine clips that are so, or by how much it differs from the first one's."""
    if first is None:
        return judged.share(judged.genuine(), is_so)
    pairs = _pairs(first.genuine(), judged.genuine())
    values = [float(is_so(after)) - float(is_so(before)) for before, after in pairs]
    return mean(values, [before.identity for before, _ in pairs], judged.resamples)


def _pairs(before: Sequence[Record], after: Sequence[Record]) -> list[tuple[Record, Record]]:
    """Records of the same files."""
    known = {record.subject.file: record for record in before}
    return [(known[record.subject.file], record) for record in after if record.subject.file in known]


def worst_change(rows: Sequence[Change]) -> tuple[str, Figure]:
    """The everyday change that costs most AUC, and how much."""
    losses = [
        (figure.value, f"{kind}, {row.setting.how.name}", figure)
        for row in rows[1:]
        for kind, figure in row.aucs.items()
        if figure.value is not None
    ]
    if not losses:
        return "none", NOTHING
    _, name, figure = min(losses, key=lambda each: each[:2])
    return name, figure


def robustness_table(split: str, name: str, rows: Sequence[Change]) -> Table:
    cells: list[tuple[Cell, ...]] = [
        (
            row.setting.name,
            *row.aucs.values(),
            row.called_fake,
            row.abstained,
            f"{100 * row.deblurred:.0f} %",
            row.unranked,
        )
        for row in rows
    ]
    header = (
        "what was done",
        *(f"AUC, {kind}" for kind in ATTACKS),
        "genuine called fake",
        "genuine inconclusive",
        "deblurred",
        "not ranked",
    )
    note = (
        f"The longest video of up to {MAX_PEOPLE} people, genuine and generated, {SHORTEST:g} to "
        f"{SECONDS:g} s of it, degraded, then decoded, tracked and judged like an upload. The first row is "
        "the plain re-encode, the others are differences to it, of the same clips. Gaussian blur has a "
        "standard deviation of 1.2 %, motion blur a length of 4 % of the picture's shorter side."
    )
    return Table(name, f"Robustness ({name}), `{split}`", header, cells, note)
