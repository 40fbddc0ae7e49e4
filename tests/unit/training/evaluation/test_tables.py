"""Tables of known records say what can be told by hand."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest

from training.evaluation.bands import family_of
from training.evaluation.calibration import Stated, reliability_of, stated_by
from training.evaluation.detection import Judged
from training.evaluation.errors import worst
from training.evaluation.false_alarms import promise_table, sources_table, verdicts_table, worst_source
from training.evaluation.figures import figures_table
from training.evaluation.generators import generators_table, worst_family
from training.evaluation.judging import (
    DUBBED,
    GENERATED,
    GENUINE,
    HALF,
    INSIDE,
    OTHER_SPEAKER,
    OUTSIDE,
    PIECE,
    SYNTHETIC_VOICE,
    Record,
    Subject,
    Treatment,
)
from training.evaluation.material import own_place, page_of
from training.evaluation.offsets import places_table
from training.evaluation.report import Table
from training.evaluation.statistics import Figure

VALUE = "value"
SUBJECT = {"source", "generator", "page", "face_px", "sharpness"}
TREATMENT = {"cut", "place", "moved"}


def record(kind: str, identity: str, probability: float | None, *, file: str = "", **facts: Any) -> Record:
    """A record that is called fake from 0.5 on; facts of its subject and treatment go where they belong."""
    called = "fake" if (probability or 0.0) >= 0.5 else "real"
    subject = {name: facts.pop(name) for name in SUBJECT & set(facts)}
    treatment = {name: facts.pop(name) for name in TREATMENT & set(facts)}
    return Record(
        Subject(file or f"{kind} {identity}", identity, **subject),
        Treatment(kind, **treatment),
        facts.pop("frames", 50),
        facts.pop("verdict", called),
        probability,
        **facts,
    )


def genuine(probabilities: Iterable[float], **facts: Any) -> list[Record]:
    """A genuine record of another person for each probability."""
    return [record(GENUINE, f"person {number}", value, **facts) for number, value in enumerate(probabilities)]


def row(table: Table, name: str) -> dict[str, Any]:
    """The row whose first cell begins like that."""
    (found,) = [each for each in table.rows if str(each[0]).startswith(name)]
    return dict(zip(table.header, found, strict=True))


def judged(*records: Record, resamples: int = 0) -> Judged:
    return Judged(records, resamples)


def test_figures_of_genuine_clips() -> None:
    long = record(GENUINE, "long", 0.2, frames=125, verdict="inconclusive")
    table = figures_table("val", judged(*genuine([0.1, 0.2, 0.9]), long, record(INSIDE, "a", 0.9)))
    assert str(row(table, "genuine called")[VALUE]) == "25.0 %"
    assert str(row(table, "the same, sound moved")[VALUE]) == "100.0 %"
    assert row(table, "genuine left")[VALUE].value == 1.0  # only one has five seconds
    assert row(table, "genuine left")["clips"] == 1


def test_figures_of_manipulated_clips() -> None:
    fakes = [
        record(OTHER_SPEAKER, "a", 0.9),
        record(OTHER_SPEAKER, "b", 0.15),
        record(OTHER_SPEAKER, "c", None),
    ]
    pieces = [record(GENUINE, "a", 0.1, cut=PIECE), record(OTHER_SPEAKER, "a", 0.0, cut=PIECE)]
    table = figures_table("val", judged(*genuine([0.1, 0.2]), *fakes, *pieces))
    found: dict[str, Any] = {str(each[0]): each for each in table.rows}
    whole, short = (found[f"AUC, {OTHER_SPEAKER}{cut}"] for cut in ("", ", 2.2 s"))
    assert (whole[1].value, whole[table.header.index("not ranked")]) == (0.75, 1)
    assert short[1].value == 0.0
    assert str(row(table, "called `likely_fake` or `fake`: another speaker")[VALUE]) == "33.3 %"


def test_generated_pictures_are_compared_within_a_page() -> None:
    real = [
        record(GENUINE, "a", 0.6, page="one", sharpness=0.2),
        record(GENUINE, "b", 0.1, page="two", sharpness=0.1),
    ]
    fake = [record(GENERATED, "c", 0.5, page="one", generator="X", sharpness=0.2)]
    table = figures_table("val", judged(*real, *fake))
    assert row(table, "AUC, generated pictures")[VALUE].value == 0.5
    assert row(table, "the same, within pages that show both (one)")[VALUE].value == 0.0
    assert row(table, "the same, against genuine clips of like")[VALUE].value == 0.0


def test_dubs_and_synthetic_voices_are_apart() -> None:
    records = [*genuine([0.1]), record(DUBBED, "a", 0.9), record(SYNTHETIC_VOICE, "b", 0.0)]
    table = figures_table("val", judged(*records, record(GENERATED, "c", 0.1)))
    assert row(table, "AUC, real picture, another voice")[VALUE].value == 1.0
    assert row(table, "AUC, real picture, synthetic voice")[VALUE].value == 0.0
    assert row(table, "AUC, generated")["clips"] == 1


def test_known_shifts_count_against_the_clips_own_offset() -> None:
    whole = record(GENUINE, "a", 0.1, file="a", offset=2)
    shifts = [
        record(OUTSIDE, "a", 0.9, file="a", place=7, moved=5, offset=8),  # 2 + 5, one frame off
        record(OUTSIDE, "a", 0.9, file="a", place=-7, moved=-9, offset=-5),
        record(INSIDE, "a", 0.1, file="a", place=2, moved=0, offset=2),  # not moved at all
        record(INSIDE, "a", 0.1, file="a", place=4, moved=2, offset=None),
    ]
    together = judged(whole, *shifts)
    assert row(figures_table("val", together), "a known shift")[VALUE].value == pytest.approx(1 / 3, abs=1e-4)
    found = {str(each[1]): each[-1] for each in places_table("val", together).rows}
    assert (str(found["+7"]), str(found["-7"]), str(found["+2"])) == ("100.0 %", "0.0 %", "-")


def test_halves_agree_or_not() -> None:
    offsets = {"a": (1, 2), "b": (0, 3), "c": (None, 0)}
    halves = [
        record(GENUINE, name, 0.1, file=name, cut=HALF, offset=offset)
        for name, pair in offsets.items()
        for offset in pair
    ]
    found = row(figures_table("val", judged(*halves)), "the two halves")
    assert found[VALUE].value == pytest.approx(1 / 3, abs=1e-4)


def test_a_clips_own_place_is_believed_where_it_is_sure() -> None:
    assert own_place(record(GENUINE, "a", 0.1, offset=3, confidence=0.95)) == 3
    assert own_place(record(GENUINE, "a", 0.1, offset=3, confidence=0.1)) == 0
    assert own_place(record(GENUINE, "a", None)) == 0


def test_false_alarms_by_source() -> None:
    vlogs = [*genuine([0.9, 0.1, 0.1, 0.1], source="vlogs"), record(GENUINE, "e", 0.9, source="vlogs")]
    few = genuine([0.9, 0.9], source="few")
    talks = genuine([0.1] * 5, source="talks")
    together = judged(*vlogs, *few, *talks)
    assert [each[0] for each in sources_table("val", together).rows] == [
        "talks",
        "vlogs",
        "every other source",
    ]
    name, share, records = worst_source(together)
    assert (name, share, len(records)) == ("vlogs", Figure(0.4, percent=True), 5)
    assert worst_source(judged(*few))[0] == "none"


def test_families_of_generators() -> None:
    names = ["Wav2Lip", "Wav2Lip(-GAN)", "Wav2Lip+GFPGAN", "Hallo2", "OmniHuman-1.5", "EchoMimicV3", "Talk3D"]
    assert [family_of(name) for name in names] == [
        *["Wav2Lip"] * 3,
        "Hallo",
        "OmniHuman",
        "EchoMimic",
        "Talk3D",
    ]


def test_the_worst_family_has_ten_clips() -> None:
    good = [record(GENERATED, f"g{n}", 0.9, generator="Good") for n in range(10)]
    bad = [record(GENERATED, f"b{n}", 0.3, generator="Bad" if n % 2 else "Bad2") for n in range(10)]
    rare = [record(GENERATED, "r", 0.0, generator="Rare")]
    together = judged(*genuine([0.1, 0.5]), *good, *bad, *rare)
    name, auc, records = worst_family(together)
    assert (name, auc.value, len(records)) == ("Bad", 0.5, 10)
    table = generators_table("val", together)
    assert row(table, "· Bad2")["clips"] == 5
    assert row(table, "Rare")["AUC"].value == 0.0


def test_parts_are_ranked_by_themselves() -> None:
    real = record(GENUINE, "a", 0.2, score=0.1, synchrony=0.1, face=0.9)
    fake = record(GENERATED, "b", 0.6, score=0.1, synchrony=0.3, face=0.2, generator="X")
    found = row(generators_table("val", judged(real, fake)), "X")
    columns = ("AUC", "by `score`", "by synchrony alone", "by face alone")
    assert [found[name].value for name in columns] == [1.0, 0.5, 1.0, 0.0]


def test_promise_and_outcome_stand_side_by_side() -> None:
    promise = {"likely_fake": [0.05, 0.03, 0.08]}
    table = promise_table("val", judged(*genuine([0.9, 0.1])), promise, Figure(0.1))
    found = row(table, "genuine called `likely_fake` or")
    assert (str(found["promised"]), str(found["here"])) == ("5.0 % (3.0 to 8.0)", "50.0 %")
    assert row(table, "genuine called `fake`")["promised"] is None


def test_reasons_are_counted_by_person() -> None:
    silent = [record(GENUINE, "a", None, verdict="inconclusive", reasons=("silence",))] * 3
    table = verdicts_table("val", judged(*silent, record(GENUINE, "b", 0.1, reasons=("in_sync",))))
    found = row(table, "genuine")
    assert (str(found["`inconclusive`"]), found["reasons"]) == ("50.0 %", "silence 50 %, in_sync 50 %")


def test_calibration_leaves_out_voices_and_small_moves() -> None:
    kinds = [GENUINE, INSIDE, OUTSIDE, SYNTHETIC_VOICE, OTHER_SPEAKER, DUBBED, GENERATED]
    stated = stated_by(judged(*[record(kind, "a", 0.5) for kind in kinds]))
    assert [each.kind for each in stated] == [GENUINE, "moved", *["another voice"] * 2, GENERATED]
    assert reliability_of(stated, 10).error.value == 0.0  # half are manipulated, by weight
    off = reliability_of([Stated(0.9, GENUINE, "a"), Stated(0.9, "moved", "b")], 10)
    assert off.error.value == pytest.approx(0.4)


def test_the_worst_errors_are_of_several_people() -> None:
    one = [record(GENUINE, "a", 0.9, file=f"a{n}") for n in range(5)]
    fakes = [record(GENERATED, "c", 0.1), record(GENERATED, "d", 0.3), record(DUBBED, "e", 0.2)]
    found = worst(judged(*one, record(GENUINE, "b", 0.95), *fakes))
    assert [each.identity for each in found] == ["b", "a", "a", "c", "e", "d"]


def test_older_clips_share_their_source_as_a_page() -> None:
    assert page_of("", "AV2AV originals") == page_of("", "AV2AV")
    assert page_of("lab/page", "anything") == "lab/page"
