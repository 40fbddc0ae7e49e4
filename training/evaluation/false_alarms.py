"""Who is called fake without cause: by source and by how the picture is; and what every kind is called."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from training.evaluation.bands import SHARPNESS_BANDS, SIZE_BANDS, sharpness_band, size_band
from training.evaluation.detection import Judged, people
from training.evaluation.judging import GENERATED, KINDS, VERDICTS, Record
from training.evaluation.report import Cell, Table
from training.evaluation.statistics import NOTHING, Figure
from training.spans import inverse_frequency_weights

MIN_PEOPLE = 5  # of a source that is looked at by itself
OTHER_SOURCES = "every other source"


def by_source(judged: Judged) -> dict[str, list[Record]]:
    """Genuine records by source, those with few people together at the end."""
    found: dict[str, list[Record]] = {}
    for record in judged.genuine():
        found.setdefault(record.subject.source, []).append(record)
    large = {name: group for name, group in sorted(found.items()) if people(group) >= MIN_PEOPLE}
    rest = [record for name, group in found.items() if name not in large for record in group]
    return large | ({OTHER_SOURCES: rest} if rest else {})


def worst_source(judged: Judged) -> tuple[str, Figure, list[Record]]:
    """The source of five people or more with the most false alarms, their share, and its records."""
    sources = {name: group for name, group in by_source(judged).items() if name != OTHER_SOURCES}
    shares = {name: judged.called_fake(group) for name, group in sources.items()}
    if not shares:
        return "none", NOTHING, []
    name = max(shares, key=lambda each: shares[each].value or 0.0)
    return name, shares[name], sources[name]


def sources_table(split: str, judged: Judged) -> Table:
    """False alarms of each source."""
    rows = [_alarms(name, group, judged) for name, group in by_source(judged).items()]
    header = ("source", "clips", "people", "called fake", "`fake` alone", "inconclusive")
    note = f"Genuine clips; sources of fewer than {MIN_PEOPLE} people are taken together."
    return Table("sources", f"False alarms by source, `{split}`", header, rows, note)


def bands_table(split: str, judged: Judged) -> Table:
    """False alarms and detection of generated pictures, by sharpness and by size."""
    rows = []
    for band, names in ((sharpness_band, SHARPNESS_BANDS), (size_band, SIZE_BANDS)):
        for name in names:
            real, fake = (
                [record for record in records if band(record.subject) == name]
                for records in (judged.genuine(), judged.of(GENERATED))
            )
            found = len(fake), judged.auc(fake, real), judged.called_fake(fake)
            rows.append((*_alarms(name, real, judged), *found))
    header = (
        "band",
        "genuine",
        "people",
        "called fake",
        "`fake` alone",
        "inconclusive",
        "generated",
        "AUC in the band",
        "generated called fake",
    )
    return Table("bands", f"Sharpness and size of the face, `{split}`", header, rows)


def promise_table(split: str, judged: Judged, promise: Mapping[str, Sequence[float]], error: Figure) -> Table:
    """What the calibration said of people whom it had not seen, beside what came of it here.

    ``promise`` holds a rate and the ends of its interval for each name.
    """
    genuine = judged.genuine()
    outcomes = {
        "likely_fake": ("genuine called `likely_fake` or `fake`", judged.called_fake(genuine)),
        "fake": ("genuine called `fake`", _called(genuine, "fake", judged)),
        "inconclusive": ("genuine left `inconclusive`", judged.abstained(genuine)),
        "calibration_error": ("calibration error", error),
    }
    rows = []
    for name, (what, outcome) in outcomes.items():
        promised = promise.get(name)
        rows.append((what, _promised(promised, outcome.percent) if promised else None, outcome))
    note = "The promise is the scoring checkpoint's, from people held out in turn; `-` where it makes none."
    return Table("promise", f"Promise and outcome, `{split}`", ("what", "promised", "here"), rows, note)


def verdicts_table(split: str, judged: Judged) -> Table:
    """What every kind of whole clips is called, and the reasons that go with it."""
    rows = list[tuple[Cell, ...]]()
    for kind in KINDS:
        records = judged.of(kind)
        shares = (_called(records, verdict, judged).value for verdict in VERDICTS)
        rows.append(
            (kind, len(records), *(Figure(value, percent=True) for value in shares), _reasons(records))
        )
    return Table(
        "verdicts",
        f"Verdicts and reasons, `{split}`, whole clips",
        ("kind", "clips", *(f"`{verdict}`" for verdict in VERDICTS), "reasons"),
        rows,
    )


def _alarms(name: str, records: Sequence[Record], judged: Judged) -> tuple[Cell, ...]:
    return (
        name,
        len(records),
        people(records),
        judged.called_fake(records),
        _called(records, "fake", judged),
        judged.abstained(records),
    )


def _called(records: Sequence[Record], verdict: str, judged: Judged) -> Figure:
    return judged.share(records, lambda record: record.verdict == verdict)


def _promised(values: Sequence[float], percent: bool) -> Figure:
    rate, low, high = values
    return Figure(rate, (low, high), percent)


def _reasons(records: Sequence[Record]) -> str:
    """Reason codes and the share of records that each is given for, every identity alike."""
    found = Counter[str]()
    weights = inverse_frequency_weights([record.identity for record in records]) / max(1, people(records))
    for record, weight in zip(records, weights.tolist(), strict=True):
        for code in record.reasons:
            found[code] += weight
    return ", ".join(f"{code} {100 * value:.0f} %" for code, value in found.most_common())
