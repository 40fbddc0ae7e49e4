"""The parent's side of the child: start it, listen to it within a budget of waiting time, always reap it."""

from __future__ import annotations

import json
import os
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import outofsync
from outofsync.errors import DecoderDiedError, DecoderEnd, ErrorCode, OutOfSyncError, Stage
from outofsync.media.containers import Container, transport_packets
from outofsync.media.cut_start import PACKET, header_before
from outofsync.media.protocol import Task

# The child finds its packages where the parent found them, after the standard library; no site hooks run.
BOOT = "import sys; sys.path.extend(sys.argv[2:]); from outofsync.media.child import main; main(sys.argv[1])"
ENGINE = str(Path(outofsync.__file__).resolve().parent.parent)
# An empty environment but for what keeps it small, and what a relocated interpreter may need to load at all.
ENVIRONMENT = {"OPENBLAS_NUM_THREADS": "1", "MALLOC_ARENA_MAX": "2"}
INHERITED = ("LD_LIBRARY_PATH",)
READ_BYTES = 1 << 16
MAX_LINE = 1 << 16


class ChildProcess:
    """One child with one task on one file. A context manager; leaving it kills the child.

    ``wall_s`` is the time (s) that the parent may spend waiting for the child in all: for what it says, for
    room to say something to it, and for its end. Raises ``decode_timeout`` when it is used up,
    ``corrupt_media`` when the child dies, and ``internal`` when it dies before it has looked at the file.
    """

    def __init__(self, task: Task, data: bytes | bytearray, wall_s: float, *, stage: Stage) -> None:
        self._remaining_s = wall_s
        self._wall_s = wall_s
        self._stage = stage
        self._buffer = bytearray()
        self._started = False
        self._socket, theirs = socket.socketpair()
        self._socket.setblocking(False)  # whatever has to be waited for is waited for in _wait, which counts
        descriptor = _in_memory(*_pieces(task.kind, data))
        path = [entry for entry in (ENGINE, *sys.path) if entry]
        try:
            self._process = subprocess.Popen(
                [sys.executable, "-I", "-S", "-c", BOOT, task.to_json(), *path],
                stdin=descriptor,
                stdout=theirs.fileno(),
                stderr=subprocess.DEVNULL,
                pass_fds=[task.ring] if task.ring >= 0 else [],
                env=ENVIRONMENT | {name: os.environ[name] for name in INHERITED if name in os.environ},
            )
        except BaseException:
            self._socket.close()
            raise
        finally:
            os.close(descriptor)
            theirs.close()

    def receive(self) -> dict[str, Any]:
        """The next message; an error that the child reports is raised."""
        if not self._started:
            self._next()
            self._started = True
        return self._next()

    def _next(self) -> dict[str, Any]:
        while (end := self._buffer.find(b"\n")) < 0:
            if len(self._buffer) > MAX_LINE:
                raise self._nonsense()
            self._buffer += self._read(READ_BYTES)
        line = bytes(self._buffer[:end])
        del self._buffer[: end + 1]
        try:
            message: dict[str, Any] = json.loads(line)
            error = OutOfSyncError.from_dict(message["error"]) if "error" in message else None
        except (ValueError, KeyError, TypeError):
            raise self._nonsense() from None
        if error:
            raise error
        return message

    def receive_bytes(self, count: int) -> bytearray:
        """Raw bytes that follow a message."""
        received = self._buffer[:count]
        del self._buffer[:count]
        while len(received) < count:
            received += self._read(count - len(received))
        return received

    def send(self, data: bytes | memoryview) -> None:
        """Hand data to the child. One that no longer listens has left an answer, which ``receive`` finds."""
        rest = memoryview(data)
        while rest:
            self._wait(select.POLLOUT)
            try:
                rest = rest[self._socket.send(rest) :]
            except BlockingIOError:
                continue
            except (BrokenPipeError, ConnectionResetError):
                return

    def renew(self) -> None:
        """Start the waiting budget afresh: the child has made progress that it is not to be blamed for."""
        self._remaining_s = self._wall_s

    def close(self) -> None:
        self._socket.close()
        self._process.kill()
        self._process.wait()

    def __enter__(self) -> ChildProcess:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def _read(self, count: int) -> bytes:
        self._wait(select.POLLIN)
        try:
            data = self._socket.recv(count)
        except ConnectionResetError:
            data = b""
        if not data:
            raise self._death()
        return data

    def _wait(self, event: int) -> None:
        """Wait until the child is ready for ``event``, within what is left of the budget."""
        poll = select.poll()
        poll.register(self._socket, event)
        with self._counted() as left_s:
            ready = poll.poll(left_s * 1000)
        if not ready:
            raise self._too_late()

    @contextmanager
    def _counted(self) -> Iterator[float]:
        """Takes the time that the block waits off the budget; yields what is left of it (s)."""
        started = time.monotonic()
        try:
            yield max(0.0, self._remaining_s)
        finally:
            self._remaining_s -= time.monotonic() - started

    def _death(self) -> OutOfSyncError:
        """Why a child that closed its end is gone; one that lives on is out of time when the budget ends."""
        try:
            with self._counted() as left_s:
                status = self._process.wait(left_s)
        except subprocess.TimeoutExpired:
            return self._too_late()
        if status == -signal.SIGXCPU:
            message = "Decoding used up the processor time that is allowed."
            return self._ended(ErrorCode.DECODE_TIMEOUT, message, DecoderEnd.TIMEOUT)
        how = signal.Signals(-status).name if status < 0 else f"status {status}"
        if not self._started:
            message = f"The decoder could not be started ({how})."
            return self._ended(ErrorCode.INTERNAL, message, DecoderEnd.CRASH)
        if status == -signal.SIGSYS:
            message = "This file made the decoder try what no video needs, so it was stopped."
            return self._ended(ErrorCode.CORRUPT_MEDIA, message, DecoderEnd.REFUSAL)
        message = f"The decoder broke off while it was reading this file ({how})."
        return self._ended(ErrorCode.CORRUPT_MEDIA, message, DecoderEnd.CRASH)

    def _too_late(self) -> OutOfSyncError:
        message = f"Decoding took longer than the {self._wall_s:g} seconds allowed."
        return self._ended(ErrorCode.DECODE_TIMEOUT, message, DecoderEnd.TIMEOUT)

    def _nonsense(self) -> OutOfSyncError:
        """A child that the file has taken over is not to be believed."""
        message = "The decoder stopped making sense in this file."
        return self._ended(ErrorCode.CORRUPT_MEDIA, message, DecoderEnd.CRASH)

    def _ended(self, code: ErrorCode, message: str, how: DecoderEnd) -> OutOfSyncError:
        return DecoderDiedError(code, message, how=how, stage=self._stage)


def _pieces(kind: Container, data: bytes | bytearray) -> tuple[bytes | bytearray | memoryview, ...]:
    """The file as it is, or where a recording begins inside a packet, from the next one on."""
    packets = transport_packets(data) if kind.demuxer == "mpegts" else None
    if packets is None or packets[1] != PACKET:
        return (data,)
    first, _ = packets
    return header_before(data, first), memoryview(data)[first:]


def _in_memory(*pieces: bytes | bytearray | memoryview) -> int:
    """A seekable file that holds these, one after the other, and has no name."""
    descriptor = os.memfd_create("outofsync-media", os.MFD_CLOEXEC)
    try:
        for piece in pieces:
            rest = memoryview(piece)
            while rest:
                rest = rest[os.write(descriptor, rest) :]
        os.lseek(descriptor, 0, os.SEEK_SET)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor
