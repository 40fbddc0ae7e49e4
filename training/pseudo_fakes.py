"""Pseudo-fakes: genuine faces with the traces that generators leave, made anew for every batch.

Picture and people are those of genuine video, so that a network cannot tell them apart by camera, light or
coding; all that differs is what was done to the face. Each kind imitates a family of generators:

* ``other_moment``: the mouth of another moment of the same clip (re-lipping by retrieval, DINet, IP-LAP);
* ``coarse_mouth``: a mouth that was made small and enlarged (Wav2Lip's 96 px);
* ``slow_mouth``: mouth motion smoothed over time, or held and blended between frames;
* ``self_blend``: a region replaced by itself, recoloured, shifted or sharpened: only its seam is false
  (Shiohara and Yamasaki, "Detecting Deepfakes with Self-Blended Images", CVPR 2022);
* ``moved_still``: one frame, warped so that the mouth opens with the loudness (SadTalker, EDTalk);
* ``smooth_skin``: all of the face without its fine texture, as decoders of latent diffusion leave it;
* ``unsteady``: a region that trembles and flickers from frame to frame.

All take and return uint8 (frames, side, side, 3) face crops as the product cuts them: eyes at 34 %, mouth at
66 % of the height.
"""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
from numpy.typing import NDArray

from outofsync.frames import Frames

Floats = NDArray[np.float32]
Random = np.random.Generator

MOUTH = (0.5, 0.67)  # middle of the mouth, in sides of the crop
FACE = (0.5, 0.52)
MIN_JUMP = 8  # frames between a moment and the one whose mouth it gets


def _ellipse(side: int, centre: tuple[float, float], radii: tuple[float, float], soft: float) -> Floats:
    """(side, side, 1): 1 inside an ellipse, 0 outside, ``soft`` sides of the crop in between."""
    mask = np.zeros((side, side), np.float32)
    middle = (round(centre[0] * side), round(centre[1] * side))
    cv2.ellipse(mask, middle, (round(radii[0] * side), round(radii[1] * side)), 0, 0, 360, 1.0, -1)
    if soft > 0:
        mask = cv2.GaussianBlur(mask, (0, 0), soft * side).astype(np.float32)
    return mask[..., None]


def mouth_region(side: int, random: Random) -> Floats:
    """A soft mask (side, side, 1) over mouth and chin, as re-lipping tools paste it: an ellipse or a half."""
    soft = float(random.uniform(0.005, 0.05))
    if random.uniform() < 0.3:
        mask = _ellipse(side, (0.5, 0.55), (random.uniform(0.28, 0.36), random.uniform(0.36, 0.44)), soft)
        edge = round(side * random.uniform(0.46, 0.56))
        mask[:edge] *= np.linspace(0, 1, edge, dtype=np.float32)[:, None, None] ** 8
        return mask
    centre = (MOUTH[0] + random.uniform(-0.02, 0.02), MOUTH[1] + random.uniform(-0.02, 0.05))
    return _ellipse(side, centre, (random.uniform(0.14, 0.28), random.uniform(0.09, 0.22)), soft)


def face_region(side: int, random: Random) -> Floats:
    """A soft mask (side, side, 1) over the whole face."""
    radii = (random.uniform(0.28, 0.42), random.uniform(0.36, 0.5))
    return _ellipse(side, FACE, radii, float(random.uniform(0.01, 0.06)))


def some_region(side: int, random: Random) -> Floats:
    """A mask (side, side, 1): the mouth's surroundings more often than the whole face."""
    return mouth_region(side, random) if random.uniform() < 0.65 else face_region(side, random)


def blend(frames: Frames, others: Floats, mask: Floats) -> Frames:
    """``others`` where the mask (side, side, 1) is 1, ``frames`` (frames, side, side, 3) where it is 0."""
    mixed = frames + mask * (others - frames.astype(np.float32))
    return np.clip(np.rint(mixed), 0, 255).astype(np.uint8)


