"""How well records are told apart, by what they are ranked, and how often they are called fake."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from training.evaluation.judging import GENUINE, WHOLE, Record, Subject
from training.evaluation.statistics import Detection, Figure, Side, detection, share

Metric = Callable[[Record], float | None]
Group = Callable[[Subject], str]
GroupedAuc = Callable[[Side, Side, int], Figure]


def by_probability(record: Record) -> float | None:
    return record.probability


def by_score(record: Record) -> float | None:
    """The published quantity."""
    return record.score


def by_synchrony(record: Record) -> float | None:
    return record.synchrony


def by_face(record: Record) -> float | None:
    return record.face


def ranking(records: Iterable[Record]) -> Metric:
    """What clips are ranked by: the probability, or the score where nothing is calibrated."""
    return by_probability if any(record.probability is not None for record in records) else by_score


class Judged:
    """All records of a run."""

    def __init__(self, records: Sequence[Record], resamples: int) -> None:
        self.records = records
        self.resamples = resamples
        self.metric = ranking(records)

    def of(self, kind: str, cut: str = WHOLE) -> list[Record]:
        return [record for record in self.records if record.kind == kind and record.treatment.cut == cut]

    def genuine(self, cut: str = WHOLE) -> list[Record]:
        return self.of(GENUINE, cut)

    def auc(self, fakes: Sequence[Record], genuine: Sequence[Record], metric: Metric | None = None) -> Figure:
        """AUC of manipulated against genuine records, by the run's own metric or another one."""
        chosen = metric or self.metric
        return detection(side(genuine, chosen), side(fakes, chosen), self.resamples).auc

    def grouped(
        self, how: GroupedAuc, fakes: Sequence[Record], genuine: Sequence[Record], group: Group
    ) -> Figure:
        """AUC by the run's own metric, with regard to the groups that records belong to."""
        return how(side(genuine, self.metric, group), side(fakes, self.metric, group), self.resamples)

    def called_fake(self, records: Sequence[Record]) -> Figure:
        return self.share(records, lambda record: record.called_fake)

    def abstained(self, records: Sequence[Record]) -> Figure:
        return self.share(records, lambda record: record.abstained)

    def share(self, records: Sequence[Record], is_so: Callable[[Record], bool]) -> Figure:
        """Share of records that are so, every identity alike."""
        flags = [is_so(record) for record in records]
        return share(flags, [record.identity for record in records], self.resamples)


def side(records: Sequence[Record], metric: Metric, group: Group | None = None) -> Side:
    """The records that have a value, in their groups."""
    ranked = [(value, record) for record in records if (value := metric(record)) is not None]
    return Side(
        [value for value, _ in ranked],
        [record.identity for _, record in ranked],
        [group(record.subject) for _, record in ranked] if group else (),
    )


def people(records: Iterable[Record]) -> int:
    return len({record.identity for record in records})


@dataclass(frozen=True)
class Row:
    """One kind of manipulation of a collection against its genuine files."""

    name: str
    clips: int
    identities: int
    detection: Detection  # by the calibrated probability, or by the score where nothing is calibrated
    by_score: Detection  # by the published score
    called_fake: Figure  # of genuine files: the false-alarm rate
    abstained: Figure
    unjudged: int  # files without a probability, left out of the detection figures


def row_of(name: str, records: Sequence[Record], genuine: Sequence[Record], judged: Judged) -> Row:
    """One kind of manipulation; ``genuine`` is empty for the row of genuine files themselves."""
    mine, published = (
        detection(side(genuine, each), side(records, each), judged.resamples)
        for each in (judged.metric, by_score)
    )
    return Row(
        name,
        len(records),
        people(records),
        mine,
        published,
        judged.called_fake(records),
        judged.abstained(records),
        sum(judged.metric(record) is None for record in records),
    )
