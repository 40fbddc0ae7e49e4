"""The common time base: pictures on a 25 fps grid that starts with the first one (docs/method.md)."""

from __future__ import annotations

from outofsync.constants import FRAME_RATE

MICROSECONDS = 1_000_000
FRAME_US = MICROSECONDS // FRAME_RATE
# Matroska and WebM round times to a millisecond: the first picture's and this one's error together.
TOLERANCE_US = 1_000


class FrameGrid:
    """Sample and hold: grid frame k shows the last picture whose time is at most k/25 s (and a millisecond).

    Times are microseconds after the first picture. A one-to-one mapping for 25 fps, every second picture
    for 50 fps, and repeated or dropped pictures for any other rate, constant or not.
    """

    def __init__(self, max_frames: int | None = None) -> None:
        self.frames = 0  # grid frames given out
        self._max_frames = max_frames
        self._latest = 0

    @property
    def full(self) -> bool:
        """Whether as many frames as were asked for are given out."""
        return self._max_frames is not None and self.frames >= self._max_frames

    def until(self, time_us: int) -> int:
        """How many grid frames show the picture before the one that appears at ``time_us``."""
        self._latest = max(self._latest, time_us)
        due = -(-(self._latest - TOLERANCE_US) // FRAME_US)  # rounded up
        if self._max_frames is not None:
            due = min(due, self._max_frames)
        repeats = max(0, due - self.frames)
        self.frames += repeats
        return repeats
