"""A request's progress in a file: told seldom, read easily, and its end asked for by removing it."""

from __future__ import annotations

import secrets
from pathlib import Path

import pytest

from outofsync import progress
from outofsync.progress import (
    AbandonedError,
    Amount,
    Progress,
    Share,
    SharedProgress,
    Step,
    amounts_of,
    parse,
)


@pytest.fixture
def name(tmp_path: Path) -> str:
    """A file that somebody has made who waits."""
    name = secrets.token_hex(16)
    (tmp_path / name).touch(0o600)
    return name


@pytest.fixture(autouse=True)
def always(monkeypatch: pytest.MonkeyPatch) -> None:
    """The file is looked at each time."""
    monkeypatch.setattr(progress, "EVERY_S", 0.0)


def said(folder: Path, name: str) -> tuple[str, float | None] | None:
    return parse((folder / name).read_bytes())


def test_what_is_told_can_be_read(tmp_path: Path, name: str) -> None:
    assert said(tmp_path, name) is None
    told = Progress.open(tmp_path, name)
    for step in Step:
        told.tell(step)
        assert said(tmp_path, name) == (step, None)
        told.tell(step, 0.25)
        assert said(tmp_path, name) == (step, 0.25)


@pytest.mark.parametrize(("share", "read"), [(-1.0, 0.0), (1.04, 1.0), (1 / 3, 0.333)])
def test_a_share_is_one(tmp_path: Path, name: str, share: float, read: float) -> None:
    Progress.open(tmp_path, name).tell(Step.FACES, share)
    assert said(tmp_path, name) == (Step.FACES, read)


def test_within_a_step_it_is_told_now_and_then(
    tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(progress, "EVERY_S", 1e6)
    told = Progress.open(tmp_path, name)
    told.tell(Step.FACES, 0.1)
    told.tell(Step.FACES, 0.2)
    assert said(tmp_path, name) == (Step.FACES, 0.1)
    told.tell(Step.DEBLUR, 0.0)
    assert said(tmp_path, name) == (Step.DEBLUR, 0.0), "a step that begins always is"


def test_whoever_removes_the_file_asks_for_the_end(tmp_path: Path, name: str) -> None:
    told = Progress.open(tmp_path, name)
    told.tell(Step.FACES)
    (tmp_path / name).unlink()
    for _ in range(2):
        with pytest.raises(AbandonedError) as caught:
            told.tell(Step.FACES)
    assert caught.value.to_dict("its-id")["code"] == "cancelled"
    assert caught.value.to_dict("its-id")["request_id"] == "its-id"
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_has_gone_already_ends_it_before_it_begins(tmp_path: Path) -> None:
    with pytest.raises(AbandonedError):
        Progress.open(tmp_path, secrets.token_hex(16)).tell(Step.DECODE)


@pytest.mark.parametrize("given", [None, "", "../" + "a" * 29, "a" * 31, "A" * 32, "a" * 32 + "\n", "."])
def test_what_is_no_name_is_not_looked_for(tmp_path: Path, given: str | None) -> None:
    Progress.open(tmp_path, given).tell(Step.DECODE, 0.5)
    Progress.open(None, "a" * 32).tell(Step.DECODE, 0.5)
    assert list(tmp_path.iterdir()) == []


def test_a_link_is_not_followed(tmp_path: Path, name: str) -> None:
    link = secrets.token_hex(16)
    (tmp_path / link).symlink_to(tmp_path / name)
    Progress.open(tmp_path, link).tell(Step.DECODE)
    assert said(tmp_path, name) is None


def test_what_is_worked_on_together_ends_when_nobody_is_left(tmp_path: Path) -> None:
    names = [secrets.token_hex(16) for _ in range(2)]
    for one in names:
        (tmp_path / one).touch()
    shared = SharedProgress([Progress.open(tmp_path, one) for one in names])
    shared.tell(Step.COMPARE, 0.5)
    assert [said(tmp_path, one) for one in names] == [(Step.COMPARE, 0.5)] * 2
    (tmp_path / names[0]).unlink()
    shared.tell(Step.COMPARE, 0.6)
    assert said(tmp_path, names[1]) == (Step.COMPARE, 0.6)
    (tmp_path / names[1]).unlink()
    with pytest.raises(AbandonedError):
        shared.tell(Step.COMPARE, 0.7)


def test_somebody_who_is_not_told_waits_for_ever() -> None:
    SharedProgress([Progress(), Progress(abandoned=True)]).tell(Step.SCORE)
    SharedProgress([]).tell(Step.SCORE)


def test_counting_begins_at_nothing_and_ends_at_all(tmp_path: Path, name: str) -> None:
    share = Share(Progress.open(tmp_path, name), Step.DEBLUR, 4)
    assert said(tmp_path, name) == (Step.DEBLUR, 0.0)
    share.add(1)
    assert said(tmp_path, name) == (Step.DEBLUR, 0.25)
    share.add(3)
    assert said(tmp_path, name) == (Step.DEBLUR, 1.0)
    Share(Progress.open(tmp_path, name), Step.SCORE, 0).add(0)
    assert said(tmp_path, name) == (Step.SCORE, 0.0)


@pytest.mark.parametrize("line", [b"", b"\n", b"elsewhere 0.5", b"\xff\xfe", b"faces x"])
def test_half_a_line_does_no_harm(line: bytes) -> None:
    assert parse(line) in (None, (Step.FACES, None))


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """What Progress takes for the time, in seconds; its only entry may be set."""
    seconds = [0.0]
    monkeypatch.setattr("outofsync.progress.time.monotonic", lambda: seconds[0])
    return seconds


def amounts(folder: Path, name: str) -> dict[Step, Amount]:
    return amounts_of((folder / name).read_bytes())


def test_how_much_there_is_to_do_is_told_beside(tmp_path: Path, name: str, clock: list[float]) -> None:
    told = Progress.open(tmp_path, name)
    told.tell(Step.DECODE)
    assert amounts(tmp_path, name) == {}
    told.expect(Step.FACES, 1000)
    told.tell(Step.FACES, 0.0)
    clock[0] += 5
    told.expect(Step.COMPARE, 800)
    told.tell(Step.FACES, 0.25)
    assert said(tmp_path, name) == (Step.FACES, 0.25)
    assert amounts(tmp_path, name) == {Step.FACES: Amount(5, 250, 1000), Step.COMPARE: Amount(0, 0, 800)}
    clock[0] += 15
    told.tell(Step.DEBLUR, 0.0)
    assert amounts(tmp_path, name)[Step.FACES] == Amount(20, 1000, 1000), "what is over is done"


def test_the_next_node_leaves_alone_what_the_one_before_has_told(
    tmp_path: Path, name: str, clock: list[float]
) -> None:
    first = Progress.open(tmp_path, name)
    for step in (Step.FACES, Step.DEBLUR, Step.COMPARE, Step.SCORE):
        first.expect(step, 100)
    first.tell(Step.FACES, 0.0)
    clock[0] = 2.0
    first.tell(Step.DEBLUR, 0.5)
    second = Progress.open(tmp_path, name)
    second.tell(Step.COMPARE)
    second.expect(Step.SCORE, 64)
    share = Share(second, Step.COMPARE, 90)
    clock[0] = 5.0
    share.add(45)
    found = amounts(tmp_path, name)
    assert found[Step.FACES] == Amount(2, 100, 100)
    assert found[Step.DEBLUR] == Amount(0, 50, 100)
    assert found[Step.COMPARE] == Amount(3, 45, 90)
    assert found[Step.SCORE] == Amount(0, 0, 64)
    second.tell(Step.SCORE, 0.0)
    clock[0] = 9.0
    SharedProgress([second]).finish()
    assert said(tmp_path, name) == (Step.SCORE, 1.0)
    assert amounts(tmp_path, name)[Step.SCORE] == Amount(4, 64, 64)


@pytest.mark.parametrize(
    "content", [b"", b"faces", b"\0" * 500, b"faces 0.5\n".ljust(32) + b"1 2\n", b"\xff" * 160]
)
def test_half_an_amount_does_no_harm(content: bytes) -> None:
    assert amounts_of(content) == {}
