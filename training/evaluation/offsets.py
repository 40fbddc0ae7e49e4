"""Whether the offset of a clip is found: known shifts against its own offset, and its two halves."""

from __future__ import annotations

from collections.abc import Sequence

from training.evaluation.detection import Judged, people
from training.evaluation.judging import AS_FILED, HALF, INSIDE, OUTSIDE, PIECE, WHOLE, Record
from training.evaluation.report import Cell, Table
from training.evaluation.statistics import Figure

TOLERANCE = 1  # frame


def shifts_found(judged: Judged, cut: str) -> tuple[Figure, list[Record]]:
    """Share of known shifts that are found, and the records it was measured on."""
    records = [
        record for kind in (INSIDE, OUTSIDE) for record in judged.of(kind, cut) if record.treatment.moved
    ]
    return _found(judged, records), records


def halves_agree(judged: Judged) -> tuple[Figure, list[Record]]:
    """Share of clips of which both halves have the same offset, and the first half of each."""
    halves: dict[str, list[Record]] = {}
    for record in judged.genuine(HALF):
        halves.setdefault(record.subject.file, []).append(record)
    agree = {first: _near(first.offset, second.offset) for first, second in halves.values()}
    return judged.share(list(agree), lambda first: agree[first]), list(agree)


def places_table(split: str, judged: Judged) -> Table:
    """Sound put to each place: told from genuine clips, called fake, its shift found."""
    rows = []
    for kind, cut in ((INSIDE, WHOLE), (AS_FILED, WHOLE), (OUTSIDE, WHOLE), (OUTSIDE, PIECE)):
        records = judged.of(kind, cut)
        for place in sorted({record.treatment.place for record in records}):
            mine = [record for record in records if record.treatment.place == place]
            rows.append(_place_row(f"{kind}, {cut}", place, mine, judged))
    header = ("what", "frames", "clips", "people", "AUC", "called fake", "inconclusive", "shift found")
    note = (
        "Frames are positive where the sound is late. *Shift found*: within a frame of the whole clip's own "
        "offset and the shift, of clips whose sound was moved at all; a clip without an offset counts as "
        "missed."
    )
    return Table("places", f"Sound moved, `{split}`", header, rows, note)


def _place_row(name: str, place: int, records: Sequence[Record], judged: Judged) -> tuple[Cell, ...]:
    genuine = judged.genuine(records[0].treatment.cut)
    return (
        name,
        f"{place:+d}",
        len(records),
        people(records),
        judged.auc(records, genuine),
        judged.called_fake(records),
        judged.abstained(records),
        _found(judged, [record for record in records if record.treatment.moved]),
    )


def _found(judged: Judged, records: Sequence[Record]) -> Figure:
    own = {record.subject.file: record.offset for record in judged.genuine()}
    return judged.share(
        records,
        lambda record: _near(record.offset, own[record.subject.file], record.treatment.moved),
    )


def _near(found: int | None, own: int | None, moved: int = 0) -> bool:
    return found is not None and own is not None and abs(found - own - moved) <= TOLERANCE
