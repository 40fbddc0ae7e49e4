"""The constant offset between sound and picture: where it lies, and at which one a video is judged."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from outofsync.constants import EARLIEST_TOLERATED, FRAME_RATE, LATEST_TOLERATED, MAX_DELAY

Floats = NDArray[np.floating]

# Nats by which each frame beyond the broadcast window makes an offset less likely before anything is heard:
# cameras and captures stray seldom, and the less the further, but sound that was edited may lie anywhere, so
# that from some frames on none is likelier than the next. A flat prior believes every accident of two
# seconds; a steeper or longer fall no longer finds the offsets that are there.
STRAYING, STRAYED = 0.15, 4
# Frames within which an offset is found: one that lies so far beyond the window may be inside it.
RESOLUTION = 1
_DELAYS = np.arange(-MAX_DELAY, MAX_DELAY + 1)
_BEYOND = np.maximum(0, np.maximum(EARLIEST_TOLERATED - _DELAYS, _DELAYS - LATEST_TOLERATED))
_LOG_PRIOR = -STRAYING * np.minimum(_BEYOND, STRAYED)


def offset_of(delays: Floats) -> tuple[int, float]:
    """The delay (frames) at which sound and picture most likely lie, and how sure that is (0 … 1).

    Takes (windows, 31) logits. Positive: the sound comes late. How often video strays from the broadcast
    window counts as much in a short video as in a long one. Confidence is the share of the delay
    distribution within a frame of its peak.
    """
    logits = _together(delays) + _LOG_PRIOR
    best = int(logits.argmax())
    near = _softmax(logits)[max(0, best - 1) : best + 2]
    return best - MAX_DELAY, float(near.sum())


def expected_distance(delays: Floats) -> float:
    """Frames, absolute, from no delay to where lips and voice fit, as (windows, 31) logits let one expect.

    The distance of the best delay alone would leap: where two fit alike, the least grain tips the scales.
    """
    return float(_softmax(_together(delays)) @ np.abs(_DELAYS))


def _together(delays: Floats) -> NDArray[np.float64]:
    """Logits (31,) of all windows together: they count by the root of the seconds that they are the mean of,
    since the seconds of a video partly repeat one another.
    """
    weight = max(1.0, len(delays) / FRAME_RATE) ** 0.5
    logits: NDArray[np.float64] = np.asarray(delays, np.float64).mean(0) * weight
    return logits


def _softmax(logits: NDArray[np.float64]) -> NDArray[np.float64]:
    exponentials = np.exp(logits - logits.max())
    shares: NDArray[np.float64] = exponentials / exponentials.sum()
    return shares


def tolerated_offset(delays: Floats) -> int:
    """The offset (frames) inside the broadcast window at which (windows, 31) logits fit best.

    Whoever records, codes and broadcasts leaves sound that much early or late (ITU-R BT.1359-1, the limits of
    acceptability), and nobody minds: it says nothing about who made the video.
    """
    mean = np.asarray(delays, np.float64).mean(0)
    window = mean[MAX_DELAY + EARLIEST_TOLERATED : MAX_DELAY + LATEST_TOLERATED + 1]
    return int(window.argmax()) + EARLIEST_TOLERATED


def is_tolerated(offset: int, *, within: int = 0) -> bool:
    """Whether an offset (frames) lies inside the broadcast window, or ``within`` some frames of it."""
    return EARLIEST_TOLERATED - within <= offset <= LATEST_TOLERATED + within
