"""Pictures of a head which speaks: `render` turns the movements of a mouth into frames."""

from collections.abc import Iterator

import cv2
import numpy as np
from numpy.typing import NDArray

from samples.articulation.gestures import Gestures, gestures
from samples.articulation.mouth_track import MouthTrack
from samples.head.canvas import Image
from samples.head.identity import Identity, random_identity
from samples.head.mouth import lips_of
from samples.head.portrait import Portrait
from samples.head.pose import Pose


def render(
    track: MouthTrack, seed: int, *, size: int = 256, woman: bool | None = None
) -> Iterator[NDArray[np.uint8]]:
    """Film somebody who does not exist, at 25 frames a second.

    Args:
        track: The movements of the mouth.
        seed: Of the person, the room and the gestures; the same seed gives the same frames.
        size: Width and height in pixels, a multiple of 4.
        woman: Who speaks; by default the seed decides.

    Yields:
        (size, size, 3) uint8 RGB.
    """
    rng = np.random.default_rng(seed)
    who = random_identity(rng, woman=woman)
    portrait = Portrait(who, size, rng)
    moves = gestures(track.voice, rng)
    camera = _Camera(size, rng)
    for index in range(len(track)):
        yield camera.photograph(_frame(portrait, who, track, moves, index))


def _frame(portrait: Portrait, who: Identity, track: MouthTrack, moves: Gestures, index: int) -> Image:
    lips = lips_of(
        who,
        jaw=track.jaw[index],
        gap=track.gap[index],
        spread=track.spread[index],
        pucker=track.pucker[index],
        tongue=track.tongue[index],
        tuck=track.tuck[index],
    )
    pose = Pose(
        moves.yaw[index],
        moves.pitch[index],
        moves.roll[index],
        moves.shift_x[index],
        moves.shift_y[index],
        moves.scale[index],
    )
    gaze = (moves.gaze_x[index], moves.gaze_y[index])
    return portrait.frame(lips, pose, shut=moves.lids[index], brows=moves.brows[index], gaze=gaze)


class _Camera:
    """Focus, exposure and the noise of the sensor."""

    def __init__(self, size: int, rng: np.random.Generator) -> None:
        self._rng = rng
        self._blur = rng.uniform(0.0, 0.0035) * size
        self._gain = rng.uniform(0.8, 1.25) * np.exp(rng.normal(0, 0.02, 3))
        self._noise = rng.uniform(0.3, 2.8)
        contrast = rng.uniform(0.9, 1.2)
        self._curve = np.clip(128 + contrast * (np.arange(256) - 128), 0, 255).astype(np.uint8)

    def photograph(self, picture: Image) -> NDArray[np.uint8]:
        """A frame as the camera saves it, (h, w, 3) uint8, of a picture 0–255."""
        if self._blur > 0.3:
            picture = np.asarray(cv2.GaussianBlur(picture, (0, 0), self._blur), np.float32)
        grain = self._rng.standard_normal(picture.shape[:2], np.float32) * np.float32(self._noise)
        exposed = np.clip(picture * self._gain.astype(np.float32) + grain[..., None], 0, 255)
        return np.asarray(cv2.LUT(exposed.astype(np.uint8), self._curve), np.uint8)
