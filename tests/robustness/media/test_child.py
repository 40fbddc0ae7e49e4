"""The child process: what it may do, how it may die, and that nothing of it stays behind."""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from media_factory import Media

from outofsync.errors import ErrorCode, OutOfSyncError, Stage
from outofsync.limits import MIB, Limits
from outofsync.media import Decoder, probe, process
from outofsync.media.encode import encode_video

# Children that a file has got the better of. They end by themselves, so that a parent that waits for them
# without limit is found out by what it says and not by a test that hangs.
CLOSES_AND_SLEEPS = """import os, time
os.write(1, b'{"started": true}\\n')
os.close(1)
time.sleep(20)"""
NEVER_LISTENS = CLOSES_AND_SLEEPS.replace("os.close(1)", "")

LONG = Media(frames=400, width=640, height=480)  # more than the ring holds, so that the child must wait


def children() -> list[int]:
    """Process ids of this process's children, zombies included."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                status = (entry / "stat").read_text()
            except OSError:  # gone meanwhile
                continue
            if int(status.rpartition(")")[2].split()[1]) == os.getpid():
                found.append(int(entry.name))
    return found


def descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def threads() -> int:
    return len(list(Path("/proc/self/task").iterdir()))


def test_a_child_killed_midway_is_an_error_of_the_file() -> None:
    before = set(children())
    with Decoder(LONG.to_bytes(), Limits()) as decoder:
        frames = decoder.frames()
        next(frames)
        (child,) = set(children()) - before
        os.kill(child, signal.SIGKILL)
        with pytest.raises(OutOfSyncError) as caught:
            list(frames)
    assert caught.value.code is ErrorCode.CORRUPT_MEDIA
    assert "SIGKILL" in caught.value.message
    assert set(children()) == before


def test_a_child_has_no_secrets_and_bounded_means(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET_TOKEN", "swordfish")
    before = set(children())
    limits = Limits(decode_memory_bytes=1024 * MIB)
    with Decoder(LONG.to_bytes(), limits) as decoder:
        next(decoder.frames())
        (child,) = set(children()) - before
        environment = Path(f"/proc/{child}/environ").read_bytes()
        bounds = Path(f"/proc/{child}/limits").read_text()
        opened = list(Path(f"/proc/{child}/fd").iterdir())
    assert b"SECRET_TOKEN" not in environment
    allowed = {line[:25].strip(): line[25:].split()[0] for line in bounds.splitlines()}
    assert allowed["Max address space"] == str(limits.decode_memory_bytes)
    assert allowed["Max file size"] == "0"
    assert allowed["Max core file size"] == "0"
    assert allowed["Max open files"] == str(len(opened))


def test_more_memory_than_allowed_is_said_so() -> None:
    data = Media(width=4096, height=4096, frames=12).to_bytes()
    with (
        pytest.raises(OutOfSyncError) as caught,
        Decoder(data, Limits(decode_memory_bytes=448 * MIB)) as decoder,
    ):
        list(decoder.frames())
    assert caught.value.code is ErrorCode.CORRUPT_MEDIA
    assert "memory" in caught.value.message


def test_a_child_that_cannot_start_is_no_fault_of_the_file(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(process, "ENGINE", str(tmp_path))  # as if the packages were being replaced
    monkeypatch.setattr(sys, "path", [])
    with pytest.raises(OutOfSyncError) as caught:
        probe(Media(frames=10).to_bytes(), Limits())
    assert caught.value.code is ErrorCode.INTERNAL
    assert "could not be started" in caught.value.message


def test_no_memory_at_all_is_still_an_answer() -> None:
    with pytest.raises(OutOfSyncError) as caught:
        probe(Media(frames=10).to_bytes(), Limits(decode_memory_bytes=16 * MIB))
    assert caught.value.code is ErrorCode.CORRUPT_MEDIA


def test_waiting_longer_than_allowed() -> None:
    with pytest.raises(OutOfSyncError) as caught:
        probe(Media(frames=10).to_bytes(), Limits(decode_wall_s=0.001))
    assert caught.value.code is ErrorCode.DECODE_TIMEOUT


def test_a_child_that_falls_silent_and_lives_on_is_killed_when_the_budget_ends(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(process, "BOOT", CLOSES_AND_SLEEPS)
    before = children()
    with pytest.raises(OutOfSyncError) as caught:
        probe(Media(frames=10).to_bytes(), Limits(decode_wall_s=1))
    assert caught.value.code is ErrorCode.DECODE_TIMEOUT
    assert children() == before


def test_an_encoder_that_stops_listening_is_waited_for_as_long_as_one_that_stops_speaking(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(process, "BOOT", NEVER_LISTENS)
    before = children()
    pictures = np.zeros((25, 480, 640, 3), np.uint8)  # more than a socket holds
    with pytest.raises(OutOfSyncError) as caught:
        encode_video(Media(frames=10).to_bytes(), [pictures], Limits(decode_wall_s=1))
    assert (caught.value.code, caught.value.stage) == (ErrorCode.DECODE_TIMEOUT, Stage.ENCODE)
    assert children() == before


def test_a_slow_reader_is_not_the_files_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only waiting for the child counts: a reader busy for longer than the limit loses nothing."""
    busy_s = 0.0
    monkeypatch.setattr(process, "time", SimpleNamespace(monotonic=lambda: time.monotonic() + busy_s))
    read = 0
    with Decoder(LONG.to_bytes(), Limits(decode_wall_s=100)) as decoder:
        for batch in decoder.frames():
            read += len(batch)
            busy_s += 90
    assert read == LONG.frames


def test_pictures_far_too_large() -> None:
    data = Media(width=8192, height=8192, frames=1).to_bytes()
    with pytest.raises(OutOfSyncError) as caught:
        probe(data, Limits())
    assert caught.value.code is ErrorCode.TOO_MANY_PIXELS


def test_nothing_is_left_behind() -> None:
    """Failures of every kind, and readers that walk away, thirty times."""
    good = LONG.to_bytes()
    bad = [b"", b"text", good[: len(good) // 3], Media(audio=None, frames=10).to_bytes()]
    probe(good, Limits())
    before = descriptors(), threads(), children()
    for attempt in range(30):
        if attempt % 5 == 4:
            with Decoder(good, Limits()) as decoder:
                next(decoder.frames())
            continue
        with pytest.raises(OutOfSyncError), Decoder(bad[attempt % 5], Limits()) as decoder:
            list(decoder.frames())
    assert (descriptors(), threads(), children()) == before
