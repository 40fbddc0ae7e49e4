"""Stretches of faces to train on, cut, made false and degraded anew each time."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from outofsync.appearance.detail import as_looks, looks_of, pairs_of
from outofsync.appearance.inputs import pictures_of
from outofsync.appearance.network import FaceConfig
from outofsync.appearance.schedule import SEEN
from outofsync.frames import Frames
from outofsync.synchrony.embedding import STEM_REACH
from training.degrade import Degradation, colour_jitter, random_affine
from training.face_clips import DUB, EVENNESS, loudness_of
from training.packed import unpacked
from training.preparation.ledger import Entry
from training.pseudo_fakes import pseudo_fake
from training.spans import inverse_frequency_weights

SPAN = SEEN + 2 * STEM_REACH  # frames of a stretch with what the front sees around it
PSEUDO_SHARE = 0.35  # of what is false
DEGRADED_SHARE = 0.75  # of all
FILMED_SHARE = 0.2  # of all, as if filmed at another rate
RATES = (15.0, 20.0, 23.976, 29.97, 30.0)  # frames/s

LAST = 2**62  # more than any run draws

Random = np.random.Generator
Item = TypeVar("Item")
Stretch = tuple[Tensor, Tensor, Tensor]


@dataclass(frozen=True)
class FaceInMemory:
    """One packed clip: uint8 crops (frames, 144, 144, 3), loudness (frames,) and its facts."""

    crops: Frames
    loudness: NDArray[np.float32]
    facts: Entry

    @property
    def genuine(self) -> bool:
        return bool(self.facts["label"] == "real")


def load(folder: Path, split: str, *, leave_out: Sequence[str] = ()) -> list[FaceInMemory]:
    """Clips of a pack; dubs, whose faces nobody made, and some generators are left out."""
    return [
        FaceInMemory(clip.pictures, loudness_of(clip.audio, len(clip.pictures)), clip.facts)
        for clip in unpacked(folder)
        if clip.facts["split"] == split
        and DUB not in clip.facts["generator"]
        and clip.facts["generator"] not in leave_out
    ]


def stretch_of(frames: int, start: int) -> NDArray[np.int64]:
    """The frames that a stretch takes, (SPAN,); a clip that is too short goes back the way it came."""
    wanted = np.arange(start, start + SPAN)
    last = max(1, frames - 1)
    return np.minimum(np.abs((wanted + last) % (2 * last) - last), frames - 1)


def filmed_at(rate: float, phase: float) -> NDArray[np.int64]:
    """The frames of a stretch, (SPAN,), that a camera of ``rate`` frames a second would have left there."""
    shown = np.floor((np.floor(np.arange(SPAN) / 25 * rate + phase) - phase) / rate * 25 + 0.5)
    return np.clip(shown, 0, SPAN - 1).astype(np.int64)


def seen(crops: Frames) -> tuple[Tensor, Tensor]:
    """uint8 views (views, frames + 4, 64, 64) and pairs in colour (pairs, 2, 3, 144, 144)."""
    config = FaceConfig()
    return torch.from_numpy(pictures_of(crops, config.views, config.picture)), looks_of(crops)


def middle_of(face: FaceInMemory) -> tuple[Tensor, Tensor]:
    """Views and pairs of the stretch in the middle of a clip, batches of one (:func:`seen`)."""
    count = len(face.crops)
    views, looks = seen(face.crops[stretch_of(count, max(0, (count - SPAN) // 2))])
    return views[None], looks[None]


class Stretches(Dataset[Stretch]):
    """Stretches by number, genuine as often as false: views, pairs in colour, and 1 where it is false.

    There is no last one. Each follows from the seed and its number alone, so that a resumed run sees what it
    would have seen. Rare sources and generators are drawn more often than their share; some of what is false
    is pseudo-fakes of genuine clips.
    """

    def __init__(self, faces: Sequence[FaceInMemory], seed: int) -> None:
        self._faces, self._seed = faces, seed
        self._genuine = self._side(lambda face: face.genuine, "source")
        self._made = self._side(lambda face: not face.genuine, "generator")

    def _side(
        self, belongs: Callable[[FaceInMemory], bool], key: str
    ) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        rows = np.array([row for row, face in enumerate(self._faces) if belongs(face)], np.int64)
        weights = inverse_frequency_weights([self._faces[row].facts[key] for row in rows], EVENNESS)
        return rows, weights / weights.sum()

    def __getitem__(self, number: int) -> Stretch:
        random = self.chance(number)
        crops, false = self.cut(random)
        return (*seen(as_seen_elsewhere(crops, random)), torch.tensor(float(false)))

    def chance(self, number: int) -> Random:
        """What the stretch of this number is drawn by."""
        cv2.setNumThreads(1)  # there are as many workers as cores are to be used
        return np.random.default_rng([self._seed, number])

    def cut(self, random: Random) -> tuple[Frames, bool]:
        """A stretch (36, 144, 144, 3) of a clip, and whether it is false."""
        false = random.uniform() < 0.5
        rows, shares = self._made
        pseudo = false and (not rows.size or random.uniform() < PSEUDO_SHARE)
        if not false or pseudo:
            rows, shares = self._genuine
        face = self._faces[random.choice(rows, p=shares)]
        count = len(face.crops)
        wanted = stretch_of(count, int(random.integers(0, max(1, count - SPAN + 1))))
        crops = face.crops[wanted]
        if pseudo:
            crops = pseudo_fake(crops, face.loudness[wanted], random)
        if random.uniform() < FILMED_SHARE:
            crops = crops[filmed_at(float(random.choice(RATES)), float(random.uniform()))]
        return crops, false


class Pairs(Dataset[tuple[Tensor, Tensor]]):
    """The same stretches for the detail network alone: pairs in colour, and 1 where they are false.

    Only the frames that it looks at are degraded, which takes a quarter of the time.
    """

    def __init__(self, stretches: Stretches) -> None:
        self._stretches = stretches

    def __getitem__(self, number: int) -> tuple[Tensor, Tensor]:
        random = self._stretches.chance(number)
        crops, false = self._stretches.cut(random)
        pairs = pairs_of(len(crops))
        looked_at = as_seen_elsewhere(crops[pairs.ravel()], random)
        return as_looks(looked_at.reshape(*pairs.shape, *crops.shape[1:])), torch.tensor(float(false))


class Batches(Generic[Item]):
    """Batches of what is drawn by number, made by so many processes (none: by this one)."""

    def __init__(self, drawn: Dataset[Item], size: int, workers: int = 0) -> None:
        self._drawn, self._size, self._workers = drawn, size, workers

    def after(self, step: int) -> Iterator[Item]:
        """Those that follow the first ``step`` batches, without end."""
        loader = DataLoader(
            self._drawn,
            self._size,
            sampler=range(step * self._size, LAST),
            num_workers=self._workers,
            generator=torch.Generator(),  # or it would draw from what the networks draw from
        )
        return iter(loader)


def as_seen_elsewhere(crops: Frames, random: Random) -> Frames:
    """Crops (frames, side, side, 3) as other cameras, editors and web sites show them; some as they are."""
    if random.uniform() < DEGRADED_SHARE:
        return Degradation.drawn(random).apply(random_affine(colour_jitter(crops, random), random), random)
    return np.ascontiguousarray(crops[:, :, ::-1]) if random.uniform() < 0.5 else crops
