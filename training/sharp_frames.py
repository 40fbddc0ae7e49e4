"""Pairs of blurred and sharp pictures to learn from: sharp face crops blurred here, or two folders."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from outofsync.deblur.sharpness import sharpness
from training.blur import BlurSettings, Frame, Random, blur
from training.clips import PreparedClip

SHARP_FACE_PX = 150  # side of the crop in the source; a smaller one was enlarged and has no fine detail
SHARP_ABOVE = 0.16  # by outofsync.deblur.sharpness: what is learnt from must have something to lose
MARGIN = 12  # px around a patch that blur may draw from, so that its edges are blurred like the rest
PICTURES = {".png", ".jpg", ".jpeg", ".bmp", ".webp"}

Pair = tuple[Frame, Frame]  # blurred, sharp


class PairSource(Protocol):
    """Where training patches come from."""

    def draw(self, random: Random, side: int) -> Pair:
        """One random patch, (side, side, 3) twice."""
        ...


@dataclass(frozen=True)
class SharpFrame:
    """A face crop and the collection it comes from."""

    picture: Frame
    source: str


def sharp_frames(clips: Iterable[PreparedClip], *, each: int = 6, most: int = 400) -> list[SharpFrame]:
    """Frames spread over each clip whose face is large and sharp, at most ``most`` from any one source."""
    chosen: list[SharpFrame] = []
    taken: Counter[str] = Counter()
    for clip in clips:
        source = clip.facts["source"]
        if float(clip.facts["face_px"]) < SHARP_FACE_PX or taken[source] >= most:
            continue
        store, _ = clip.read()
        for index in np.linspace(0, len(store) - 1, min(each, len(store))).astype(int):
            picture = store.read(index, index + 1)
            if sharpness(picture)[0] >= SHARP_ABOVE:
                chosen.append(SharpFrame(picture[0], source))
                taken[source] += 1
    return chosen


class SyntheticPairs:
    """Patches of sharp frames, blurred anew each time; rare sources are drawn more often than their share."""

    def __init__(self, frames: Sequence[SharpFrame], settings: BlurSettings) -> None:
        self._frames = frames
        self._settings = settings
        counts = Counter(frame.source for frame in frames)
        weights = np.array([counts[frame.source] ** -0.5 for frame in frames])
        self._weights = weights / weights.sum()

    def draw(self, random: Random, side: int) -> Pair:
        frame = self._frames[int(random.choice(len(self._frames), p=self._weights))].picture
        (sharp,) = cut([turned(frame, random)], random, side + 2 * MARGIN)
        blurred = blur(sharp, random, self._settings)
        inner = slice(MARGIN, MARGIN + side)
        return blurred[inner, inner], sharp[inner, inner]


class PairedFolders:
    """Pictures of the same name and size in two folders, as for the published networks."""

    def __init__(self, pairs: Sequence[Pair]) -> None:
        self._pairs = pairs

    def draw(self, random: Random, side: int) -> Pair:
        blurred, sharp = cut(self._pairs[int(random.integers(len(self._pairs)))], random, side)
        return blurred, sharp


def read_pairs(blurred: Path, sharp: Path) -> list[Pair]:
    """Pairs by name; raises ValueError where a name lacks its other half or sizes differ."""
    names = [
        {path.name for path in folder.iterdir() if path.suffix.lower() in PICTURES}
        for folder in (blurred, sharp)
    ]
    if names[0] != names[1] or not names[0]:
        raise ValueError(
            f"pictures without a pair: {sorted(names[0] ^ names[1])[:5] or 'both folders are empty'}"
        )
    pairs = [(read_picture(blurred / name), read_picture(sharp / name)) for name in sorted(names[0])]
    if any(one.shape != other.shape for one, other in pairs):
        raise ValueError("the two pictures of a pair differ in size")
    return pairs


def read_picture(path: Path) -> Frame:
    """One picture file as RGB."""
    picture = cv2.imread(str(path), cv2.IMREAD_COLOR_RGB)
    if picture is None:
        raise ValueError(f"{path} is no picture")
    return np.asarray(picture, np.uint8)


def turned(frame: Frame, random: Random) -> Frame:
    """Mirrored every other time, and its brightness and contrast changed a little."""
    if random.uniform() < 0.5:
        frame = frame[:, ::-1]
    levels = np.arange(256) * random.uniform(0.75, 1.1) + random.uniform(-12, 12)
    table: NDArray[np.uint8] = np.clip(levels, 0, 255).astype(np.uint8)
    return np.ascontiguousarray(table[frame])


def cut(pictures: Sequence[Frame], random: Random, side: int) -> list[Frame]:
    """The same random square of every picture; smaller pictures are enlarged first."""
    height, width = pictures[0].shape[:2]
    if min(height, width) < side:
        scale = side / min(height, width)
        size = max(side, round(width * scale)), max(side, round(height * scale))
        return cut([np.asarray(cv2.resize(picture, size), np.uint8) for picture in pictures], random, side)
    top = int(random.integers(height - side + 1))
    left = int(random.integers(width - side + 1))
    return [picture[top : top + side, left : left + side] for picture in pictures]
