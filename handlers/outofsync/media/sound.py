"""The sound on the common time base: mono, 16 kHz, float32, placed by presentation time (docs/method.md)."""

from __future__ import annotations

from dataclasses import dataclass, field

import av
from av.audio.frame import AudioFrame
from av.audio.resampler import AudioResampler

from outofsync.constants import SAMPLE_RATE
from outofsync.errors import ErrorCode, OutOfSyncError, Stage
from outofsync.media.channels import channel_beside, one_channel, voice_of
from outofsync.media.grid import MICROSECONDS

SAMPLE_BYTES = 4
# Rounded timestamps jitter by a millisecond; a jump of half a video frame is a real gap (or overlap).
GAP_US = 20_000


class _Resampled:
    """Frames of one format as float32 samples, mono, 16 kHz."""

    def __init__(self) -> None:
        self.samples = bytearray()
        self._resampler = AudioResampler(format="flt", layout="mono", rate=SAMPLE_RATE)

    def add(self, frame: AudioFrame | None) -> None:
        """Resample one more frame; None drains what the filter still holds."""
        try:
            for resampled in self._resampler.resample(frame):
                if resampled is not None:  # what a resampler with nothing to do answers to None
                    self.samples += memoryview(resampled.planes[0])[: resampled.samples * SAMPLE_BYTES]
        except av.FFmpegError:
            raise _unmixable(frame) from None


def _unmixable(frame: AudioFrame | None) -> OutOfSyncError:
    many = f" of {len(frame.layout.channels)} channels at {frame.sample_rate} Hz" if frame else ""
    return OutOfSyncError(
        ErrorCode.UNSUPPORTED_MEDIA,
        f"Sound{many} cannot be mixed into one channel here.",
        stage=Stage.DECODE,
        hint="Mix it down: ffmpeg -i INPUT -c:v copy -ac 2 OUTPUT.mp4",
    )


@dataclass
class _Run:
    """An unbroken stretch of sound with one source format."""

    start_us: int
    source: tuple[int, str, str]  # rate, sample format, layout
    beside: int | None = None  # the channel that may be heard instead of the mix
    channels: int = 1
    received: int = 0  # source samples
    mix: _Resampled = field(default_factory=_Resampled)
    alone: _Resampled = field(default_factory=_Resampled)
    resampled: bytearray = field(default_factory=bytearray)  # what is heard, once the run is finished

    @classmethod
    def of(cls, frame: AudioFrame, start_us: int, source: tuple[int, str, str]) -> _Run:
        """An empty run for frames like this one."""
        return cls(start_us, source, channel_beside(frame), len(frame.layout.channels))

    @property
    def end_us(self) -> int:
        return self.start_us + self.received * MICROSECONDS // self.source[0]

    def add(self, frame: AudioFrame) -> None:
        """Resample one more frame."""
        self.mix.add(frame)
        if self.beside is not None:
            self.alone.add(one_channel(frame, self.beside))
        self.received += frame.samples

    def finish(self) -> None:
        """Drain what the filters still hold, and decide what is heard."""
        self.mix.add(None)
        self.resampled = self.mix.samples
        if self.beside is not None:
            self.alone.add(None)
            self.resampled = voice_of(self.mix.samples, self.alone.samples, self.channels)
        self.mix, self.alone = _Resampled(), _Resampled()


class SoundTrack:
    """Collects decoded sound; what is missing between its stretches is silence."""

    def __init__(self, limit_s: float) -> None:
        self._limit_s = limit_s
        self._runs: list[_Run] = []
        self._finished_bytes = 0

    @property
    def end_us(self) -> int | None:
        """Presentation time at which the sound received so far ends."""
        return self._runs[-1].end_us if self._runs else None

    def add(self, frame: AudioFrame, time_us: int | None) -> None:
        """Take one decoded frame; without a time it follows the one before. Raises ``too_long``."""
        source = (frame.sample_rate, frame.format.name, frame.layout.name)
        run = self._runs[-1] if self._runs else None
        start_us = time_us if time_us is not None else run.end_us if run else 0
        if run is None or run.source != source or abs(start_us - run.end_us) > GAP_US:
            self._finish()
            run = _Run.of(frame, start_us, source)
            self._runs.append(run)
        run.add(frame)
        if self._finished_bytes + len(run.mix.samples) > (self._limit_s + 1) * SAMPLE_RATE * SAMPLE_BYTES:
            raise OutOfSyncError(
                ErrorCode.TOO_LONG,
                f"The sound is longer than the {self._limit_s:g} seconds that are allowed.",
                stage=Stage.DECODE,
            )

    def render(self, origin_us: int, stop_us: int) -> bytearray:
        """The samples from ``origin_us`` on, to the sound's end or to ``stop_us`` if that is earlier."""
        self._finish()
        placed = [(_samples(run.start_us - origin_us), run.resampled) for run in self._runs]
        longest = _samples(stop_us - origin_us)
        total = max((at + len(data) // SAMPLE_BYTES for at, data in placed), default=0)
        track = bytearray(max(0, min(total, longest)) * SAMPLE_BYTES)
        for at, data in placed:
            first = max(0, -at)  # samples before the origin
            begin, end = max(0, at) * SAMPLE_BYTES, min(at * SAMPLE_BYTES + len(data), len(track))
            if begin < end:
                offset = first * SAMPLE_BYTES
                track[begin:end] = memoryview(data)[offset : offset + end - begin]
        return track

    def _finish(self) -> None:
        if self._runs:
            self._runs[-1].finish()
            self._finished_bytes += len(self._runs[-1].resampled)


def _samples(time_us: int) -> int:
    return round(time_us * SAMPLE_RATE / MICROSECONDS)
