"""Faces: detection on some frames, tracking between them, smoothed and levelled square crops."""

from outofsync.faces.detector import Detection, FaceDetector, RetinaFaceDetector
from outofsync.faces.settings import FaceSettings
from outofsync.faces.tracker import FaceTracker

__all__ = ["Detection", "FaceDetector", "FaceSettings", "FaceTracker", "RetinaFaceDetector"]
