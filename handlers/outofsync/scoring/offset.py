"""The constant offset between sound and picture: where it lies, and at which one a video is judged."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from outofsync.constants import EARLIEST_TOLERATED, LATEST_TOLERATED, MAX_DELAY

Floats = NDArray[np.floating]


def offset_of(delays: Floats) -> tuple[int, float]:
    """The delay (frames) at which sound and picture fit best, and how sure that is (0 … 1).

    Takes (windows, 31) logits. Positive: the sound comes late. Confidence is the share of the mean delay
    distribution within a frame of its peak.
    """
    logits = np.asarray(delays, np.float64)
    distribution = np.exp(logits - logits.max(1, keepdims=True))
    distribution = (distribution / distribution.sum(1, keepdims=True)).mean(0)
    best = int(logits.mean(0).argmax())
    near = distribution[max(0, best - 1) : best + 2]
    return best - MAX_DELAY, float(near.sum())


def tolerated_offset(delays: Floats) -> int:
    """The offset (frames) inside the broadcast window at which (windows, 31) logits fit best.

    Whoever records, codes and broadcasts leaves sound that much early or late (ITU-R BT.1359-1, the limits of
    acceptability), and nobody minds: it says nothing about who made the video.
    """
    mean = np.asarray(delays, np.float64).mean(0)
    window = mean[MAX_DELAY + EARLIEST_TOLERATED : MAX_DELAY + LATEST_TOLERATED + 1]
    return int(window.argmax()) + EARLIEST_TOLERATED


def is_tolerated(offset: int) -> bool:
    """Whether an offset (frames) lies inside the broadcast window."""
    return EARLIEST_TOLERATED <= offset <= LATEST_TOLERATED
