"""A decoder's process is made to try what a stranger's code would: it gets nowhere, whatever it tries."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
import trying_child
from media_factory import Media

from outofsync.confinement import landlock, missing
from outofsync.errors import DecoderDiedError, DecoderEnd, ErrorCode
from outofsync.limits import Limits
from outofsync.media import Decoder
from outofsync.media.fork_server import ENGINE

pytestmark = pytest.mark.skipif(bool(missing()), reason=f"this machine lacks {missing()}")

REFUSED = -signal.SIGSYS
NOT_PERMITTED, NO_ACCESS, TOO_MANY = "errno 1", "errno 13", "errno 24"
NOBODY = 65_534

STILL_DONE = {
    "read the file": "os.lseek(0, 0, 0); assert os.read(0, 5) == b'video'",
    "measure it": "assert os.fstat(0).st_size == 5",
    "start threads": "t = threading.Thread(target=os.getpid); t.start(); t.join()",
    "take memory": "bytearray(1 << 26)",
}
DENIALS = {
    "read a file": "open(target).read()",
    "read a file once a descriptor is free": "os.close(0); os.open(target, os.O_RDONLY)",
    "write a file": "os.close(0); os.open(target + '2', os.O_WRONLY | os.O_CREAT)",
    "empty a file": "os.truncate(target, 0)",
    "remove a file": "os.unlink(target)",
    "rename a file": "os.rename(target, target + '2')",
    "make a folder": "os.mkdir(target + '2')",
    "list a folder": "os.close(0); os.listdir('/')",
    "look at a file": "os.stat(target)",
    "read its own memory's map": "os.close(0); os.open('/proc/self/maps', os.O_RDONLY)",
    "write into its own memory": "os.close(0); os.open('/proc/self/mem', os.O_RDWR)",
    "read its parent's environment": "os.close(0); os.open(f'/proc/{os.getppid()}/environ', os.O_RDONLY)",
    "open a device": "os.close(0); os.open('/dev/null', os.O_RDONLY)",
    "make a file without a name": "os.close(0); os.memfd_create('x')",
    "have signals sent for a descriptor": "fcntl.fcntl(1, fcntl.F_SETOWN, os.getppid())",
    "ask for signals": "fcntl.ioctl(1, termios.FIOASYNC, bytes(4))",
    "make memory executable": "mmap.mmap(-1, 4096, prot=mmap.PROT_WRITE | mmap.PROT_EXEC)",
    "look at its parent's limits": "resource.prlimit(os.getppid(), resource.RLIMIT_AS)",
    "become root again": "os.setresuid(0, 0, 0)",
    "let others look into it": "failing(library.prctl(4, 1, 0, 0, 0))",
    "start a program as Python does": "subprocess.run(['/bin/true'])",
}
REFUSALS = {
    "make a socket": "socket.socket()",
    "connect": "failing(library.connect(1, 0, 0))",
    "be sent a descriptor": "failing(library.recvmsg(1, 0, 0))",
    "run a program": "os.execv('/bin/true', ['true'])",
    "fork": "os.fork()",
    "start a program as the C library does": "os.posix_spawn('/bin/true', ['true'], {})",
    "kill its parent": "os.kill(os.getppid(), 9)",
    "kill a thread of its parent": "failing(library.tgkill(os.getppid(), os.getppid(), 9))",
    "trace its parent": "failing(library.ptrace(16, os.getppid(), 0, 0))",
    "read its parent's memory": "failing(library.process_vm_readv(os.getppid(), 0, 0, 0, 0, 0))",
    "make namespaces": "failing(library.unshare(0x10000000))",
    "mount": "failing(library.mount(0, b'/', 0, 0, 0))",
}
# Each of the two means is also put to the test without the other.
LANDLOCK_ALONE = {
    "open(target)": NO_ACCESS,
    "os.unlink(target)": NO_ACCESS,
    "os.mkdir(target + '2')": NO_ACCESS,
    "socket.socket().connect(('127.0.0.1', PORT))": NO_ACCESS,
    "os.kill(os.getppid(), 0)": NOT_PERMITTED,
}
WITHOUT_SIGNALS, WITHOUT_ADDRESSES = 6, 4  # interfaces of Landlock before these know none


@pytest.fixture
def target(tmp_path: Path) -> Path:
    """A file that anybody may read and write, so that it is the confinement that is found out."""
    for folder in (tmp_path, tmp_path.parent):
        folder.chmod(0o777)
    file = tmp_path / "secret"
    file.write_text("secret")
    file.chmod(0o666)
    return file


def tried(attempts: Mapping[str, str], target: Path, without: str = "") -> dict[str, tuple[int, str]]:
    """The status and the words of a child for each attempt."""
    video = target.parent / "video"
    video.write_bytes(b"video")
    with video.open("rb") as opened:
        done = subprocess.run(
            [
                sys.executable,
                trying_child.__file__,
                str(target),
                json.dumps([(attempt, without) for attempt in attempts.values()]),
            ],
            stdin=opened,
            stdout=subprocess.PIPE,
            env={"PYTHONPATH": ENGINE, "OPENBLAS_NUM_THREADS": "1"},
            check=True,
        )
    return {
        name: (status, words) for name, (status, words) in zip(attempts, json.loads(done.stdout), strict=True)
    }


def test_what_decoding_takes_goes_on(target: Path) -> None:
    assert tried(STILL_DONE, target) == dict.fromkeys(STILL_DONE, (0, "done"))


def test_what_libraries_may_ask_for_by_chance_is_denied(target: Path) -> None:
    answers = tried(DENIALS, target)
    permitted = {(0, NOT_PERMITTED), (0, NO_ACCESS), (0, TOO_MANY)}
    assert {name: answer for name, answer in answers.items() if answer not in permitted} == {}
    assert target.read_text() == "secret"
    assert not Path(f"{target}2").exists()


def test_what_no_decoder_asks_for_ends_it(target: Path) -> None:
    assert tried(REFUSALS, target) == dict.fromkeys(REFUSALS, (REFUSED, ""))


def test_landlock_alone_keeps_files_addresses_and_signals(target: Path) -> None:
    wanted = dict(LANDLOCK_ALONE)
    if landlock.version() < WITHOUT_SIGNALS:
        del wanted["os.kill(os.getppid(), 0)"]
    if landlock.version() < WITHOUT_ADDRESSES:
        del wanted["socket.socket().connect(('127.0.0.1', PORT))"]
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = str(listening.getsockname()[1])
        answers = tried({name: name.replace("PORT", port) for name in wanted}, target, without="seccomp")
    assert answers == {name: (0, words) for name, words in wanted.items()}


def test_the_filter_alone_keeps_files_too(target: Path) -> None:
    answers = tried(DENIALS | REFUSALS, target, without="landlock")
    assert {answers[name] for name in REFUSALS} == {(REFUSED, "")}
    assert {answers[name] for name in DENIALS} <= {(0, NOT_PERMITTED), (0, TOO_MANY)}


@pytest.mark.skipif(os.geteuid() != 0, reason="only root becomes somebody else")
def test_root_becomes_nobody(target: Path) -> None:
    attempt = f"assert {{os.getuid(), os.geteuid(), os.getgid(), os.getegid()}} == {{{NOBODY}}}"
    assert tried({"who": attempt}, target) == {"who": (0, "done")}


@pytest.fixture
def end_of(children_that: Callable[[str], None]) -> Callable[..., DecoderDiedError]:
    """What the parent makes of a child that ends in a certain way, once it has looked at the file."""
    data = Media(frames=10).to_bytes()

    def ended(last_words: str, wall_s: float = 60.0) -> DecoderDiedError:
        children_that(last_words)
        with pytest.raises(DecoderDiedError) as caught, Decoder(data, Limits(decode_wall_s=wall_s)):
            pass
        return caught.value

    return ended


def test_crash_time_out_and_refusal_are_told_apart(end_of: Callable[..., DecoderDiedError]) -> None:
    crash = end_of("os.abort()")
    assert (crash.how, crash.code) == (DecoderEnd.CRASH, ErrorCode.CORRUPT_MEDIA)
    late = end_of("time.sleep(20)", wall_s=1.0)
    assert (late.how, late.code) == (DecoderEnd.TIMEOUT, ErrorCode.DECODE_TIMEOUT)
    refusal = end_of(f"os.kill(os.getpid(), {signal.SIGSYS:d})")
    assert (refusal.how, refusal.code) == (DecoderEnd.REFUSAL, ErrorCode.CORRUPT_MEDIA)
    assert "no video needs" in refusal.message
