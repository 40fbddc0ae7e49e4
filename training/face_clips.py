"""What the texture of the face network is fitted to: its numbers for clips, kept on disk.

What is measured never changes while it is fitted, so every clip is measured once for each variant: as it is,
degraded at random, and, where it is genuine, made into a pseudo-fake.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from outofsync.appearance.schedule import EVERY, SEEN
from outofsync.appearance.texture import described, measured, small
from outofsync.constants import SAMPLES_PER_FRAME
from outofsync.frames import Frames
from outofsync.synchrony.embedding import STEM_REACH
from training.clips import PreparedClip
from training.degrade import Degradation, colour_jitter, random_affine
from training.preparation.workers import each, one_thread
from training.pseudo_fakes import pseudo_fake

EVENNESS = 0.6  # a source's share of the draws is its share of the clips to the power of (1 − evenness)
DUB = "McGurk"  # in the name of what put another voice to a real picture: no face was made
RAW, DEGRADED, PSEUDO = "raw", "degraded", "pseudo"
MAX_FRAMES = 76  # of one clip: two stretches
SHORTEST = 16  # frames
NEWS, NEWS_KEPT = "LRW-AR", 8  # two thousand clips of a few dozen people: one in so many is looked at


@dataclass(frozen=True)
class FaceClip:
    """One variant of one clip."""

    numbers: NDArray[np.float32]  # (stretches, 186)
    variant: str
    file: str
    label: str
    generator: str
    source: str
    identity: str

    @property
    def false(self) -> bool:
        """Whether it is to be found: generated, or made into a pseudo-fake."""
        return self.label != "real" or self.variant == PSEUDO


def measured_clips(
    clips: Iterable[PreparedClip], variants: Sequence[str], folder: Path, *, workers: int = 1
) -> list[FaceClip]:
    """Every variant of every clip; what is in ``folder`` already is read from there."""
    folder.mkdir(parents=True, exist_ok=True)
    wanted = [
        (clip, variant)
        for number, clip in enumerate(clips)
        for variant in variants
        if (variant != PSEUDO or clip.facts["label"] == "real")
        and (not clip.facts["source"].startswith(NEWS) or number % NEWS_KEPT == 0)
    ]
    missing = [item for item in wanted if not _path(folder, *item).exists()]
    calls = ((number, (clip, variant, folder)) for number, (clip, variant) in enumerate(missing))
    for done, _ in enumerate(each(_measure, calls, workers=workers, begin=one_thread), start=1):
        if done % 200 == 0:
            print(f"{done} of {len(missing)} faces measured", flush=True)
    found = [_read(_path(folder, clip, variant), clip, variant) for clip, variant in wanted]
    return [face for face in found if face is not None]


def _path(folder: Path, clip: PreparedClip, variant: str) -> Path:
    return folder / f"{clip.facts['sha256'][:24]}-{variant}.npz"


def _measure(clip: PreparedClip, variant: str, folder: Path) -> None:
    """Measure one variant of one clip; what is too short is kept as nothing."""
    frames, audio = clip.read()
    length = min(len(frames), audio.size // SAMPLES_PER_FRAME, MAX_FRAMES)
    path = _path(folder, clip, variant)
    partial = path.with_suffix(".partial.npz")
    if length < SHORTEST:
        np.savez(partial)
    else:
        seed = hashlib.sha256((clip.facts["sha256"] + variant).encode()).digest()[:8]
        random = np.random.default_rng(int.from_bytes(seed))
        crops = _varied(small(frames.read(0, length)), loudness_of(audio, length), variant, random)
        np.savez(partial, numbers=_numbers(crops))
    partial.replace(path)


def _varied(
    crops: Frames, loudness: NDArray[np.float32], variant: str, random: np.random.Generator
) -> Frames:
    """A variant of a clip's crops."""
    if variant == RAW:
        return crops
    if variant == PSEUDO:
        crops = pseudo_fake(crops, loudness, random)
        return Degradation.drawn(random).apply(crops, random) if random.uniform() < 0.5 else crops
    return Degradation.drawn(random).apply(random_affine(colour_jitter(crops, random), random), random)


def _numbers(crops: Frames) -> NDArray[np.float32]:
    """The texture's numbers of stretches as the product looks at them."""
    span = SEEN + 2 * STEM_REACH
    starts = sorted({max(0, min(start, len(crops) - span)) for start in range(0, len(crops), EVERY)})
    return np.stack([described(measured(crops[start : start + span])) for start in starts])


def _read(path: Path, clip: PreparedClip, variant: str) -> FaceClip | None:
    with np.load(path) as kept:
        if "numbers" not in kept:
            return None
        names = ("file", "label", "generator", "source", "identity")
        return FaceClip(kept["numbers"], variant, *(clip.facts[name] for name in names))


def loudness_of(audio: NDArray[np.int16], frames: int) -> NDArray[np.float32]:
    """How loud each frame of int16 (samples,) is, from 0 to 1, smoothed over three frames: (frames,)."""
    blocks = audio[: frames * SAMPLES_PER_FRAME].astype(np.float32).reshape(frames, SAMPLES_PER_FRAME)
    level = np.convolve(np.sqrt(np.square(blocks).mean(1)), [0.25, 0.5, 0.25], "same")
    loudness: NDArray[np.float32] = np.clip(level / (np.percentile(level, 95) + 1), 0, 1).astype(np.float32)
    return loudness
