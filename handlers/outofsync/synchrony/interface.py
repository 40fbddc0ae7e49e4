"""What every synchronisation network takes and gives (docs/method.md: Windows and delays)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from outofsync.constants import DELAYS, SAMPLES_PER_FRAME, WINDOW_FRAMES
from outofsync.frames import FrameStore
from outofsync.timing import Stopwatch


@dataclass(frozen=True)
class SyncInput:
    """One face track and its sound.

    ``frames`` are 224×224 RGB at 25 frames/s, ``audio`` is int16 mono at 16 kHz; both start at one instant.
    Sound that goes on after the last frame is heard at positive delays; where there is none, silence is.
    """

    frames: FrameStore
    audio: NDArray[np.int16]

    @property
    def windows(self) -> int:
        """How many windows this input yields."""
        return windows_of(len(self.frames), self.audio.size)


@dataclass(frozen=True)
class SyncOutput:
    """What a network says about each window.

    ``far`` goes on beyond ``delays`` on either side where a network looks further than it has to, so that
    the delays can be read from another zero.
    """

    delays: NDArray[np.float32]  # (windows, 31) logits, delay −15 … +15 frames
    features: NDArray[np.float32]  # (windows, feature size), at zero delay: picture's half, then sound's
    far: NDArray[np.float32] | None = None  # (windows, 31 + 2 · reach) logits, the middle 31 are ``delays``

    def curve(self, start: int = 0, stop: int | None = None) -> NDArray[np.float64]:
        """Mean logit (delays,) of some windows at every delay that is known, no delay in the middle."""
        known = self.delays if self.far is None else self.far
        mean: NDArray[np.float64] = known[start:stop].mean(0, dtype=np.float64)
        return mean

    def aligned(self, offset: int) -> SyncOutput:
        """What it would say if the sound, ``offset`` frames late (early where negative), were put right.

        Where there is nothing to read beyond the furthest delay, or beyond the last window's sound, the last
        value goes on.
        """
        if not offset or not len(self.delays):
            return self
        far = self.delays if self.far is None else self.far
        middle = (far.shape[1] - DELAYS) // 2
        columns = np.clip(np.arange(middle + offset, middle + offset + DELAYS), 0, far.shape[1] - 1)
        heard_at = np.clip(np.arange(len(far)) + offset, 0, len(far) - 1)
        half = self.features.shape[1] // 2
        features = np.concatenate([self.features[:, :half], self.features[heard_at, half:]], 1)
        return SyncOutput(far[:, columns], features)

    def between(self, start: int, stop: int | None = None) -> SyncOutput:
        """Some of the windows."""
        far = None if self.far is None else self.far[start:stop]
        return SyncOutput(self.delays[start:stop], self.features[start:stop], far)


def joined(before: SyncOutput | None, after: SyncOutput) -> SyncOutput:
    """Windows that follow one another."""
    if before is None:
        return after
    far = None if before.far is None or after.far is None else np.concatenate([before.far, after.far])
    delays = np.concatenate([before.delays, after.delays])
    return SyncOutput(delays, np.concatenate([before.features, after.features]), far)


# The number of an input, and what is said of its next windows, while those behind them are still to come.
OnWindows = Callable[[int, SyncOutput], None]
TOLD_AT_ONCE = 100  # windows


class SyncNetwork(Protocol):
    """Evaluates a batch of inputs; an input's numbers never depend on its company."""

    feature_size: int

    def evaluate(
        self,
        inputs: Sequence[SyncInput],
        *,
        watch: Stopwatch | None = None,
        on_windows: OnWindows | None = None,
    ) -> list[SyncOutput]:
        """One output for each input, in order; an input too short for a window yields empty arrays.

        ``watch`` is told how long each stage took, all inputs together. ``on_windows`` is called as windows
        become known, some hundred at a time, up to rounding as the output will have them; the last ones of an
        input may be left to that.
        """
        ...


def windows_of(frames: int, samples: int) -> int:
    """Number of five-frame windows where both picture and sound last long enough."""
    return max(0, min(frames, samples // SAMPLES_PER_FRAME) - WINDOW_FRAMES + 1)
