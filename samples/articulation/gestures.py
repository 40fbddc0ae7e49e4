"""What a head does while it speaks: it sways, nods on stresses, blinks, raises its brows and looks about."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from samples.articulation.mouth_track import FRAMES_PER_SECOND

Curve = NDArray[np.float64]


@dataclass(frozen=True)
class Gestures:
    """Frame by frame, each (frames,): angles in radians, shifts in face half-widths, the rest 0–1 or −1–1."""

    yaw: Curve
    pitch: Curve
    roll: Curve
    shift_x: Curve
    shift_y: Curve
    scale: Curve
    lids: Curve  # 0 open, 1 shut
    brows: Curve  # 1 raised
    gaze_x: Curve
    gaze_y: Curve


def gestures(voice: Curve, rng: np.random.Generator) -> Gestures:
    """Gestures of a random temperament for speech as loud as `voice`, (frames,) in 0–1."""
    frames = len(voice)
    lively = rng.uniform(0.35, 1.3)
    stress = _smoothed(np.maximum(voice - 0.45, 0), 0.09) * rng.uniform(0.5, 1.5)
    drift = _smoothed(voice, 0.5) - float(voice.mean())
    facing = rng.normal(0, 0.11)

    def sway(amount: float, seconds: float) -> Curve:
        return lively * amount * _wander(frames, seconds, rng)

    return Gestures(
        yaw=facing + sway(0.08, 0.7) + sway(0.02, 0.2),
        pitch=rng.normal(0, 0.05) + sway(0.045, 0.6) + lively * 0.14 * stress + 0.05 * drift,
        roll=rng.normal(0, 0.03) + sway(0.03, 0.9),
        shift_x=sway(0.06, 0.9),
        shift_y=sway(0.03, 0.7) + lively * 0.05 * stress,
        scale=1 + sway(0.012, 1.2),
        lids=_blinks(frames, rng),
        brows=np.clip(0.9 * stress * lively + 0.25 * _wander(frames, 0.8, rng), -0.3, 1),
        gaze_x=_saccades(frames, rng) - facing,
        gaze_y=0.5 * _saccades(frames, rng),
    )


def _smoothed(curve: Curve, seconds: float) -> Curve:
    """Convolved with a Gaussian of this deviation, the ends held."""
    deviation = seconds * FRAMES_PER_SECOND
    reach = int(np.ceil(3 * deviation))
    kernel = np.exp(-0.5 * (np.arange(-reach, reach + 1) / deviation) ** 2)
    return np.convolve(np.pad(curve, reach, mode="edge"), kernel / kernel.sum(), mode="valid")


def _wander(frames: int, seconds: float, rng: np.random.Generator) -> Curve:
    """Smooth noise of about unit deviation."""
    noise = rng.standard_normal(frames + 200)
    smooth = _smoothed(noise, seconds)[100:-100]
    return np.asarray(smooth * np.sqrt(2 * np.sqrt(np.pi) * seconds * FRAMES_PER_SECOND))


def _blinks(frames: int, rng: np.random.Generator) -> Curve:
    """Lids which shut within two frames, open within four, every three seconds or so."""
    lids = np.zeros(frames)
    shape = np.array([0.35, 0.95, 1.0, 0.7, 0.35, 0.12])
    start = int(rng.integers(5, 60))
    while start < frames:
        stop = min(frames, start + len(shape))
        lids[start:stop] = shape[: stop - start]
        start += int(rng.integers(25, 130))
    return lids


def _saccades(frames: int, rng: np.random.Generator) -> Curve:
    """A gaze which rests and jumps."""
    gaze = np.zeros(frames)
    start, where = 0, 0.0
    while start < frames:
        stop = start + int(rng.integers(12, 60))
        gaze[start:stop] = where
        start, where = stop, float(rng.normal(0, 0.22))
    return _smoothed(gaze, 0.03)
