"""Plays a file once: pictures on the grid as they come, sound collected beside them. For the child only."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby

from av.video.frame import VideoFrame

from outofsync.errors import ErrorCode, OutOfSyncError, Stage
from outofsync.limits import Limits
from outofsync.media.grid import FRAME_US, MICROSECONDS, FrameGrid, mean_delay_us
from outofsync.media.sound import SoundTrack
from outofsync.media.source import MISSING_US, Source, microseconds


class Playback:
    """The common time base starts with the first picture that decodes.

    Raises ``corrupt_media`` when no picture decodes, when most packets are damaged, or when the file ends
    well before it says; ``too_long`` when it goes on beyond the limit; ``no_audio`` when the sound stream
    is empty.
    """

    def __init__(self, source: Source, limits: Limits, max_frames: int | None) -> None:
        self._source = source
        self._limits = limits
        self._max_frames = max_frames
        self._sound = SoundTrack(limits.duration_s)
        self._grid = FrameGrid(max_frames)
        self._step_us = round(MICROSECONDS / source.frame_rate)
        self._pictures = self._timed_pictures()
        self._end_us = 0  # presentation time at which the last picture so far ends
        first = next(self._pictures, None)
        if first is None:
            raise _corrupt("No picture of this file can be decoded.")
        self.origin_us, self.first = first
        times = (time - self.origin_us for time in source.timeline.picture_times)
        # Sound is heard from here on: a little before the first picture where pictures are late on the grid.
        self.sound_origin_us = self.origin_us - mean_delay_us(time for time in times if time >= 0)

    def shown(self) -> Iterator[tuple[VideoFrame | None, int]]:
        """Each picture that is shown at all, with the number of grid frames that show it (≥ 1).

        No picture stands for frames for which the file has no picture or no sound.
        """
        for picture, first, repeats in self._held():
            for missing, count in self._missing(first, repeats):
                yield None if missing else picture, count

    def _held(self) -> Iterator[tuple[VideoFrame, int, int]]:
        """Each picture, the first grid frame that shows it, and how many do."""
        held = self.first
        for time_us, picture in self._pictures:
            if repeats := self._grid.until(self._elapsed_us(time_us)):
                yield held, self._grid.frames - repeats, repeats
            held = picture
            if self._grid.full:
                self._source.skip_pictures()
        if repeats := self._grid.end(self._elapsed_us(self._end_us)):
            yield held, self._grid.frames - repeats, repeats
        self._check_end()

    def _missing(self, first: int, repeats: int) -> Iterator[tuple[bool, int]]:
        """Runs of grid frames, and whether they lie in a gap."""
        gaps = self._source.timeline.gaps
        inside = [
            any(gap.start_us <= self.origin_us + number * FRAME_US < gap.end_us for gap in gaps)
            for number in range(first, first + repeats)
        ]
        for missing, run in groupby(inside):
            yield missing, len(list(run))

    def sound(self) -> bytearray:
        """float32 samples from the first picture on; complete once ``shown`` is exhausted."""
        length_us = self._limits.duration_s * MICROSECONDS
        if self._max_frames is not None:
            length_us = self._max_frames * FRAME_US
        samples = self._sound.render(self.sound_origin_us, self.sound_origin_us + round(length_us))
        if not samples:
            raise OutOfSyncError(
                ErrorCode.NO_AUDIO, "The file's sound stream holds no sound.", stage=Stage.DECODE
            )
        return samples

    def _timed_pictures(self) -> Iterator[tuple[int, VideoFrame]]:
        previous_us: int | None = None
        for frame in self._source.decode():
            time_us = self._source.time_us(frame)
            if not isinstance(frame, VideoFrame):
                self._sound.add(frame, time_us)
                if self._grid.full and self._sound_reaches_the_last_frame():
                    return
                continue
            if time_us is None:
                time_us = 0 if previous_us is None else previous_us + self._step_us
            previous_us = time_us
            self._end_us = max(self._end_us, time_us + self._duration_us(frame))
            yield time_us, frame

    def _duration_us(self, picture: VideoFrame) -> int:
        if picture.duration and self._source.video.time_base:
            return microseconds(picture.duration, self._source.video.time_base)
        return self._step_us

    def _elapsed_us(self, time_us: int) -> int:
        """Since the first picture; raises ``too_long``."""
        elapsed_us = time_us - self.origin_us
        if elapsed_us > self._limits.duration_s * MICROSECONDS:
            raise OutOfSyncError(
                ErrorCode.TOO_LONG,
                f"The video goes on for more than the {self._limits.duration_s:g} seconds that are allowed.",
                stage=Stage.DECODE,
            )
        return elapsed_us

    def _sound_reaches_the_last_frame(self) -> bool:
        needed_us = self.origin_us + (self._grid.frames + 1) * FRAME_US  # one more: the resampler's reach
        return (self._sound.end_us or 0) >= needed_us

    def _check_end(self) -> None:
        if self._source.damaged * 2 > self._source.packets:
            raise _corrupt("Most of this file cannot be decoded.")
        declared_us, pictures_only = self._source.declared_end_us
        end_us = self._end_us if pictures_only else max(self._end_us, self._sound.end_us or 0)
        if declared_us - end_us > MISSING_US and not self._grid.full:
            seconds = [(time - self.origin_us) / MICROSECONDS for time in (end_us, declared_us)]
            raise _corrupt(f"The file plays only {seconds[0]:.1f} of its {seconds[1]:.1f} seconds.")


def _corrupt(message: str) -> OutOfSyncError:
    return OutOfSyncError(ErrorCode.CORRUPT_MEDIA, message, stage=Stage.DECODE)
