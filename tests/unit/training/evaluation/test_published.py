"""Public collections are found where their makers put the files, and judged file by file."""

from __future__ import annotations

from pathlib import Path

import pytest
from media_factory import Media
from untrained import write_checkpoints

from training.evaluation.degradations import UNCHANGED, degrade, read_footage
from training.evaluation.judging import GENUINE, Product
from training.evaluation.published import collection_table, fakeavceleb, judge_video, kodf

SAMPLE = Path(__file__).parents[4] / "samples" / "synchronised.mp4"
HEADER = "source,target1,target2,method,category,type,race,gender,path,\n"
FAKE = "FakeVideo-FakeAudio"
LINES = [
    ("id1", "real", "RealVideo-RealAudio", "00001.mp4"),
    ("id2", "real", "RealVideo-RealAudio", "00002.mp4"),
    ("id1", "wav2lip", FAKE, "00001_id3_wavtolip.mp4"),
    ("id2", "fsgan", FAKE, "00002_id4.mp4"),
    ("id9", "real", "RealVideo-RealAudio", "absent.mp4"),
]


@pytest.fixture
def collection(tmp_path: Path) -> Path:
    table = HEADER
    short = degrade(read_footage(SAMPLE.read_bytes(), 0.6), UNCHANGED)
    for source, method, category, name in LINES:
        place = f"{category}/African/men/{source}"
        table += f"{source},-,-,{method},A,{category},African,men,{name},FakeAVCeleb/{place}\n"
        if name != "absent.mp4":
            (tmp_path / place).mkdir(parents=True, exist_ok=True)
            (tmp_path / place / name).write_bytes(short)
    (tmp_path / "meta_data.csv").write_text(table)
    return tmp_path


def test_the_layout_of_fakeavceleb(collection: Path) -> None:
    videos = fakeavceleb(collection)
    assert [video.kind for video in videos] == [GENUINE, GENUINE, f"{FAKE}, wav2lip", f"{FAKE}, fsgan"]
    assert [video.identity for video in videos] == ["id1", "id2", "id1", "id2"]
    assert videos[2].path == collection / FAKE / "African/men/id1/00001_id3_wavtolip.mp4"


def test_folders_that_are_no_collection_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no meta_data"):
        fakeavceleb(tmp_path)
    (tmp_path / "meta_data.csv").write_text(HEADER)
    with pytest.raises(ValueError, match="none of the files"):
        fakeavceleb(tmp_path)
    with pytest.raises(ValueError, match="called real"):
        kodf(tmp_path)


def test_the_layout_of_kodf(tmp_path: Path) -> None:
    for name in ("original_videos/01/a.mp4", "synthesized_videos/audio-driven/01/b.mp4"):
        (tmp_path / name).parent.mkdir(parents=True)
        (tmp_path / name).write_bytes(b"")
    real, fake = kodf(tmp_path)
    assert (real.kind, real.identity) == (GENUINE, "01")
    assert (fake.kind, fake.identity) == ("synthesised, audio-driven", "01")


@pytest.mark.slow
def test_a_collection_is_judged_as_a_whole_and_by_category(collection: Path, tmp_path: Path) -> None:
    product = Product(write_checkpoints(tmp_path))
    videos = fakeavceleb(collection)
    videos[1].path.write_bytes(Media(audio=None).to_bytes())
    judged = [judge_video(product, video) for video in (videos[0], videos[1], videos[2])]
    assert judged[1].reasons == ("no_audio",)
    rows = {row.name: row for row in collection_table(judged, 10)}
    assert list(rows) == [GENUINE, "every fake", FAKE, f"{FAKE}, wav2lip"]
    assert (rows[GENUINE].clips, rows[GENUINE].unjudged) == (2, 1)
    assert rows[FAKE].detection.auc.value in (0.0, 0.5, 1.0)
    assert rows[FAKE].by_score == rows[FAKE].detection  # nothing is calibrated here
