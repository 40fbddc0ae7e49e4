"""Degraded videos are judged as uploads, and compared with themselves."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from untrained import write_checkpoints

from training.evaluation.changes import changes, robustness_table, worst_change
from training.evaluation.degradations import BLURS, EVERYDAY, UNCHANGED
from training.evaluation.judging import (
    GENERATED,
    GENUINE,
    OTHER_SPEAKER,
    OUTSIDE,
    Product,
    Record,
    Subject,
    Treatment,
)
from training.evaluation.robustness import Setting, Tried, judge_degraded, tasks_of, videos_of

SAMPLES = Path(__file__).parents[4] / "samples"
COLUMNS = "file,split,label,generator,identity,source,seconds\n"
VIDEOS = [
    ("synchronised", "real", "", "ann", 7.0),
    ("shifted", "real", "", "ann", 3.0),
    ("snip", "real", "", "cy", 0.2),
    ("another_voice", "fake", "Wav2Lip", "bob", 3.0),
    ("another_voice", "fake", "McGurk dub", "dan", 3.0),
]
PLAIN = Setting(UNCHANGED)
WORSE = Setting(EVERYDAY[0])


@pytest.fixture
def table(tmp_path: Path) -> Path:
    lines = [
        f"{SAMPLES / name}.mp4,val,{label},{generator},{identity},x,{seconds}\n"
        for name, label, generator, identity, seconds in VIDEOS
    ]
    (tmp_path / "clips.csv").write_text(COLUMNS + "".join(lines))
    return tmp_path / "clips.csv"


def test_the_longest_video_of_each_person_is_taken(table: Path) -> None:
    ((genuine, who),) = videos_of(table, "val", GENUINE)
    assert (genuine.name, who.identity) == ("synchronised.mp4", "ann")
    ((_, fake),) = videos_of(table, "val", GENERATED)
    assert fake.generator == "Wav2Lip"
    assert videos_of(table, "test", GENUINE) == []


@pytest.mark.slow
def test_a_degraded_video_is_judged_as_an_upload(table: Path, tmp_path: Path) -> None:
    product = Product(write_checkpoints(tmp_path))
    settings = (Setting(UNCHANGED, "never"), Setting(BLURS[1], "always"))
    genuine, fake = tasks_of(table, "val", settings)
    plain, blurred = judge_degraded(product, replace(genuine, seconds=0.8))
    assert (plain.deblurred, blurred.deblurred) == (0.0, 1.0)
    assert [record.kind for record in plain.records] == [GENUINE, OTHER_SPEAKER, OUTSIDE]
    assert {record.kind for record in judge_degraded(product, replace(fake, seconds=0.8))[0].records} == {
        GENERATED
    }


def test_a_file_that_cannot_be_read_is_a_record_too(table: Path, tmp_path: Path) -> None:
    product = Product(write_checkpoints(tmp_path))
    genuine, _ = tasks_of(table, "val", (WORSE,))
    (tried,) = judge_degraded(product, replace(genuine, seconds=0.1))
    assert (tried.records[0].verdict, tried.records[0].reasons) == ("error", ("too_short",))


def test_changes_are_those_of_the_same_videos() -> None:
    def tried(name: str, kind: str, plain: float, worse: float) -> list[Tried]:
        subject, how = Subject(name, name), Treatment(kind)
        called = ["fake" if value >= 0.5 else "real" for value in (plain, worse)]
        return [
            Tried(PLAIN, 0.0, [Record(subject, how, 50, called[0], plain)]),
            Tried(WORSE, 0.0, [Record(subject, how, 50, called[1], worse)]),
        ]

    found = [
        tried("a", GENUINE, 0.1, 0.1),
        tried("b", GENUINE, 0.2, 0.6),
        tried("c", GENERATED, 0.5, 0.5),
        tried("d", OTHER_SPEAKER, 0.9, 0.9),
    ]
    plain, worse = changes(found, 0)
    assert (plain.aucs[GENERATED].value, worse.aucs[GENERATED].value) == (1.0, -0.5)
    assert (plain.called_fake.value, worse.called_fake.value) == (0.0, 0.5)
    assert worst_change([plain, worse]) == (f"{GENERATED}, {EVERYDAY[0].name}", worse.aucs[GENERATED])
    assert len(robustness_table("val", "everyday", [plain, worse]).rows) == 2


def test_nothing_to_compare_is_said() -> None:
    assert worst_change(changes([], 0))[0] == "none"
