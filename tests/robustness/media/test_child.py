"""The child process: what it may do, how it may die, and that nothing of it stays behind."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import psutil
import pytest
from decoders import decoders
from media_factory import Media

from outofsync.errors import ErrorCode, OutOfSyncError, Stage
from outofsync.limits import MIB, Limits
from outofsync.media import Decoder, decoding_cpu_s, probe, process
from outofsync.media.encode import encode_video

# Children that a file has got the better of. They end by themselves, so that a parent that waits for them
# without limit is found out by what it says and not by a test that hangs.
NEVER_LISTENS = "time.sleep(20)"
CLOSES_AND_SLEEPS = "os.close(1); time.sleep(20)"

LONG = Media(frames=400, width=640, height=480)  # more than the ring holds, so that the child must wait


def children() -> list[int]:
    """Process ids of this process's decoders, zombies included."""
    return sorted(one.pid for one in decoders(psutil.Process()))


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
    boot: Callable[[str], None],
) -> None:
    boot("from outofsync.media.child import main")  # as if the packages were being replaced
    with pytest.raises(OutOfSyncError) as caught:
        probe(Media(frames=10).to_bytes(), Limits())
    assert caught.value.code is ErrorCode.INTERNAL
    assert "could not be started" in caught.value.message


def test_no_memory_at_all_is_still_an_answer() -> None:
    with pytest.raises(OutOfSyncError) as caught:
        probe(Media(frames=10).to_bytes(), Limits(decode_memory_bytes=16 * MIB))
    assert caught.value.code is ErrorCode.CORRUPT_MEDIA


BREAKS = """import sys
sys.path.extend(sys.argv[1:])
from outofsync.media import child
from outofsync.media.fork_loop import serve
def broken(*_):
    raise KeyError("a title in the file")
child.Source.open = broken
serve(child.main)"""


def test_what_a_decoder_does_not_understand_is_in_the_log_and_not_in_the_answer(
    boot: Callable[[str], None], caplog: pytest.LogCaptureFixture
) -> None:
    """Where it was raised, on one line; not the exception's words, which may quote the file."""
    boot(BREAKS)
    with pytest.raises(OutOfSyncError) as caught:
        probe(Media(frames=10).to_bytes(), Limits())
    assert caught.value.code is ErrorCode.CORRUPT_MEDIA
    assert "KeyError" not in caught.value.message
    (line,) = [record.getMessage() for record in caplog.records if record.name == process.__name__]
    assert line.startswith("a decoder did not understand its file: KeyError at child.py:")
    assert line.endswith(" broken")
    assert "title" not in line


def test_a_decoder_forges_no_line_of_the_log(
    children_that: Callable[[str], None], caplog: pytest.LogCaptureFixture
) -> None:
    error = OutOfSyncError(ErrorCode.CORRUPT_MEDIA, "damaged", stage=Stage.DECODE).to_dict()
    said = json.dumps({"error": error, "trace": "x" * 5000 + "\nOUTOFSYNC {}"}).encode() + b"\n"
    children_that(f"os.write(1, {said!r}); time.sleep(90)")
    with pytest.raises(OutOfSyncError, match="damaged"):
        probe(Media(frames=10).to_bytes(), Limits())
    (line,) = [record.getMessage() for record in caplog.records if record.name == process.__name__]
    assert "\n" not in line
    assert line.endswith("x OUTOFSYNC {}")
    assert len(line) < 2100


def test_waiting_longer_than_allowed() -> None:
    with pytest.raises(OutOfSyncError) as caught:
        probe(Media(frames=10).to_bytes(), Limits(decode_wall_s=0.001))
    assert caught.value.code is ErrorCode.DECODE_TIMEOUT


def test_a_child_that_falls_silent_and_lives_on_is_killed_when_the_budget_ends(
    children_that: Callable[[str], None],
) -> None:
    children_that(CLOSES_AND_SLEEPS)
    before = children()
    with pytest.raises(OutOfSyncError) as caught:
        probe(Media(frames=10).to_bytes(), Limits(decode_wall_s=1))
    assert caught.value.code is ErrorCode.DECODE_TIMEOUT
    assert children() == before


def test_an_encoder_that_stops_listening_is_waited_for_as_long_as_one_that_stops_speaking(
    children_that: Callable[[str], None],
) -> None:
    children_that(NEVER_LISTENS)
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


def test_a_child_that_died_of_its_file_leaves_no_layout_to_guess_from() -> None:
    """The next child is forked from another process; those that were at work meanwhile go on."""
    before = set(children())
    with Decoder(LONG.to_bytes(), Limits()) as other:
        (at_work,) = set(children()) - before
        first = server_of(at_work)
        with Decoder(LONG.to_bytes(), Limits()) as decoder:
            (dying,) = set(children()) - {*before, at_work}
            os.kill(dying, signal.SIGKILL)
            with pytest.raises(OutOfSyncError):
                list(decoder.frames())
        probe(LONG.to_bytes(), Limits())
        assert psutil.pid_exists(first)
        assert sum(len(batch) for batch in other.frames()) == LONG.frames
    before = set(children())
    with Decoder(LONG.to_bytes(), Limits()):
        (child,) = set(children()) - before
        assert server_of(child) != first


