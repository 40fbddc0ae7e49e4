"""Whether there is any sound to compare lips with.

Loud sound is, whatever it is. Faint sound is where it comes and goes as speech does: a hiss or a hum of the
recorder's own does not, while speech that was turned down by 40 dB still has its pauses.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from outofsync.constants import SAMPLE_RATE
from outofsync.scoring.abstention import Abstention

BLOCK_SAMPLES = SAMPLE_RATE // 2
MOMENT_SAMPLES = SAMPLE_RATE // 20  # a short syllable, or a pause between two words
LOUD, QUIET = 95, 10  # percentiles of moments
ROUNDING = 0.3  # root mean square of what is lost where sound is kept in whole numbers


def is_silent(audio: NDArray[np.int16], rules: Abstention) -> bool:
    """Whether int16 (samples,) at 16 kHz hold nothing that could be speech."""
    loudest = loudness(audio)
    if loudest >= rules.silent_below:
        return False
    return loudest < rules.faint_below or variation_db(audio) < rules.steady_below


def loudness(audio: NDArray[np.int16]) -> float:
    """Root mean square of the loudest half second of int16 (samples,), in their units."""
    return max(
        _root_mean_square(audio[start : start + BLOCK_SAMPLES])
        for start in range(0, max(1, audio.size), BLOCK_SAMPLES)
    )


def variation_db(audio: NDArray[np.int16]) -> float:
    """By how many dB loud moments of int16 (samples,) are above the quiet ones; 0 where there are none."""
    moments = [
        _root_mean_square(audio[start : start + MOMENT_SAMPLES])
        for start in range(0, audio.size - MOMENT_SAMPLES + 1, MOMENT_SAMPLES)
    ]
    if not moments:
        return 0.0
    quiet, loud = np.percentile(moments, (QUIET, LOUD)) + ROUNDING
    return float(20 * np.log10(loud / quiet))


def _root_mean_square(samples: NDArray[np.int16]) -> float:
    return float(np.sqrt(np.mean(samples.astype(np.float64) ** 2))) if samples.size else 0.0
