"""The face detector behind its interface: RetinaFace, whose weights come inside its PyPI wheel."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import cv2
import numpy as np
import onnxruntime
import retinaface
from numpy.typing import NDArray
from retinaface.weights import WEIGHTS

from outofsync.faces.settings import FaceSettings


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
        return self.landmarks[:2]

    @property
    def mouth(self) -> NDArray[np.float32]:
        return self.landmarks[3:5]


class FaceDetector(Protocol):
    """Anything that finds faces with five landmarks."""

    def detect(self, frame: NDArray[np.uint8]) -> list[Detection]:
        """Faces in one (height, width, 3) RGB frame, best first."""
        ...


class RetinaFaceDetector:
    """MobileNet RetinaFace: 330 of 330 faces found in the trial that chose it."""

    def __init__(self, settings: FaceSettings | None = None, *, threads: int = 1) -> None:
        self._settings = settings or FaceSettings()
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        # The package builds its one session on first use, with a thread for every core: give it ours.
        retinaface.ONNX_SESSION = onnxruntime.InferenceSession(
            WEIGHTS, options, providers=["CPUExecutionProvider"]
        )

    def detect(self, frame: NDArray[np.uint8]) -> list[Detection]:
        scale = self._scale(max(frame.shape[:2]))
        if scale != 1.0:
            method = cv2.INTER_AREA if scale < 1.0 else cv2.INTER_LINEAR
            height, width = (max(1, round(side * scale)) for side in frame.shape[:2])
            picture = cv2.resize(frame, (width, height), interpolation=method)
        else:
            picture = frame
        faces = retinaface.detect_faces(picture, score_threshold=self._settings.score_threshold)
        return [self._detection(face, 1.0 / scale) for face in faces]

    def _scale(self, longer_side: int) -> float:
        settings = self._settings
        if longer_side > settings.detect_side_max:
            return settings.detect_side_max / longer_side
        if longer_side < settings.detect_side_min:
            return settings.detect_side_min / longer_side
        return 1.0

    @staticmethod
    def _detection(face: Any, scale: float) -> Detection:
        box = np.array([face.x, face.y, face.x + face.width, face.y + face.height], np.float32)
        points = np.array([(point.x, point.y) for point in face.landmarks], np.float32)
        # The package rounds down to whole pixels; half a pixel more is right on average.
        return Detection(face.score, box * scale, (points + 0.5) * scale)
