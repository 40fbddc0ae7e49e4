"""One face on its way through the video: where it was detected, and its crops."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from outofsync.faces.detector import Detection
from outofsync.faces.geometry import CropBox, crop, crop_box
from outofsync.faces.settings import FaceSettings
from outofsync.frames import JpegFrames


class FacePath:
    """Detections of one face (``first`` … ``last``, in frames) and the crops cut along them."""

    def __init__(self, frame: int, face: Detection, settings: FaceSettings, crops: JpegFrames) -> None:
        self._settings = settings
        self._times: list[int] = []
        self._places: list[NDArray[np.float64]] = []
        self.first = frame
        self.crops = crops
        self.sharpness: list[float] = []
        self.boxes: list[NDArray[np.float32]] = []
        self.add(frame, face)

    def add(self, frame: int, face: Detection) -> None:
        """The face was seen again."""
        self._times.append(frame)
        self._places.append(crop_box(face, self._settings.crop_scale).as_array())
        self.box = face.box
        self.last = frame

    def cut(self, frame: int, picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """The crop of one frame, (size, size, 3); frames come in order."""
        place = self._place(frame)
        self.boxes.append(place.corners)
        return crop(picture, place)

    @property
    def area_seen(self) -> float:
        """Square pixels times frames: how much of the video this face is."""
        return sum(float(box[2] - box[0]) ** 2 for box in self.boxes)

    def _place(self, frame: int) -> CropBox:
        """A mean of the interpolated detections around a frame, with weights that fall off linearly."""
        span = self._settings.smoothing_span
        self._forget_before(frame - span)
        moments = np.arange(frame - span, frame + span + 1)
        moments = moments[(moments >= self.first) & (moments <= max(self.last, frame))]
        weights = 1.0 - np.abs(moments - frame) / (span + 1)
        places = np.stack(self._places)
        steady = [
            float(np.average(np.interp(moments, self._times, column), weights=weights)) for column in places.T
        ]
        return CropBox(*steady)

    def _forget_before(self, frame: int) -> None:
        """Let go detections that no later crop looks at; the newest of them still anchors interpolation."""
        while len(self._times) > 1 and self._times[1] <= frame:
            del self._times[0], self._places[0]
