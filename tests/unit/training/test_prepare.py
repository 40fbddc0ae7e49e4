"""Preparation writes clips and ledgers, says what it skips, and goes on where it stopped."""

from __future__ import annotations

from pathlib import Path

import pytest
from media_factory import Media

from training.clips import load_faces, prepared
from training.prepare import Preparation, in_folder, listed, read_ledger

SAMPLE = Path(__file__).parents[3] / "samples" / "synchronised.mp4"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    videos = tmp_path / "videos" / "someone"
    videos.mkdir(parents=True)
    (videos / "talking.mp4").write_bytes(SAMPLE.read_bytes())
    (videos / "mute.mp4").write_bytes(Media(audio=None).to_bytes())
    (videos / "landscape.mp4").write_bytes(Media().to_bytes())
    (videos / "notes.txt").write_text("no video")
    return tmp_path


def test_videos_become_clips_or_are_listed_as_skipped(folder: Path) -> None:
    output = folder / "clips"
    assert Preparation(output).run(in_folder(folder / "videos", "train")) == (1, 2)
    (entry,) = read_ledger(output / "manifest.jsonl")
    assert (entry["identity"], entry["split"], entry["frames"]) == ("someone", "train", 175)
    skipped = {line["file"]: line["code"] for line in read_ledger(output / "skipped.jsonl")}
    assert skipped == {"someone/mute.mp4": "no_audio", "someone/landscape.mp4": "no_face"}
    (face,) = load_faces(prepared(output, split="train"))
    assert (face.pictures.shape, face.audio.size) == ((175, 80, 80), 175 * 640)
    assert Preparation(output).run(in_folder(folder / "videos", "train")) == (0, 0)


def test_a_table_names_videos(tmp_path: Path) -> None:
    (tmp_path / "clips.csv").write_text(
        "file,split,label,generator,identity,source\nval/a.mp4,val,fake,Wav2Lip,id1,TED\n"
    )
    (source,) = listed(tmp_path / "clips.csv")
    assert (source.path, source.split, source.generator) == (tmp_path / "val/a.mp4", "val", "Wav2Lip")