def other_moment(frames: Frames, random: Random) -> Frames:
    """The mouth of another stretch of the same clip, put in by a soft mask; (frames, side, side, 3) both."""
    count = len(frames)
    jump = int(random.integers(MIN_JUMP, max(MIN_JUMP + 1, count - 1)))
    order = (np.arange(count) + jump) % count
    if random.uniform() < 0.5:
        order = order[::-1]
    others = frames[order].astype(np.float32)
    mask = mouth_region(frames.shape[1], random)
    if random.uniform() < 0.7:  # as a blending tool does: the colour of the place it goes to
        weight = mask.sum()
        tones = [(part * mask).sum((1, 2), keepdims=True) / weight for part in (frames, others)]
        others = others + (tones[0] - tones[1])
    if random.uniform() < 0.4:
        others = _coarser(others, float(random.uniform(0.35, 0.8)))
    return blend(frames, others, mask)


def coarse_mouth(frames: Frames, random: Random) -> Frames:
    """A mouth that is less sharp than the face around it; (frames, side, side, 3) both."""
    others = _coarser(frames.astype(np.float32), float(random.uniform(0.25, 0.6)))
    if random.uniform() < 0.5:
        others = _sharper(others, float(random.uniform(0.5, 1.5)))
    return blend(frames, others, mouth_region(frames.shape[1], random))


def slow_mouth(frames: Frames, random: Random) -> Frames:
    """A mouth that moves too smoothly, or only every second or third frame; (frames, side, side, 3) both."""
    count, kind = len(frames), random.uniform()
    if kind < 0.5:
        others = _over_time(frames, float(random.uniform(0.8, 2.2)))
    else:
        every = int(random.integers(2, 5))
        before = np.arange(count) // every * every
        share = ((np.arange(count) - before) / every).astype(np.float32)[:, None, None, None]
        after = np.minimum(before + every, count - 1)
        others = frames[before].astype(np.float32)
        if kind < 0.8:
            others = others * (1 - share) + frames[after] * share
    return blend(frames, others, some_region(frames.shape[1], random))


def self_blend(frames: Frames, random: Random) -> Frames:
    """A region replaced by itself in other colours, a little elsewhere; (frames, side, side, 3) both."""
    side = frames.shape[1]
    others = frames.astype(np.float32)
    gain = random.uniform(0.88, 1.12, 3).astype(np.float32)
    others = (others - 110) * np.float32(random.uniform(0.88, 1.12)) + 110
    others = others * gain + random.uniform(-10, 10, 3).astype(np.float32)
    others = (
        _coarser(others, float(random.uniform(0.4, 0.9))) if random.uniform() < 0.5 else _sharper(others, 0.8)
    )
    shift = random.uniform(-0.02, 0.02, 2) * side
    zoom = random.uniform(0.97, 1.03, 2)
    matrix = np.array([[zoom[0], 0, shift[0]], [0, zoom[1], shift[1]]])
    matrix[:, 2] += (1 - zoom) * side / 2
    return blend(frames, _warped(others, [matrix] * len(frames)), some_region(side, random))


def moved_still(frames: Frames, random: Random, opening: Floats) -> Frames:
    """One frame throughout, its jaw pulled down as far as ``opening`` (frames,) says, its head swaying."""
    count, side = len(frames), frames.shape[1]
    still = frames[int(random.integers(count))].astype(np.float32)
    rows, columns = np.mgrid[0:side, 0:side].astype(np.float32)
    x, y = columns / side - MOUTH[0], rows / side - MOUTH[1]
    reach = float(random.uniform(0.1, 0.16))
    near = np.exp(-(x**2) / (2 * (1.3 * reach) ** 2) - (y - 0.03) ** 2 / (2 * reach**2)).astype(np.float32)
    max_pull = float(random.uniform(0.03, 0.08)) * side
    times = np.arange(count)
    sway = [
        random.uniform(0, 0.012) * side * np.sin(times / random.uniform(6, 30) + random.uniform(0, 6))
        for _ in range(2)
    ]
    made = np.empty((count, side, side, 3), np.float32)
    lower = np.clip(y * 30, -0.4, 1.0).astype(
        np.float32
    )  # the lower lip goes down, the upper one up a little
    for number in range(count):
        pull = near * lower * np.float32(opening[number] * max_pull)
        made[number] = cv2.remap(
            still,
            columns - np.float32(sway[0][number]),
            rows - pull - np.float32(sway[1][number]),
            cv2.INTER_LINEAR,
            borderMode=cv2.BORDER_REPLICATE,
        )
    mask = np.ones((1, 1, 1), np.float32) if random.uniform() < 0.6 else face_region(side, random)
    base = np.repeat(still[None], count, 0) if random.uniform() < 0.3 else frames.astype(np.float32)
    return blend(np.clip(base, 0, 255).astype(np.uint8), made, mask)


