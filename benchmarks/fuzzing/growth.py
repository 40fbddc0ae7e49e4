"""Whether a process keeps what it should give back: what it holds late in a run against early in it."""

from __future__ import annotations

import ctypes
import resource
from collections.abc import Callable
from pathlib import Path

import psutil

# Bytes by which it may grow. The reader of networks grew by 2.3 MB over 4,000 inputs and by 2.0 over 16,000:
# in steps, as caches do, and not with the inputs. All others stayed below 0.3.
MOST = 4 << 20
FEWEST = 400  # inputs: of fewer, what is held is what caches and allocators begin with
SAMPLES = 400  # of a run


def resident() -> int:
    """Bytes of memory that this process holds; what it has freed is given back first, and does not count."""
    ctypes.CDLL(None).malloc_trim(0)
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize()


def resident_with_children() -> int:
    """The same of this process and those that it has started."""
    own = psutil.Process()
    held = resident()
    for child in own.children():
        try:
            held += child.memory_info().rss
        except psutil.NoSuchProcess:
            continue
    return held


class Growth:
    """Memory over the inputs of one run.

    The least that was held in the second quarter is compared with the least in the last: whatever an input
    takes for a moment is in neither, and a leak is in both, twice as large in the second.
    """

    def __init__(self, inputs: range, measure: Callable[[], int] = resident, most: int = MOST) -> None:
        """``measure`` says how many bytes are held; ``most`` is by how many that may grow."""
        self._inputs = inputs
        self._measure = measure
        self._most = most
        self._every = max(1, len(inputs) // SAMPLES)
        self._early: list[int] = []
        self._late: list[int] = []

    def after(self, number: int) -> None:
        """An input was read."""
        done = number - self._inputs.start
        if done % self._every:
            return
        share = done / len(self._inputs)
        if 0.25 <= share < 0.5:
            self._early.append(self._measure())
        elif share >= 0.75:
            self._late.append(self._measure())

    @property
    def bytes(self) -> int:
        """By how much it grew."""
        return min(self._late) - min(self._early) if self._early and self._late else 0

    @property
    def problem(self) -> str:
        """What is wrong about that, if anything."""
        if len(self._inputs) < FEWEST or self.bytes <= self._most:
            return ""
        return f"{self.bytes / (1 << 20):.1f} MB more are held late in {len(self._inputs)} inputs than early"
