"""What the face network sees of a face crop; training and serving share this module."""

from __future__ import annotations

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from outofsync.appearance.texture import SIDE
from outofsync.frames import Frames
from outofsync.synchrony.embedding.inputs import normalise_pictures

# Rows and columns of each view, in px of a crop of 144 px.
VIEWS = {
    "mouth": (slice(62, 134), slice(36, 108)),
    "whole": (slice(0, SIDE), slice(0, SIDE)),
}


def pictures_of(crops: Frames, views: tuple[str, ...], side: int) -> NDArray[np.uint8]:
    """uint8 (frames, 144, 144, 3) crops → uint8 (views, frames, side, side) grey."""
    pictures = np.empty((len(views), len(crops), side, side), np.uint8)
    for number, crop in enumerate(crops):
        grey = cv2.cvtColor(crop, cv2.COLOR_RGB2GRAY)
        for picture, view in zip(pictures[:, number], views, strict=True):
            picture[...] = cv2.resize(grey[VIEWS[view]], (side, side), interpolation=cv2.INTER_AREA)
    return pictures


def normalised(pictures: NDArray[np.uint8]) -> Tensor:
    """uint8 grey of any shape → float32 of the same, as the front takes it."""
    return normalise_pictures(torch.from_numpy(pictures).float())
