"""The common time base: pictures on a 25 fps grid that starts with the first one (docs/method.md)."""

from __future__ import annotations

from collections.abc import Iterable

from outofsync.constants import FRAME_RATE

MICROSECONDS = 1_000_000
FRAME_US = MICROSECONDS // FRAME_RATE
# Matroska and WebM round times to a millisecond: the first picture's and the end's error together.
TOLERANCE_US = 1_000
# A picture is shown at most this long before its time: at fewer than ten a second, each one stays.
REACH_US = 50_000
# A delay of the pictures that sound is not moved for; it is what rounding leaves at common rates.
UNNOTICED_US = 5_000


class FrameGrid:
    """The nearest picture: grid frame k shows the one whose time is nearest to k/25 s.

    Times are microseconds after the first picture. A one-to-one mapping for 25 fps, every second picture
    for 50 fps, and repeated or dropped pictures for any other rate, constant or not. Holding each picture
    until the next would show them late, by half a picture's time on average.
    """

    def __init__(self, max_frames: int | None = None) -> None:
        self.frames = 0  # grid frames given out
        self._max_frames = max_frames
        self._latest = 0

    @property
    def full(self) -> bool:
        """Whether as many frames as were asked for are given out."""
        return self._max_frames is not None and self.frames >= self._max_frames

    def until(self, next_us: int) -> int:
        """How many grid frames show the latest picture rather than the one that appears at ``next_us``."""
        switch_us = max((self._latest + next_us) // 2, next_us - REACH_US)
        self._latest = max(self._latest, next_us)
        return self._give_out(switch_us // FRAME_US + 1 if next_us > 0 else 0)

    def end(self, end_us: int) -> int:
        """How many grid frames show the last picture, which disappears at ``end_us``."""
        return self._give_out(-(-(end_us - TOLERANCE_US) // FRAME_US))  # rounded up

    def _give_out(self, due: int) -> int:
        if self._max_frames is not None:
            due = min(due, self._max_frames)
        repeats = max(0, due - self.frames)
        self.frames += repeats
        return repeats


def mean_delay_us(times_us: Iterable[int]) -> int:
    """By how much pictures at these times (sorted, the first at 0) come late on the grid, on average.

    Pictures that are held because the next one is far away are left out; nobody moves in them. Differences
    that nothing can notice count as none.
    """
    grid, total, counted, shown_us = FrameGrid(), 0, 0, 0
    for next_us in times_us:
        first = grid.frames
        repeats = grid.until(next_us)
        if next_us - shown_us <= 2 * REACH_US:
            total += sum(number * FRAME_US - shown_us for number in range(first, first + repeats))
            counted += repeats
        shown_us = next_us
    mean = round(total / counted) if counted else 0
    return mean if abs(mean) > UNNOTICED_US else 0
