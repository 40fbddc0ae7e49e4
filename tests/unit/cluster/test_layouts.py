"""Public collections are found as their makers lay them out, and their tables say what was measured."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from outofsync_cluster.benchmark_tables import EVERYTHING, table
from outofsync_cluster.errors import ClusterError
from outofsync_cluster.layouts import GENUINE, LAYOUTS, Listed, listed


def put(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"")


def found(name: str, folder: Path) -> list[tuple[str, str, str]]:
    videos = listed(name, folder)
    return [(str(video.path.relative_to(folder)), video.kind, video.identity) for video in videos]


def test_fakeavceleb(tmp_path: Path) -> None:
    real, fake = "RealVideo-RealAudio/African/men/id1", "FakeVideo-FakeAudio/African/men/id1"
    put(tmp_path, f"{real}/1.mp4", f"{fake}/1_w.mp4")
    (tmp_path / "meta_data.csv").write_text(
        "source,target1,target2,method,category,type,race,gender,path,\n"
        f"id1,-,-,real,A,RealVideo-RealAudio,African,men,1.mp4,FakeAVCeleb/{real}\n"
        f"id1,-,-,wav2lip,D,FakeVideo-FakeAudio,African,men,1_w.mp4,FakeAVCeleb/{fake}\n"
        f"id1,-,-,wav2lip,D,FakeVideo-FakeAudio,African,men,absent.mp4,FakeAVCeleb/{fake}\n"
    )
    assert found("fakeavceleb", tmp_path) == [
        (f"{real}/1.mp4", GENUINE, "id1"),
        (f"{fake}/1_w.mp4", "FakeVideo-FakeAudio, wav2lip", "id1"),
    ]


def test_kodf(tmp_path: Path) -> None:
    names = (
        "original_videos/01/a.mp4",
        "synthesized_videos/fo/20200101/07/07_08_5_0001.mp4",
        "synthesized_videos/fo/b.mp4",
    )
    put(tmp_path, *names)
    assert found("kodf", tmp_path) == [
        (names[0], GENUINE, "01"),
        (names[1], "audio-driven", "07"),
        (names[2], "fo", "fo"),
    ]


@pytest.mark.parametrize("with_table", [False, True])
def test_av_deepfake1m(tmp_path: Path, with_table: bool) -> None:
    part = "id00012/abc/00001"
    put(tmp_path, f"val/{part}/real.mp4", f"val/{part}/real_video_fake_audio.mp4", "test/0001.mp4")
    kinds = [GENUINE, "real_video_fake_audio"]
    if with_table:
        entries = [
            {"file": f"{part}/real.mp4", "modify_type": "real"},
            {"file": f"{part}/real_video_fake_audio.mp4", "modify_type": "audio_modified"},
            {"file": f"{part}/absent.mp4", "modify_type": "both-modified"},
        ]
        (tmp_path / "val_metadata.json").write_text(json.dumps(entries))
        kinds[1] = "audio_modified"
    assert found("av-deepfake1m", tmp_path) == [
        (f"val/{part}/real.mp4", kinds[0], "id00012"),
        (f"val/{part}/real_video_fake_audio.mp4", kinds[1], "id00012"),
    ]


def test_dfdc(tmp_path: Path) -> None:
    put(tmp_path, "dfdc_train_part_0/a.mp4", "dfdc_train_part_0/b.mp4")
    facts = {"a.mp4": {"label": "REAL"}, "b.mp4": {"label": "FAKE", "original": "a.mp4"}, "c.mp4": {}}
    (tmp_path / "dfdc_train_part_0/metadata.json").write_text(json.dumps(facts))
    assert found("dfdc", tmp_path) == [
        ("dfdc_train_part_0/a.mp4", GENUINE, "a.mp4"),
        ("dfdc_train_part_0/b.mp4", "fake", "a.mp4"),
    ]


@pytest.mark.parametrize("name", sorted(LAYOUTS))
def test_a_folder_of_something_else_is_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(ClusterError, match=str(tmp_path)):
        listed(name, tmp_path)


def test_the_table_is_by_category_and_leaves_out_what_was_not_judged() -> None:
    videos = [
        *(Listed(Path(f"r{number}"), GENUINE, f"p{number}") for number in range(6)),
        *(Listed(Path(f"a{number}"), "a", f"p{number}") for number in range(6)),
        *(Listed(Path(f"b{number}"), "b", f"p{number}") for number in range(6)),
    ]
    values: dict[str, float | None] = {f"r{number}": 0.1 + 0.01 * number for number in range(6)}
    values |= {f"a{number}": 0.9 for number in range(6)}
    values |= {f"b{number}": 0.05 for number in range(5)} | {"b5": None}
    rows = {row.category: row for row in table(videos, values, resamples=50)}
    assert list(rows) == [EVERYTHING, "a", "b"]
    perfect, wrong = rows["a"], rows["b"]
    assert perfect.auc is not None
    assert wrong.auc is not None
    assert (perfect.auc.value, wrong.auc.value) == (1.0, 0.0)
    assert perfect.auc.interval == pytest.approx((1.0, 1.0))
    assert perfect.accuracy is not None
    assert perfect.accuracy.value == 1.0
    assert (perfect.unjudged, wrong.unjudged, wrong.videos) == (0, 1, 6)


def test_one_side_alone_measures_nothing() -> None:
    (row,) = table([Listed(Path("r"), GENUINE, "p")], {"r": 0.1}, resamples=5)
    assert (row.auc, row.average_precision, row.accuracy) == (None, None, None)