def smooth_skin(frames: Frames, random: Random) -> Frames:
    """The face without its fine texture, its edges kept or sharpened; (frames, side, side, 3) both."""
    strength = float(random.uniform(12, 40))
    kind = random.uniform()
    if kind < 0.5:
        others = np.stack([cv2.bilateralFilter(frame, 5, strength, 3) for frame in frames])
    elif kind < 0.75:
        others = np.stack([cv2.medianBlur(frame, 3) for frame in frames])
    else:
        others = np.clip(_coarser(frames.astype(np.float32), 0.5), 0, 255).astype(np.uint8)
    result = _sharper(others.astype(np.float32), float(random.uniform(0.2, 1.2)))
    side = frames.shape[1]
    mask = np.ones((1, 1, 1), np.float32) if random.uniform() < 0.3 else face_region(side, random)
    if random.uniform() < 0.4:
        result = _over_time(np.clip(result, 0, 255).astype(np.uint8), float(random.uniform(0.5, 1.2)))
    return blend(frames, result, mask)


def unsteady(frames: Frames, random: Random) -> Frames:
    """A region that trembles and changes its light from frame to frame; (frames, side, side, 3) both."""
    count, side = len(frames), frames.shape[1]
    tremble = random.uniform(0.002, 0.008) * side
    shifts = random.normal(0, tremble, (count, 2))
    zooms = 1 + random.normal(0, 0.006, (count, 2))
    matrices = []
    for shift, zoom in zip(shifts, zooms, strict=True):
        matrix = np.array([[zoom[0], 0, shift[0]], [0, zoom[1], shift[1]]])
        matrix[:, 2] += (1 - zoom) * side / 2
        matrices.append(matrix)
    light = 1 + random.normal(0, random.uniform(0.0, 0.03), (count, 1, 1, 1)).astype(np.float32)
    others = _warped(frames.astype(np.float32), matrices) * light
    return blend(frames, others, some_region(side, random))


def _coarser(frames: Floats, scale: float) -> Floats:
    """Made smaller by area, and as large again."""
    side = frames.shape[1]
    small = max(8, round(side * scale))
    return np.stack(
        [
            cv2.resize(cv2.resize(frame, (small, small), interpolation=cv2.INTER_AREA), (side, side))
            for frame in frames
        ]
    )


def _sharper(frames: Floats, amount: float) -> Floats:
    """Unsharp masking."""
    return np.stack([frame + amount * (frame - cv2.GaussianBlur(frame, (0, 0), 1.2)) for frame in frames])


def _warped(frames: Floats, matrices: list[NDArray[np.float64]]) -> Floats:
    """Each frame by its own 2×3 matrix."""
    side = frames.shape[1]
    return np.stack(
        [
            cv2.warpAffine(
                frame, matrix, (side, side), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
            )
            for frame, matrix in zip(frames, matrices, strict=True)
        ]
    )


def _over_time(frames: Frames, sigma: float) -> Floats:
    """A Gaussian over frames, the ends repeated."""
    reach = max(1, round(2.5 * sigma))
    offsets = np.arange(-reach, reach + 1)
    weights = np.exp(-(offsets**2) / (2 * sigma**2))
    weights /= weights.sum()
    last = len(frames) - 1
    total = np.zeros(frames.shape, np.float32)
    for offset, weight in zip(offsets.tolist(), weights.tolist(), strict=True):
        total += np.float32(weight) * frames[np.clip(np.arange(len(frames)) + offset, 0, last)]
    return total


PICTURE_KINDS: dict[str, Callable[[Frames, Random], Frames]] = {
    "other_moment": other_moment,
    "coarse_mouth": coarse_mouth,
    "slow_mouth": slow_mouth,
    "self_blend": self_blend,
    "smooth_skin": smooth_skin,
    "unsteady": unsteady,
}


def pseudo_fake(frames: Frames, opening: Floats, random: Random) -> Frames:
    """A pseudo-fake of a random kind; ``opening`` (frames,) from 0 to 1 is how loud the speaker is."""
    kinds = [*PICTURE_KINDS, "moved_still"]
    kind = kinds[int(random.integers(len(kinds)))]
    if kind == "moved_still":
        return moved_still(frames, random, opening)
    return PICTURE_KINDS[kind](frames, random)
