"""The face detector behind its interface: RetinaFace, whose weights come inside its PyPI wheel."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Protocol

import cv2
import numpy as np
import onnxruntime
from numpy.typing import NDArray
from retinaface.weights import WEIGHTS

from outofsync.faces.anchors import LARGEST_STEP, decode_faces
from outofsync.faces.settings import FaceSettings

MEAN_BGR = (104.0, 117.0, 127.0)


@dataclass(frozen=True, slots=True)
class Detection:
    """One face: box (4,) x0, y0, x1, y1 and landmarks (5, 2), in pixels of the frame.

    Landmarks: the eye on the left of the picture, the other eye, the nose, the corners of the mouth.
    """

    score: float
    box: NDArray[np.float32]
    landmarks: NDArray[np.float32]

    @property
    def eyes(self) -> NDArray[np.float32]:
        """(2, 2): x, y of either, in pixels of the frame."""
        return self.landmarks[:2]

    @property
    def mouth(self) -> NDArray[np.float32]:
        """(2, 2): x, y of either corner, in pixels of the frame."""
        return self.landmarks[3:5]


Region = tuple[int, int, int, int]  # x0, y0, x1, y1 in pixels of a frame


class FaceDetector(Protocol):
    """Anything that finds faces with five landmarks."""

    def detect(self, frame: NDArray[np.uint8], region: Region | None = None) -> list[Detection]:
        """Faces in one (height, width, 3) RGB frame, or only in a region of it, best first."""
        ...


class RetinaFaceDetector:
    """MobileNet RetinaFace: 330 of 330 faces found in the trial that chose it."""

    def __init__(self, settings: FaceSettings | None = None, *, threads: int = 1) -> None:
        self._settings = settings or FaceSettings()
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        self._session = onnxruntime.InferenceSession(WEIGHTS, options, providers=["CPUExecutionProvider"])

    def detect(self, frame: NDArray[np.uint8], region: Region | None = None) -> list[Detection]:
        """As :meth:`FaceDetector.detect`: uint8 (height, width, 3) RGB; boxes and landmarks in its pixels."""
        scale = self._scale(max(frame.shape[:2]))
        whole = (0, 0, frame.shape[1], frame.shape[0])
        left, top, right, bottom = whole if region is None else _aligned(region, whole, scale)
        picture = _resized(frame[top:bottom, left:right], scale)
        # Channels first, blue first, less the mean colour of the pictures that the network learned from.
        blob = cv2.dnn.blobFromImage(picture, mean=MEAN_BGR, swapRB=True)
        outputs = self._session.run(None, {"input": blob})
        height, width = picture.shape[:2]
        scores, boxes, landmarks = decode_faces(
            (outputs[0], outputs[1], outputs[2]), width, height, self._settings.score_threshold
        )
        # The picture's pixels are whole ones, so its scale may differ a little from what was asked for.
        factor = np.array([(right - left) / width, (bottom - top) / height], np.float32)
        corner = np.array([left, top], np.float32)
        boxes = boxes * np.tile(factor, 2) + np.tile(corner, 2)
        landmarks = landmarks * factor + corner
        return [Detection(*face) for face in zip(scores.tolist(), boxes, landmarks, strict=True)]

    def _scale(self, longer_side: int) -> float:
        settings = self._settings
        if longer_side > settings.detect_side_max:
            return settings.detect_side_max / longer_side
        if longer_side < settings.detect_side_min:
            return settings.detect_side_min / longer_side
        return 1.0


def _aligned(region: Region, whole: Region, scale: float) -> Region:
    """The least region around one whose anchors stand where they do in the whole frame.

    Landmarks move by some hundredths of a face's size when anchors stand elsewhere.
    """
    step = LARGEST_STEP / scale
    low = [round(math.floor(side / step) * step) for side in region[:2]]
    high = [round(math.ceil(side / step) * step) for side in region[2:]]
    return low[0], low[1], min(high[0], whole[2]), min(high[1], whole[3])


def _resized(picture: NDArray[np.uint8], scale: float) -> NDArray[np.uint8]:
    if scale == 1.0:
        return np.ascontiguousarray(picture)
    method = cv2.INTER_AREA if scale < 1.0 else cv2.INTER_LINEAR
    height, width = (max(1, round(side * scale)) for side in picture.shape[:2])
    return np.asarray(cv2.resize(picture, (width, height), interpolation=method), np.uint8)
