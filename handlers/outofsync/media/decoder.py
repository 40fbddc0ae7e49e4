"""Probe and decode a stranger's file: what the rest of the engine calls."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import numpy as np
from numpy.typing import NDArray

from outofsync.constants import FRAME_RATE, SAMPLE_RATE, SAMPLES_PER_FRAME, WINDOW_FRAMES
from outofsync.errors import ErrorCode, OutOfSyncError, Stage
from outofsync.limits import Limits
from outofsync.media.containers import check_file
from outofsync.media.process import ChildProcess
from outofsync.media.protocol import FREED, MediaInfo, Task
from outofsync.media.ring import CHANNELS, SLOTS, SharedRing, frames_per_slot, slot_bytes

MIN_FRAMES = WINDOW_FRAMES + 1  # two windows, the least that a segment can be scored on
# Decoding runs ahead of its reader on several threads, and only waiting counts as time; this only stops a
# child that spins after its parent has died.
CPU_PER_WALL = 10
SAMPLES_AT_ONCE = 1 << 18
SLACK_S = 2.0  # by which a decoder may go beyond what is allowed before it stops making sense
MOST_PACKETS = 1 << 31


def probe(data: bytes | bytearray, limits: Limits) -> MediaInfo:
    """Facts about a file, from its header and its first picture; raises what :class:`Decoder` raises."""
    with Decoder(data, limits, probing=True) as decoder:
        return decoder.info


class Decoder:
    """One file, decoded by one child process; a context manager.

    Raises :class:`OutOfSyncError` for a file that cannot be used: on entering for what the file's header
    and its first picture tell, in :meth:`frames` for the rest (see ``errors.py`` for the codes).

    Args:
        data: the file.
        limits: what it may be like, and what decoding it may cost.
        max_frames: stop after this many frames of the 25 fps grid.
        video_track, audio_track: numbers of tracks in the file, where its own order is not to decide.
    """

    def __init__(
        self,
        data: bytes | bytearray,
        limits: Limits,
        max_frames: int | None = None,
        *,
        probing: bool = False,
        video_track: int | None = None,
        audio_track: int | None = None,
    ) -> None:
        kind = check_file(data, limits)
        self.damaged_packets = 0  # left out while decoding; known once frames() is exhausted
        self.missing = False  # whether the batch given out last stands for frames that the file lacks
        self._audio: NDArray[np.int16] | None = None
        with ExitStack() as stack:
            self._ring = stack.enter_context(SharedRing(slot_bytes(limits.working_side_px)))
            task = Task(
                action="probe" if probing else "decode",
                kind=kind,
                bytes=len(data),
                limits=limits,
                cpu_s=round(limits.decode_wall_s * CPU_PER_WALL) + 1,
                max_frames=max_frames,
                slot=self._ring.slot,
                video_track=video_track,
                audio_track=audio_track,
            )
            child = ChildProcess(
                task, data, limits.decode_wall_s, stage=Stage.DECODE, ring=self._ring.descriptor
            )
            self._child = stack.enter_context(child)
            self._most_frames = round((limits.duration_s + SLACK_S) * FRAME_RATE)
            self._most_samples = round((limits.duration_s + SLACK_S) * SAMPLE_RATE)
            self._read_header(self._child.receive(), limits)
            self._resources = stack.pop_all()

    def _read_header(self, header: dict[str, Any], limits: Limits) -> None:
        """What the child says of the file, as far as it makes sense."""
        try:
            self.info = MediaInfo.from_dict(header["info"])
            height, width = header["shape"]
            self._turns = self._number(header["turns"], 0, 3)
            self._mirrored = bool(header["mirrored"])
        except (KeyError, TypeError, ValueError):
            raise self._child.nonsense() from None
        side = limits.working_side_px
        self._shape = self._number(height, 1, side), self._number(width, 1, side)

    def _number(self, value: object, least: int, most: int) -> int:
        """A number that the child says: a file that has taken it over must not make this process count on."""
        if type(value) is not int or not least <= value <= most:
            raise self._child.nonsense()
        return value

    @property
    def audio(self) -> NDArray[np.int16]:
        """16 kHz mono, int16 (samples,), from the first frame's time on; complete after :meth:`frames`."""
        if self._audio is None:
            raise RuntimeError("the sound is complete only when every frame has been read")
        return self._audio

    def frames(self) -> Iterator[NDArray[np.uint8]]:
        """Batches of at most 25 upright frames of the 25 fps grid: uint8 (frames, height, width, 3) RGB.

        Large frames come in smaller batches. Frames for which the file has no picture or no sound are black,
        in batches of their own, at which ``missing`` is true. Can be consumed once.
        """
        frames = batches = 0
        together = frames_per_slot(self._shape[1], self._shape[0], self._ring.slot)
        while "bytes" not in (message := self._child.receive()):
            self.missing = "missing" in message
            left = self._most_frames - frames
            if self.missing:
                count = self._number(message["missing"], 1, left)
                yield from self._black(count)
            else:
                count = self._number(message.get("frames"), 1, min(together, left))
                yield self._copy_batch(count, batches % SLOTS)
                batches += 1
            frames += count
        sample = np.dtype(np.float32).itemsize
        self._audio = self._receive_sound(
            self._number(message["bytes"], 0, self._most_samples * sample) // sample
        )
        self.damaged_packets = self._number(message.get("damaged"), 0, MOST_PACKETS)
        _check_length(frames, len(self._audio))

    def close(self) -> None:
        """End the child and free the shared memory."""
        self._resources.close()

    def __enter__(self) -> Decoder:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def _receive_sound(self, count: int) -> NDArray[np.int16]:
        """The sound, converted piece by piece: ten minutes of it as float32 are 38 MB."""
        audio = np.empty(count, np.int16)
        for start in range(0, count, SAMPLES_AT_ONCE):
            piece = audio[start : start + SAMPLES_AT_ONCE]
            received = self._child.receive_bytes(piece.size * np.dtype(np.float32).itemsize)
            piece[:] = to_int16(np.frombuffer(received, np.float32))
        return audio

    def _copy_batch(self, count: int, slot: int) -> NDArray[np.uint8]:
        shape = (count, *self._shape, CHANNELS)
        stored = np.ndarray(shape, np.uint8, self._ring.memory, slot * self._ring.slot)
        batch = self._upright(stored).copy()
        self._child.send(FREED)
        return batch

    def _upright(self, stored: NDArray[np.uint8]) -> NDArray[np.uint8]:
        turned = np.rot90(stored, self._turns, axes=(1, 2))
        return turned[:, :, ::-1] if self._mirrored else turned

    def _black(self, count: int) -> Iterator[NDArray[np.uint8]]:
        for first in range(0, count, FRAME_RATE):
            shape = (min(FRAME_RATE, count - first), *self._shape, CHANNELS)
            yield np.ascontiguousarray(self._upright(np.zeros(shape, np.uint8)))


def to_int16(samples: NDArray[np.float32]) -> NDArray[np.int16]:
    """Samples (samples,) of −1 … 1 as int16 values, ties rounded down.

    Codecs sum in another order on another processor. In the published clip one sample lies on a tie or just
    below it, depending on that; rounding ties down gives the published value on both.
    """
    bounded = np.nan_to_num(samples).clip(-1.0, 1.0)  # times 32768, others might be no number any more
    scaled = np.ceil(bounded * np.float32(32768) - np.float32(0.5))
    rounded: NDArray[np.int16] = scaled.clip(-32768, 32767).astype(np.int16)
    return rounded


def _check_length(frames: int, samples: int) -> None:
    common = min(frames, samples // SAMPLES_PER_FRAME)
    if common < MIN_FRAMES:
        raise OutOfSyncError(
            ErrorCode.TOO_SHORT,
            f"Picture and sound together last {common / FRAME_RATE:.2f} seconds; "
            f"at least {MIN_FRAMES / FRAME_RATE:.2f} are needed.",
            stage=Stage.DECODE,
        )
