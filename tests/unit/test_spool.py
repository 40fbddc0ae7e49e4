"""Clips in files: read until they are answered, by whoever knows their names and nobody else."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import numpy as np
import pytest

from outofsync.clip import Clip, Track, is_clip
from outofsync.errors import ErrorCode, OutOfSyncError
from outofsync.frames import JpegFrames, RawFrames
from outofsync.spool import KEPT_S, TAKEN_KEPT_S, Spool, SpoolFile

MOST = 1_000_000


@pytest.fixture
def spool(tmp_path: Path) -> Spool:
    return Spool(tmp_path / "clips", MOST)


def pictures(count: int) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    ramp = np.add.outer(np.arange(224), np.arange(224)) // 2
    return np.stack(
        [np.repeat(((ramp + 9 * n) % 256)[..., None], 3, 2).astype(np.uint8) for n in range(count)]
    )


def spooled(spool: Spool) -> tuple[bytes, Clip]:
    """A clip with one coded and one raw track: where it lies, and the same clip in memory."""
    boxes = np.arange(16, dtype=np.float32).reshape(4, 4)
    sharpness = np.linspace(0, 1, 4).astype(np.float32)
    with spool.create() as file:
        coded, kept = JpegFrames(store=file), JpegFrames()
        for frame in pictures(4):
            coded.append(frame)
            kept.append(frame)
        for store in (coded, kept):
            store.replace(1, pictures(9)[8])
        raw = Track(1, 2, RawFrames(pictures(4)), boxes)
        audio = np.arange(2560, dtype=np.int16)
        in_memory = Clip([Track(0, 7, kept, boxes, sharpness), raw], audio, digest="abc", request_id="r")
        clip = Clip([Track(0, 7, coded, boxes, sharpness), raw], audio, digest="abc", request_id="r")
        where = clip.to_spool(file)
        file.hand_over()
        return where, in_memory


def test_a_spooled_clip_is_the_clip(spool: Spool) -> None:
    where, expected = spooled(spool)
    assert len(where) < 100
    assert is_clip(where)
    clip = Clip.from_bytes(where, spool)
    assert clip.to_bytes() == expected.to_bytes()
    clip.close()


def test_a_clip_that_was_answered_is_not_there_any_more(spool: Spool, tmp_path: Path) -> None:
    where, _ = spooled(spool)
    clip = Clip.from_bytes(where, spool)
    clip.discard()
    assert list((tmp_path / "clips").iterdir()) == []
    with pytest.raises(OutOfSyncError, match="lost") as raised:
        Clip.from_bytes(where, spool)
    assert raised.value.code is ErrorCode.INTERNAL
    clip.close()


def killed_while_reading(where: bytes, folder: Path) -> None:
    if (child := os.fork()) == 0:
        Clip.from_bytes(where, Spool(folder, MOST))
        os.kill(os.getpid(), signal.SIGKILL)
    os.waitpid(child, 0)


def test_a_clip_whose_reader_was_killed_is_read_by_another(spool: Spool, tmp_path: Path) -> None:
    where, expected = spooled(spool)
    killed_while_reading(where, tmp_path / "clips")
    clip = Clip.from_bytes(where, spool)
    assert clip.to_bytes() == expected.to_bytes()
    clip.close()


def test_a_clip_whose_reader_was_killed_goes_when_nobody_else_comes(spool: Spool, tmp_path: Path) -> None:
    where, _ = spooled(spool)
    killed_while_reading(where, tmp_path / "clips")
    (left,) = (tmp_path / "clips").iterdir()
    spool.create().discard()
    assert left.exists()
    os.utime(left, (0, time.time() - TAKEN_KEPT_S - 1))
    spool.create().discard()
    assert not left.exists()


def test_a_clip_that_is_read_for_long_stays(spool: Spool, tmp_path: Path) -> None:
    where, expected = spooled(spool)
    clip = Clip.from_bytes(where, spool)
    (path,) = (tmp_path / "clips").iterdir()
    os.utime(path, (0, time.time() - KEPT_S - 1))
    spool.create().discard()
    assert path.exists(), "it has a reader"
    assert clip.to_bytes() == expected.to_bytes()
    clip.close()


def test_without_a_spool_no_name_is_followed(spool: Spool) -> None:
    where, _ = spooled(spool)
    with pytest.raises(OutOfSyncError) as raised:
        Clip.from_bytes(where)
    assert raised.value.code is ErrorCode.CORRUPT_MEDIA


@pytest.mark.parametrize(
    "hostile",
    [
        b'{"spooled": ["../secret", 0, 9]}',
        b'{"spooled": ["/etc/passwd", 0, 9]}',
        b'{"spooled": [7, 0, 9]}',
        b'{"spooled": []}',
        b'{"spooled": {"a": 1}}',
        b'{"spooled": ',
    ],
)
def test_a_made_up_name_is_no_clip(spool: Spool, tmp_path: Path, hostile: bytes) -> None:
    (tmp_path / "secret").write_bytes(b"123456789")
    with pytest.raises(OutOfSyncError) as raised:
        Clip.from_bytes(hostile, spool)
    assert raised.value.code is ErrorCode.CORRUPT_MEDIA
    assert (tmp_path / "secret").exists()


@pytest.mark.parametrize(("start", "size"), [(0, 10**9), (-5, 5), (10**9, 5)])
def test_a_place_outside_the_file_is_no_clip(spool: Spool, start: int, size: int) -> None:
    with spool.create() as file:
        file.append(b"some bytes")
        file.hand_over()
        where = b'{"spooled": ["%s", %d, %d]}' % (file.name.encode(), start, size)
    with pytest.raises(OutOfSyncError) as raised:
        Clip.from_bytes(where, spool)
    assert raised.value.code is ErrorCode.CORRUPT_MEDIA


def test_a_clip_takes_no_more_room_than_allowed(spool: Spool) -> None:
    with spool.create() as file:
        file.append(bytes(MOST))
        with pytest.raises(OutOfSyncError) as raised:
            file.append(b"x")
    assert raised.value.code is ErrorCode.TOO_LONG


def test_a_full_disk_is_said() -> None:
    full = Path("/dev/full")  # every write to it finds no room
    with SpoolFile(full, os.open(full, os.O_RDWR), MOST) as file, pytest.raises(OutOfSyncError) as raised:
        file.append(b"x")
    assert raised.value.code is ErrorCode.BUSY
    assert "No space left" in raised.value.message


def test_files_that_nobody_took_are_swept_away(spool: Spool, tmp_path: Path) -> None:
    spooled(spool)
    (left,) = (tmp_path / "clips").iterdir()
    os.utime(left, (0, time.time() - KEPT_S - 1))
    with spool.create() as file:
        assert [path.stem for path in (tmp_path / "clips").iterdir()] == [file.name]


def killed_while_writing(folder: Path) -> None:
    """A process that dies with one file handed over and another unfinished."""
    if (child := os.fork()) == 0:
        spool = Spool(folder, MOST)
        spool.create().hand_over()
        spool.create().append(b"half a clip")
        os.kill(os.getpid(), signal.SIGKILL)
    os.waitpid(child, 0)


def test_what_a_killed_writer_left_unfinished_goes_as_the_next_worker_starts(tmp_path: Path) -> None:
    killed_while_writing(tmp_path / "clips")
    assert len(list((tmp_path / "clips").iterdir())) == 2
    spool = Spool(tmp_path / "clips", MOST)
    (left,) = (tmp_path / "clips").iterdir()
    with spool.take(left.name):
        pass  # what was handed over has a reader, whatever became of its writer


def test_what_others_are_writing_stays(spool: Spool, tmp_path: Path) -> None:
    with spool.create() as first, spool.create() as second:
        assert {path.stem for path in (tmp_path / "clips").iterdir()} == {first.name, second.name}


def test_a_file_is_not_found_before_it_is_handed_over(spool: Spool) -> None:
    with spool.create() as file:
        with pytest.raises(OutOfSyncError, match="lost"):
            spool.take(file.name)
        file.hand_over()
        spool.take(file.name).close()


def test_the_folder_and_its_files_are_private(spool: Spool, tmp_path: Path) -> None:
    with spool.create():
        (path,) = (tmp_path / "clips").iterdir()
        assert path.stat().st_mode & 0o777 == 0o600
    assert (tmp_path / "clips").stat().st_mode & 0o777 == 0o700
