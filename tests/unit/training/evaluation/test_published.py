"""Public collections are judged file by file."""

from __future__ import annotations

from pathlib import Path

import pytest
from media_factory import Media
from untrained import write_checkpoints

from outofsync_cluster.layouts import listed
from training.evaluation.degradations import UNCHANGED, degrade, read_footage
from training.evaluation.judging import GENUINE, Product
from training.evaluation.published import collection_table, judge_video

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


@pytest.mark.slow
def test_a_collection_is_judged_as_a_whole_and_by_category(collection: Path, tmp_path: Path) -> None:
    product = Product(write_checkpoints(tmp_path))
    videos = listed("fakeavceleb", collection)
    videos[1].path.write_bytes(Media(audio=None).to_bytes())
    judged = [judge_video(product, video) for video in (videos[0], videos[1], videos[2])]
    assert judged[1].reasons == ("no_audio",)
    rows = {row.name: row for row in collection_table(judged, 10)}
    assert list(rows) == [GENUINE, "every fake", FAKE, f"{FAKE}, wav2lip"]
    assert (rows[GENUINE].clips, rows[GENUINE].unjudged) == (2, 1)
    assert rows[FAKE].detection.auc.value in (0.0, 0.5, 1.0)
    assert rows[FAKE].by_score == rows[FAKE].detection  # nothing is calibrated here
