"""The parent's side of the child: start it, listen to it within a budget of waiting time, always end it."""

from __future__ import annotations

import atexit
import json
import logging
import os
import select
import signal
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from outofsync.errors import (
    DecoderDiedError,
    DecoderEnd,
    ErrorCode,
    OutOfSyncError,
    Stage,
    checked_envelope,
)
from outofsync.media.containers import Container, transport_packets
from outofsync.media.cut_start import PACKET, header_before
from outofsync.media.fork_server import ForkServer
from outofsync.media.protocol import Task

READ_BYTES = 1 << 16
MAX_LINE = 1 << 16
MAX_TRACE = 2000  # letters of what goes to the log

logger = logging.getLogger(__name__)

fork_server = ForkServer()  # of this process
atexit.register(fork_server.close)


def warm_up() -> None:
    """Load the decoder now, in the background, and not when the first file comes."""
    fork_server.start()


def decoding_cpu_s() -> float:
    """Seconds of processor time that children of this process have used until their ends."""
    return fork_server.cpu_s


class ChildProcess:
    """One child with one task on one file. A context manager; leaving it kills the child.

    ``wall_s`` is the time (s) that the parent may spend waiting for the child in all: for what it says, for
    room to say something to it, and for its end. Raises ``decode_timeout`` when it is used up,
    ``corrupt_media`` when the child dies, and ``internal`` when it dies before it has looked at the file.
    """

    def __init__(
        self, task: Task, data: bytes | bytearray, wall_s: float, *, stage: Stage, ring: int | None = None
    ) -> None:
        self._remaining_s = wall_s
        self._wall_s = wall_s
        self._stage = stage
        self._buffer = bytearray()
        self._started = False
        self._socket, theirs = socket.socketpair()
        self._socket.setblocking(False)  # whatever has to be waited for is waited for in _wait, which counts
        descriptor = _in_memory(*_pieces(task.kind, data))
        given = [descriptor, theirs.fileno()] + ([] if ring is None else [ring])
        try:
            self._child = fork_server.fork(task.to_json(), given)
        except OSError as error:
            self._socket.close()
            raise self._unstarted(error.strerror or type(error).__name__) from error
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
                raise self.nonsense()
            self._buffer += self._read(READ_BYTES)
        line = bytes(self._buffer[:end])
        del self._buffer[: end + 1]
        try:
            message: dict[str, Any] = dict(json.loads(line, parse_constant=_refuse))
            error = (
                OutOfSyncError.from_dict(checked_envelope(message["error"])) if "error" in message else None
            )
        except (ValueError, KeyError, TypeError, RecursionError):
            raise self.nonsense() from None
        if error:
            if trace := message.get("trace"):
                logger.warning("a decoder did not understand its file: %s", _one_line(trace))
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

    def nonsense(self) -> OutOfSyncError:
        """A child that the file has taken over is not to be believed."""
        message = "The decoder stopped making sense in this file."
        return self._ended(ErrorCode.CORRUPT_MEDIA, message, DecoderEnd.CRASH)

    def renew(self) -> None:
        """Start the waiting budget afresh: the child has made progress that it is not to be blamed for."""
        self._remaining_s = self._wall_s

    def close(self) -> None:
        self._socket.close()
        self._child.close()

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
                status = self._child.wait(left_s)
        except TimeoutError:
            return self._too_late()
        if status == -signal.SIGXCPU:
            message = "Decoding used up the processor time that is allowed."
            return self._ended(ErrorCode.DECODE_TIMEOUT, message, DecoderEnd.TIMEOUT)
        how = signal.Signals(-status).name if status < 0 else f"status {status}"
        if not self._started:
            return self._unstarted(how)
        if status == -signal.SIGSYS:
            message = "This file made the decoder try what no video needs, so it was stopped."
            return self._ended(ErrorCode.CORRUPT_MEDIA, message, DecoderEnd.REFUSAL)
        message = f"The decoder broke off while it was reading this file ({how})."
        return self._ended(ErrorCode.CORRUPT_MEDIA, message, DecoderEnd.CRASH)

    def _unstarted(self, why: str) -> OutOfSyncError:
        message = f"The decoder could not be started ({why})."
        return self._ended(ErrorCode.INTERNAL, message, DecoderEnd.CRASH)

    def _too_late(self) -> OutOfSyncError:
        message = f"Decoding took longer than the {self._wall_s:g} seconds allowed."
        return self._ended(ErrorCode.DECODE_TIMEOUT, message, DecoderEnd.TIMEOUT)

    def _ended(self, code: ErrorCode, message: str, how: DecoderEnd) -> OutOfSyncError:
        return DecoderDiedError(code, message, how=how, stage=self._stage)


def _one_line(said: object) -> str:
    """What a child says, so that it can forge no line of a log."""
    return "".join(letter if letter.isprintable() else " " for letter in str(said)[-MAX_TRACE:])


def _refuse(word: str) -> None:
    """JSON has no NaN and no Infinity; Python's reader takes them, and no answer could hold them."""
    raise ValueError(f"{word} is no JSON")


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
