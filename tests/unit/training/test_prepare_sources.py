"""Videos are named by folders, tables and lists; nobody is in two splits."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from training.preparation.heads import heads, render_heads
from training.preparation.sources import AUTO, Defaults, SourceError, in_folder, listed, split_of


def touch(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()
    return path


def test_a_table_names_videos(tmp_path: Path) -> None:
    (tmp_path / "clips.csv").write_text(
        "file,split,label,generator,identity,source\nval/a.mp4,val,fake,Wav2Lip,id1,TED\n"
    )
    (source,) = listed(tmp_path / "clips.csv")
    assert (source.path, source.split, source.generator) == (tmp_path / "val/a.mp4", "val", "Wav2Lip")
    assert (source.file, source.label, source.identity, source.source) == ("val/a.mp4", "fake", "id1", "TED")


def test_a_table_may_leave_out_everything_but_the_file(tmp_path: Path) -> None:
    (tmp_path / "clips.csv").write_text("file,speaker\nann/a.mp4,s1\nann/b.mp4,s2\n")
    table, defaults = tmp_path / "clips.csv", Defaults(split="val", label="fake", generator="Wav2Lip")
    assert {source.identity for source in listed(table, defaults)} == {"ann"}
    first, second = listed(table, defaults, identity_column="speaker")
    assert (first.identity, second.identity) == ("s1", "s2")
    assert (first.split, first.label, first.generator, first.source) == ("val", "fake", "Wav2Lip", "clips")


def test_a_list_names_one_video_a_line(tmp_path: Path) -> None:
    (tmp_path / "clips.txt").write_text("# ours\nann/a.mp4\n\nbob/b.mp4  # blurry\n")
    found = [(source.file, source.identity) for source in listed(tmp_path / "clips.txt")]
    assert found == [("ann/a.mp4", "ann"), ("bob/b.mp4", "bob")]


@pytest.mark.parametrize(("content", "column"), [("path\na.mp4\n", None), ("file\na.mp4\n", "speaker")])
def test_a_missing_column_is_an_error(tmp_path: Path, content: str, column: str | None) -> None:
    (tmp_path / "clips.csv").write_text(content)
    with pytest.raises(SourceError, match=column or "file"):
        list(listed(tmp_path / "clips.csv", identity_column=column))


def test_what_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(SourceError):
        listed(tmp_path / "none.csv")
    with pytest.raises(SourceError):
        in_folder(tmp_path / "none")


def test_folders_named_after_splits_are_taken_at_their_word(tmp_path: Path) -> None:
    touch(tmp_path / "val" / "ann" / "a.mp4")
    touch(tmp_path / "others" / "bob" / "b.mp4")
    splits = {source.identity: source.split for source in in_folder(tmp_path, Defaults(split=AUTO))}
    assert splits == {"ann": "val", "bob": split_of("bob")}


def test_an_identity_stays_in_its_split_whatever_is_added(tmp_path: Path) -> None:
    for number in range(40):
        touch(tmp_path / f"person{number}" / "a.mp4")
    before = {source.file: source.split for source in in_folder(tmp_path, Defaults(split=AUTO))}
    for number in range(0, 80, 2):
        touch(tmp_path / f"person{number}" / "b.mp4")
    after = list(in_folder(tmp_path, Defaults(split=AUTO)))
    assert before.items() <= {source.file: source.split for source in after}.items()
    assert len({(source.identity, source.split) for source in after}) == 60  # one split each


def test_splits_have_their_shares() -> None:
    counts = Counter(split_of(f"person {number}") for number in range(2000))
    assert counts["train"] == pytest.approx(1600, abs=60)
    assert counts["val"] == pytest.approx(200, abs=45)
    assert counts["test"] == pytest.approx(200, abs=45)


def test_rendered_heads_are_a_source_and_are_not_rendered_twice(tmp_path: Path) -> None:
    (tmp_path / "head_000003.mp4").write_bytes(b"rendered before")
    paths = render_heads(tmp_path, range(3, 4))
    assert paths[0].read_bytes() == b"rendered before"
    (source,) = heads(paths, Defaults())
    assert (source.identity, source.source, source.label) == ("head_000003", "rendered heads", "real")
