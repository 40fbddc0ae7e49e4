"""How each generator fares, by everything that the product says and by its parts alone."""

from __future__ import annotations

from collections.abc import Sequence

from training.evaluation.bands import family_of
from training.evaluation.detection import Judged, by_face, by_score, by_synchrony, people
from training.evaluation.judging import DUBBED, GENERATED, SYNTHETIC_VOICE, Record
from training.evaluation.report import Cell, Table
from training.evaluation.statistics import NOTHING, Figure

MIN_CLIPS = 10  # of a family that can be the worst


def families(records: Sequence[Record]) -> dict[str, list[Record]]:
    """Records by family of generators, the largest first."""
    found: dict[str, list[Record]] = {}
    for record in records:
        found.setdefault(family_of(record.subject.generator), []).append(record)
    return dict(sorted(found.items(), key=lambda item: (-len(item[1]), item[0])))


def worst_family(judged: Judged) -> tuple[str, Figure, list[Record]]:
    """The family of ten clips or more with the lowest AUC, which that is, and its records."""
    large = {name: group for name, group in families(judged.of(GENERATED)).items() if len(group) >= MIN_CLIPS}
    aucs = {name: judged.auc(group, judged.genuine()) for name, group in large.items()}
    ranked = [(auc.value, name) for name, auc in aucs.items() if auc.value is not None]
    if not ranked:
        return "none", NOTHING, []
    name = min(ranked)[1]
    return name, aucs[name], large[name]


def generators_table(split: str, judged: Judged) -> Table:
    """A row for each family and, where it has several, each generator of it; voices and dubs apart."""
    generated = judged.of(GENERATED)
    rows = [_row("every generator", generated, judged)]
    for family, records in families(generated).items():
        rows.append(_row(family, records, judged))
        rows += [_row(f"· {name}", group, judged) for name, group in _several(records).items()]
    for kind in (DUBBED, SYNTHETIC_VOICE):
        rows.append(_row(kind, judged.of(kind), judged))
        groups = families(judged.of(kind))
        rows += [_row(f"· {name}", group, judged) for name, group in groups.items() if len(groups) > 1]
    header = (
        "generator",
        "clips",
        "people",
        "AUC",
        "by `score`",
        "by synchrony alone",
        "by face alone",
        "called fake",
        "inconclusive",
        "not ranked",
    )
    note = (
        "Each against all genuine clips; AUC ranks by `probability_fake`, then by the published `score` and "
        "by the single parts, where the engine gives them."
    )
    return Table("generators", f"Generators, `{split}`", header, rows, note)


def _several(records: Sequence[Record]) -> dict[str, list[Record]]:
    """Records by generator, where there is more than one."""
    found: dict[str, list[Record]] = {}
    for record in records:
        found.setdefault(record.subject.generator, []).append(record)
    return dict(sorted(found.items())) if len(found) > 1 else {}


def _row(name: str, records: Sequence[Record], judged: Judged) -> tuple[Cell, ...]:
    genuine = judged.genuine()
    return (
        name,
        len(records),
        people(records),
        *(judged.auc(records, genuine, measure) for measure in (None, by_score, by_synchrony, by_face)),
        judged.called_fake(records),
        judged.abstained(records),
        sum(judged.metric(record) is None for record in records),
    )
