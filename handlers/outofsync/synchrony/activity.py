"""Whether a mouth moves against its face: a photograph or a listener gives synchrony nothing to judge.

A photograph under a moving camera changes everywhere, and as one plane does: two of its pictures differ by an
affine map (found as Lucas and Kanade do, by least squares), a change of light, and noise. A mouth that speaks
is what remains of the difference, there and nowhere else in the face.
"""

from __future__ import annotations

from itertools import cycle

import cv2
import numpy as np
from numpy.typing import NDArray

from outofsync.constants import FACE_SIZE, MOUTH_CENTRE
from outofsync.frames import FrameStore

Picture = NDArray[np.float32]  # (size, size), grey
Pixels = NDArray[np.float32]  # those of a picture that show the face, in a row

_PAIRS = 60  # looked at, spread over the track
# Frames between the two pictures of a pair, in turn: 200 or 280 ms, in which lips get as far as they go. Two
# because syllables that come as regularly as pairs are apart would look like a mouth at rest.
_APART = (5, 7)
# The percentile that counts. People pause, so 95 of 100 pairs may show a mouth at rest; the three most lively
# of 60 may be a codec's mishaps.
_LIVELY = 95
_SMOOTHING_PX = 1.0  # at the fine size; takes off most of a codec's noise, which is uncorrelated
# Sides of the pictures that are matched: the coarse one finds movements of up to 16 px of the crop.
_COARSE, _FINE = 28, 80
_COARSE_ROUNDS, _FINE_ROUNDS = 5, 4
_RARE, _LEAST_ERROR = 3.0, 0.5  # times the median error, and grey values more: what counts by half
_STEADY_LIGHT = 0.1  # pairs that differ more in brightness are not looked at: a flash clips, beyond any gain
_LEAST_CONTRAST = 2.0  # grey values: what is nearly black or white has only noise to show
_RIDGE = 1.0  # keeps an empty picture's equations solvable, and is nothing beside a real one's


class _Plane:
    """A face crop at one size: which of its pixels show the face, and which of those the mouth."""

    def __init__(self, size: int) -> None:
        self.size = size
        y, x = ((2 * np.mgrid[0:size, 0:size] + 1) / size - 1).astype(np.float32)  # from −1 to 1
        mouth_x, mouth_y = (2 * place / FACE_SIZE - 1 for place in MOUTH_CENTRE)
        right, down = x - mouth_x, y - mouth_y
        face = (x / 0.72) ** 2 + (y / 0.92) ** 2 < 1
        self._pixels = np.flatnonzero(face)
        self._x, self._y = x[face], y[face]
        self.mouth = ((right / 0.32) ** 2 + (down / 0.24) ** 2 < 1)[face]
        # Cheeks and chin move with the lips, so they count for neither.
        self.rest = ~((np.abs(right) < 0.36) & (down > -0.22) & (down < 0.3))[face]

    def face(self, picture: Picture) -> Pixels:
        """The pixels that show the face."""
        return picture.ravel()[self._pixels]

    def match(
        self, first: Picture, second: Picture, motion: NDArray[np.float32], rounds: int
    ) -> tuple[NDArray[np.float32], Pixels]:
        """Fit the second picture to the first, from a motion on: (motion, what remains of the face's pixels).

        A motion is px by (1, x, y) to the right, then downwards. The whole face is fitted, mouth too, so that
        a photograph is explained to the last pixel. The last round counts each pixel by how well the round
        before explained it: a blink or a word must not move the face.
        """
        right = self.face(cv2.Sobel(first, cv2.CV_32F, 1, 0, ksize=3, scale=1 / 8).astype(np.float32))
        down = self.face(cv2.Sobel(first, cv2.CV_32F, 0, 1, ksize=3, scale=1 / 8).astype(np.float32))
        along = [slope * by for slope in (right, down) for by in (np.ones_like(right), self._x, self._y)]
        causes = np.stack([*along, self.face(first), np.ones_like(right)])
        remains = np.zeros_like(right)
        solution = _solution(causes, np.ones_like(right))
        for number in range(rounds):
            if number == rounds - 1:
                solution = _solution(causes, _trust(remains))
            seen = self.face(self._moved(second, motion))
            shares = solution @ seen
            remains = seen - shares @ causes
            motion = motion - shares[:6]
        return motion, remains

    def _moved(self, picture: Picture, motion: NDArray[np.float32]) -> Picture:
        """What lies where each pixel has gone."""
        slopes, middle = motion.reshape(2, 3)[:, 1:] * (2 / self.size), (self.size - 1) / 2
        shift = motion[[0, 3]] - slopes.sum(1) * middle
        return cv2.warpAffine(
            picture,
            np.column_stack([np.eye(2) + slopes, shift]),
            (self.size, self.size),
            flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
            borderMode=cv2.BORDER_REPLICATE,
        ).astype(np.float32, copy=False)


