"""Preparation writes clips and ledgers, says what it skips, and goes on where it stopped."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from media_factory import Media

from outofsync.clip import Clip, Track
from outofsync.frames import RawFrames
from training.clips import load_faces, prepared
from training.preparation.cutting import Cut, Unusable, cut_of
from training.preparation.ledger import append, read_ledger
from training.preparation.run import BusyError, Preparation, alone, manifest_of, skipped_of
from training.preparation.shards import ShardWriter, read_payload, stored
from training.preparation.sources import Source, in_folder
from training.preparation.summary import summary
from training.preparation.workers import processes

ROOT = Path(__file__).parents[3]
SAMPLE = ROOT / "samples" / "synchronised.mp4"
KILLED_AT_THE_THIRD = """
import os, signal, sys
from pathlib import Path
from test_prepare import store
from training.preparation.run import Preparation
from training.preparation.sources import in_folder

def sources():
    for number, source in enumerate(in_folder(Path(sys.argv[1]))):
        if number == 3:
            os.kill(os.getpid(), signal.SIGKILL)
        yield source

Preparation(Path(sys.argv[2]), cut=store).run(sources())
"""


def store(path: Path) -> Cut | Unusable:
    """Stands in for the detector: a clip is the file's own bytes, and a file without a face says so."""
    content = path.read_bytes()
    return Unusable("no_face", "no face") if content == b"landscape" else Cut(content, {"frames": 25})


@pytest.fixture
def videos(tmp_path: Path) -> Path:
    folder = tmp_path / "videos"
    for person in range(3):
        (folder / f"person{person}").mkdir(parents=True)
        for number in range(2):
            (folder / f"person{person}" / f"{number}.mp4").write_bytes(f"{person} {number}".encode())
    return folder


def contents(output: Path) -> Counter[bytes]:
    return Counter(read_payload(output / entry["clip"], entry) for entry in read_ledger(manifest_of(output)))


def everything(videos: Path) -> Counter[bytes]:
    return Counter(path.read_bytes() for path in videos.rglob("*.mp4"))


@pytest.mark.slow
def test_videos_become_clips_or_are_listed_as_skipped(tmp_path: Path) -> None:
    folder, output = tmp_path / "videos" / "someone", tmp_path / "clips"
    folder.mkdir(parents=True)
    (folder / "talking.mp4").write_bytes(SAMPLE.read_bytes())
    (folder / "mute.mp4").write_bytes(Media(audio=None).to_bytes())
    (folder / "landscape.mp4").write_bytes(Media().to_bytes())
    (folder / "notes.txt").write_text("no video")
    assert Preparation(output).run(in_folder(folder.parent)) == (1, 2)
    (entry,) = read_ledger(manifest_of(output))
    assert (entry["identity"], entry["split"], entry["frames"]) == ("someone", "train", 175)
    assert (entry["seconds"], len(entry["sha256"])) == (7.0, 64)
    skipped = {line["file"]: line["code"] for line in read_ledger(skipped_of(output))}
    assert skipped == {"someone/mute.mp4": "no_audio", "someone/landscape.mp4": "no_face"}
    (face,) = load_faces(prepared(output, split="train"))
    assert (face.pictures.shape, face.audio.size) == ((175, 80, 80), 175 * 640)
    assert Preparation(output).run(in_folder(folder.parent)) == (0, 0)


def test_a_face_without_a_sound_is_of_no_use() -> None:
    track = Track(0, 0, RawFrames(np.zeros((9, 224, 224, 3), np.uint8)), np.zeros((9, 4), np.float32))
    outcome = cut_of(Clip([track], np.zeros(9 * 640, np.int16)))
    assert isinstance(outcome, Unusable)
    assert outcome.code == "silent"


def test_a_folder_prepared_before_there_were_shards_is_read_and_continued(
    videos: Path, tmp_path: Path
) -> None:
    clip = Clip(
        [Track(0, 1, RawFrames(np.zeros((9, 224, 224, 3), np.uint8)), np.zeros((9, 4), np.float32))],
        np.arange(640 * 10, dtype=np.int16),
    )
    output = tmp_path / "clips"
    output.mkdir()
    (output / "0123456789abcdef.clip").write_bytes(clip.to_bytes())
    facts = {"split": "train", "label": "real", "generator": "", "identity": "", "source": ""}
    old = facts | {"file": "person0/0.mp4", "clip": "0123456789abcdef.clip", "frames": 9, "face_px": 80.0}
    append(manifest_of(output), old)
    assert Preparation(output, cut=store).run(in_folder(videos)) == (5, 0)
    frames, audio = prepared(output, split="train")[0].read()
    assert (len(frames), audio[0]) == (9, 640)


@pytest.mark.slow
def test_a_killed_run_goes_on_without_loss(videos: Path, tmp_path: Path) -> None:
    output = tmp_path / "clips"
    paths = os.pathsep.join(map(str, [ROOT, ROOT / "handlers", ROOT / "tests", Path(__file__).parent]))
    command = [sys.executable, "-c", KILLED_AT_THE_THIRD, str(videos), str(output)]
    done = subprocess.run(command, env=os.environ | {"PYTHONPATH": paths}, check=False)
    assert done.returncode == -signal.SIGKILL
    assert len(read_ledger(manifest_of(output))) == 3
    assert Preparation(output, cut=store).run(in_folder(videos)) == (3, 0)
    assert contents(output) == everything(videos)


def test_halves_that_a_crash_left_behind_do_no_harm(videos: Path, tmp_path: Path) -> None:
    output = tmp_path / "clips"
    Preparation(output, cut=store).run(list(in_folder(videos))[:2])
    with (output / "shard-00000.clips").open("ab") as shard:
        shard.write(b"half a cl")
    with manifest_of(output).open("ab") as manifest:
        manifest.write(b'{"file": "person1/0.mp4", "cl')
    assert Preparation(output, cut=store).run(in_folder(videos)) == (4, 0)
    assert contents(output) == everything(videos)


def test_a_clip_that_got_lost_is_made_again(videos: Path, tmp_path: Path) -> None:
    output = tmp_path / "clips"
    Preparation(output, cut=store).run(in_folder(videos))
    shard = output / "shard-00000.clips"
    os.truncate(shard, shard.stat().st_size - 1)
    assert Preparation(output, cut=store).run(in_folder(videos)) == (1, 0)
    assert contents(output) == everything(videos)


@pytest.mark.slow
def test_several_processes_write_what_one_would(videos: Path, tmp_path: Path) -> None:
    output = tmp_path / "clips"
    (videos / "person0" / "view.mp4").write_bytes(b"landscape")
    assert Preparation(output, over=processes(2), cut=store).run(in_folder(videos)) == (6, 1)
    assert contents(output) + Counter([b"landscape"]) == everything(videos)


def test_the_same_content_is_used_once_and_listed(videos: Path, tmp_path: Path) -> None:
    output = tmp_path / "clips"
    (videos / "person2" / "again.mp4").write_bytes((videos / "person0" / "0.mp4").read_bytes())
    assert Preparation(output, cut=store).run(in_folder(videos)) == (6, 1)
    (entry,) = read_ledger(skipped_of(output))
    assert (entry["file"], entry["code"]) == ("person2/again.mp4", "duplicate")
    assert "person0/0.mp4" in entry["message"]


def test_videos_that_were_moved_are_known_again(videos: Path, tmp_path: Path) -> None:
    output = tmp_path / "clips"
    Preparation(output, cut=store).run(in_folder(videos))
    elsewhere = videos.rename(tmp_path / "elsewhere")
    assert Preparation(output, cut=store).run(in_folder(elsewhere)) == (0, 0)
    assert read_ledger(skipped_of(output)) == []


def test_a_missing_video_is_listed_and_can_be_tried_again(tmp_path: Path) -> None:
    output, source = tmp_path / "clips", Source(tmp_path / "late.mp4", "tmp/late.mp4", "train")
    assert Preparation(output, cut=store).run([source]) == (0, 1)
    source.path.write_bytes(b"here at last")
    assert Preparation(output, cut=store).run([source]) == (0, 0)
    assert Preparation(output, cut=store).run([source], retry=["unreadable"]) == (1, 0)
    assert read_ledger(skipped_of(output)) == []


def test_two_runs_do_not_write_into_one_folder(videos: Path, tmp_path: Path) -> None:
    with alone(tmp_path), pytest.raises(BusyError):
        Preparation(tmp_path, cut=store).run(in_folder(videos))


def test_shards_are_filled_one_after_another(tmp_path: Path) -> None:
    payloads = [bytes([number]) * 10 for number in range(5)]
    entries = [ShardWriter(tmp_path, max_bytes=15).append(payload) for payload in payloads]
    assert [entry["clip"] for entry in entries] == [f"shard-{number:05d}.clips" for number in (0, 0, 1, 1, 2)]
    assert [read_payload(tmp_path / entry["clip"], entry) for entry in entries] == payloads
    assert stored(entries, tmp_path) == entries


def test_the_summary_counts_and_warns(videos: Path, tmp_path: Path) -> None:
    output = tmp_path / "clips"
    (videos / "person0" / "view.mp4").write_bytes(b"landscape")
    sources = list(in_folder(videos))
    test = Source(sources[-1].path, sources[-1].file, "test", identity="person0")
    Preparation(output, cut=store).run([*sources[:-1], test])
    text = summary(output)
    assert "train    real                     5      0.1          3" in text
    assert "skipped: 1 no_face" in text
    assert "1 identities are in more than one split" in text
    assert "nothing in val" in text