def server_of(child: int) -> int:
    return psutil.Process(child).ppid()


def test_whoever_kills_the_process_that_forks_costs_nobody_a_file() -> None:
    data = LONG.to_bytes()
    with Decoder(data, Limits()) as decoder:
        psutil.Process(server_of(children()[0])).kill()
        assert sum(len(batch) for batch in decoder.frames()) == LONG.frames
    assert probe(data, Limits()).width == LONG.width


def test_a_fork_of_the_parent_starts_children_of_its_own() -> None:
    probe(LONG.to_bytes(), Limits())
    before = [one.pid for one in psutil.Process().children()]
    fork = os.fork()
    if not fork:
        with suppress(OutOfSyncError):
            probe(LONG.to_bytes(), Limits())
            process.fork_server.close()
            os._exit(0)
        os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(fork, 0)[1]) == 0
    assert probe(LONG.to_bytes(), Limits()).width == LONG.width
    assert [one.pid for one in psutil.Process().children()] == before


def test_what_children_cost_is_known() -> None:
    before = decoding_cpu_s()
    with Decoder(LONG.to_bytes(), Limits()) as decoder:
        list(decoder.frames())
    assert decoding_cpu_s() > before


def test_children_end_with_their_parent(tmp_path: Path) -> None:
    """Even one that has nothing to say, and so would never notice."""
    (file := tmp_path / "long.mp4").write_bytes(LONG.to_bytes())
    program = f"""
import os, time
from pathlib import Path
from outofsync.limits import Limits
from outofsync.media import Decoder
decoder = Decoder(Path({str(file)!r}).read_bytes(), Limits())
print("decoding", flush=True)
time.sleep(600)
"""
    path = os.pathsep.join(sys.path)
    parent = subprocess.Popen(
        [sys.executable, "-c", program], stdout=subprocess.PIPE, env=os.environ | {"PYTHONPATH": path}
    )
    with parent:
        assert parent.stdout
        assert parent.stdout.readline() == b"decoding\n"
        family = psutil.Process(parent.pid).children(recursive=True)
        parent.kill()
    assert len(family) == 2
    assert psutil.wait_procs(family, timeout=60)[1] == []


LIES = {
    "more frames than a slot holds": '{"frames": 9999}',
    "no frames": '{"frames": 0}',
    "frames that are no number": '{"frames": "1"}',
    "missing frames without end": '{"missing": 1000000000000}',
    "no missing frames": '{"missing": 0}',
    "sound without end": '{"bytes": 1000000000000, "damaged": 0}',
    "less than no sound": '{"bytes": -4, "damaged": 0}',
    "a number that JSON lacks": '{"missing": NaN}',
    "no message": "[]",
    "an error that is none": '{"error": {"code": "too_short", "message": {}, "stage": "decode"}}',
    "an error of no code": '{"error": "all is well"}',
    "brackets": "[" * 30_000,
}


@pytest.fixture(scope="module")
def header() -> dict[str, object]:
    """What a decoder says first, of a small video."""
    with Decoder(Media(frames=10).to_bytes(), Limits()) as decoder:
        return {"info": decoder.info.to_dict(), "shape": [120, 160], "turns": 0, "mirrored": False}


@pytest.mark.parametrize("name", LIES)
def test_a_child_that_was_taken_over_is_not_believed(
    children_that: Callable[[str], None], header: dict[str, object], name: str
) -> None:
    words = f"{json.dumps(header)}\n{LIES[name]}\n".encode()
    children_that(f"os.write(1, {words!r}); time.sleep(90)")
    with (
        pytest.raises(OutOfSyncError) as caught,
        Decoder(Media(frames=10).to_bytes(), Limits(decode_wall_s=60)) as decoder,
    ):
        for _ in decoder.frames():
            pass
    assert caught.value.code is ErrorCode.CORRUPT_MEDIA
    assert "stopped making sense" in caught.value.message


@pytest.mark.parametrize(
    "lie",
    [
        {"shape": [1 << 40, 1]},
        {"shape": [0, 160]},
        {"shape": [120]},
        {"turns": 4},
        {"info": {}},
        {"info": None},
    ],
)
def test_nor_of_what_it_says_of_the_file(
    children_that: Callable[[str], None], header: dict[str, object], lie: dict[str, object]
) -> None:
    words = f"{json.dumps(header | lie)}\n".encode()
    children_that(f"os.write(1, {words!r}); time.sleep(90)")
    with pytest.raises(OutOfSyncError, match="stopped making sense"):
        probe(Media(frames=10).to_bytes(), Limits(decode_wall_s=60))


def test_nor_of_a_fact_of_another_kind(
    children_that: Callable[[str], None], header: dict[str, dict[str, object]]
) -> None:
    words = f"{json.dumps(header | {'info': header['info'] | {'width': '<b>'}})}\n".encode()
    children_that(f"os.write(1, {words!r}); time.sleep(90)")
    with pytest.raises(OutOfSyncError, match="stopped making sense"):
        probe(Media(frames=10).to_bytes(), Limits(decode_wall_s=60))