def _solution(causes: NDArray[np.float32], weights: Pixels) -> NDArray[np.float32]:
    """(causes, pixels) → the same: times what is seen, how much of each cause explains it best."""
    weighted = causes * weights
    equations = (weighted @ causes.T).astype(np.float64) + _RIDGE * np.eye(len(causes))
    solution: NDArray[np.float32] = np.linalg.inv(equations).astype(np.float32) @ weighted
    return solution


def _trust(remains: Pixels) -> Pixels:
    """Weights (Cauchy's): a half where a pixel is off by what is rare in this picture."""
    rare = _RARE * float(np.median(np.abs(remains))) + _LEAST_ERROR
    weights: Pixels = (1 / (1 + np.square(remains / rare))).astype(np.float32)
    return weights


_COARSELY, _FINELY = _Plane(_COARSE), _Plane(_FINE)


def mouth_motion(frames: FrameStore) -> float:
    """How much mouths in pictures a syllable apart differ beyond the rest of the face, where most of all.

    In percent of the face's contrast, once the face's own movement and the light's are taken out: about 0
    for a photograph, however it is moved; 6 and more for people who speak. A head that turns while its mouth
    rests may come out below 0.
    """
    last = len(frames) - 1
    if last < 1:
        return 0.0
    starts = np.unique(np.linspace(0, max(0, last - max(_APART)), _PAIRS).astype(int)).tolist()
    pairs = np.array(
        [
            _change(_grey(frames, start), _grey(frames, min(last, start + apart)))
            for start, apart in zip(starts, cycle(_APART))
        ]
    )
    changes, lights = pairs.T
    steady = np.abs(lights) <= _STEADY_LIGHT
    return float(np.percentile(changes[steady] if steady.any() else changes, _LIVELY))


def _grey(frames: FrameStore, index: int) -> Picture:
    grey = cv2.cvtColor(frames.read(index, index + 1)[0], cv2.COLOR_RGB2GRAY)
    return cv2.GaussianBlur(_small(grey.astype(np.float32), _FINE), (0, 0), _SMOOTHING_PX).astype(
        np.float32, copy=False
    )


def _small(picture: Picture, size: int) -> Picture:
    return cv2.resize(picture, (size, size), interpolation=cv2.INTER_AREA).astype(np.float32, copy=False)


def _change(first: Picture, second: Picture) -> tuple[float, float]:
    """By what the mouth changes more than the rest of the face, in percent of contrast, and light changes."""
    motion, _ = _COARSELY.match(
        _small(first, _COARSE), _small(second, _COARSE), np.zeros(6, np.float32), _COARSE_ROUNDS
    )
    _, remains = _FINELY.match(first, second, motion * (_FINE / _COARSE), _FINE_ROUNDS)
    change = np.abs(remains)
    beyond = float(change[_FINELY.mouth].mean() - change[_FINELY.rest].mean())
    before, after = _FINELY.face(first), _FINELY.face(second)
    light = (float(after[_FINELY.rest].mean()) + 1) / (float(before[_FINELY.rest].mean()) + 1)
    return 100 * beyond / (float(before.std()) + _LEAST_CONTRAST), light - 1
