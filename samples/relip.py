"""Lips re-made for another sentence, as re-lipping tools leave them: coarse, pasted into genuine frames."""

from collections.abc import Iterable, Iterator
from dataclasses import replace

import cv2
import numpy as np
from numpy.typing import NDArray

from samples.articulation.mouth_track import MouthTrack

GENERATED_SIDE = 96  # px to which such tools make a face, whatever its size in the video
CHANGED = 12.0  # grey values by which two frames differ where only their lips do
GROWN, SOFT = 0.03, 0.012  # of the picture's side: how far around the lips is replaced, and how softly


def other_words(genuine: MouthTrack, words: MouthTrack) -> MouthTrack:
    """The mouth of other words on a head that goes on moving to the genuine ones."""
    return replace(words, voice=genuine.voice)


def relipped(
    genuine: Iterable[NDArray[np.uint8]], spoken: Iterable[NDArray[np.uint8]], *, face: float = 0.5
) -> Iterator[NDArray[np.uint8]]:
    """Genuine frames with the lips of others.

    Args:
        genuine: (side, side, 3) uint8 RGB.
        spoken: The same head in the same poses, saying something else.
        face: Side of the face, of the picture's.

    Yields:
        (side, side, 3) uint8 RGB.
    """
    for frame, other in zip(genuine, spoken, strict=True):
        mask = _lips(frame, other)
        coarse = _coarse(other, face)
        yield np.rint(frame + mask * (coarse - frame.astype(np.float32))).clip(0, 255).astype(np.uint8)


def _lips(frame: NDArray[np.uint8], other: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Where two frames of one pose differ and a little around, softly: (side, side, 1)."""
    side = len(frame)
    apart = np.abs(frame.astype(np.float32) - other).mean(2)
    apart = cv2.GaussianBlur(apart, (0, 0), 0.006 * side)
    reach = 2 * round(GROWN * side) + 1
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (reach, reach))
    grown = cv2.dilate((apart > CHANGED).astype(np.float32), kernel)
    return np.asarray(cv2.GaussianBlur(grown, (0, 0), SOFT * side), np.float32)[..., None]


def _coarse(frame: NDArray[np.uint8], face: float) -> NDArray[np.float32]:
    """A frame as it comes from a face of 96 px."""
    side = len(frame)
    small = round(GENERATED_SIDE / face)
    less = cv2.resize(frame, (small, small), interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.resize(less, (side, side), interpolation=cv2.INTER_CUBIC), np.float32)
