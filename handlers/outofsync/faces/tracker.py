"""Follow faces through a video and cut their crops, in one pass and with bounded memory.

Detection runs on every ``detect_every``-th frame and at each cut, most of the time near the faces that are
followed only. Frames wait in a short buffer until the detections that steady their crop have arrived, are
cropped, and are let go.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from outofsync.clip import Track
from outofsync.faces.detector import Detection, FaceDetector, Region
from outofsync.faces.geometry import face_height, overlap, surroundings
from outofsync.faces.path import FacePath
from outofsync.faces.settings import FaceSettings
from outofsync.frames import ByteStore, Frames, JpegFrames
from outofsync.timing import Stopwatch

Measure = Callable[[NDArray[np.uint8]], float]  # how sharp one (height, width, 3) crop is

_THUMBNAIL = (32, 18)
_CUT = 45.0  # mean absolute difference of two thumbnails, of 255; motion and flashes stay below


class FaceTracker:
    """Push frames in order, then :meth:`finish`."""

    def __init__(
        self,
        detector: FaceDetector,
        settings: FaceSettings | None = None,
        *,
        most_tracks: int = 8,
        store: ByteStore | None = None,
        measure: Measure | None = None,
        watch: Stopwatch | None = None,
    ) -> None:
        """Crops are kept in ``store`` (None: in memory); ``measure`` says how sharp each one is.

        ``watch`` is told how long ``detect``, ``crop``, ``sharpness`` and ``code`` took.
        """
        self._detector = detector
        self._store = store
        self._measure = measure
        self._watch = watch or Stopwatch()
        self._settings = settings or FaceSettings()
        self._most_tracks = most_tracks
        self._cuts = CutFinder()
        self._following: list[FacePath] = []
        self._ended: list[FacePath] = []
        self._leaving: list[FacePath] = []  # those of them that frames yet to be cropped still show
        self._waiting: deque[NDArray[np.uint8]] = deque()
        self._arrived = 0  # frames pushed
        self._last_detection = 0
        self._last_search = 0  # of the whole picture
        self._cropped = 0
        self.dropped_frames = 0  # crops left out because the video holds too many faces

    def push(self, frames: Frames) -> None:
        """Take the next uint8 (frames, height, width, 3) RGB frames."""
        every = self._settings.detect_every
        for frame in frames:
            if self._cuts.is_cut(frame):
                self._end_all()
                self._detect(frame)
            elif self._arrived == 0 or self._arrived - self._last_detection >= every:
                self._detect(frame)
            self._waiting.append(frame)
            self._arrived += 1
            self._crop_until(self._arrived - self._settings.lookahead)

    def skip(self, count: int) -> None:
        """Frames that the video lacks: nobody is followed across them."""
        self._end_all()
        self._crop_until(self._arrived)
        self._arrived += count
        self._last_detection = self._last_search = self._arrived - self._settings.search_every
        self._cuts = CutFinder()

    def finish(self) -> list[Track]:
        """The tracks that can be scored, at most ``most_tracks`` (the most seen), by their start."""
        self._end_all()
        self._crop_until(self._arrived)
        paths = [path for path in self._ended if len(path.crops) >= self._settings.shortest_track]
        paths.sort(key=lambda path: path.area_seen, reverse=True)
        self.dropped_frames += sum(len(path.crops) for path in paths[self._most_tracks :])
        kept = sorted(paths[: self._most_tracks], key=lambda path: path.first)
        return [
            Track(number, path.first, path.crops, np.stack(path.boxes), np.array(path.sharpness, np.float32))
            for number, path in enumerate(kept)
        ]

    def _end_all(self) -> None:
        """End every track here; a face in the last detection is taken to have stayed until now."""
        for path in self._following:
            if path.last == self._last_detection:
                path.last = self._arrived - 1
        self._end(self._following)
        self._following = []

    def _end(self, paths: Sequence[FacePath]) -> None:
        self._ended += paths
        self._leaving += paths

    def _detect(self, frame: NDArray[np.uint8]) -> None:
        settings, now = self._settings, self._arrived
        self._last_detection = now
        faces = self._find(frame)
        newcomers = self._match(faces)
        lost = [
            path for path in self._following if now - path.last > settings.lost_after * settings.detect_every
        ]
        self._end(lost)
        self._following = [path for path in self._following if path not in lost]
        self._following += [
            FacePath(now, face, settings, JpegFrames(store=self._store)) for face in newcomers
        ]

    def _find(self, frame: NDArray[np.uint8]) -> list[Detection]:
        """The faces in a frame, the largest first.

        Faces that are followed are looked for where they were; where one is missed, and every second, the
        whole picture is searched.
        """
        due = self._arrived - self._last_search >= self._settings.search_every
        region = None if due else self._region(frame)
        if region is not None:
            faces = self._look(frame, region)
            if len(faces) >= len(self._following):
                return faces
        self._last_search = self._arrived
        return self._look(frame, None)

    def _look(self, frame: NDArray[np.uint8], region: Region | None) -> list[Detection]:
        with self._watch.stage("detect"):
            detections = self._detector.detect(frame, region)
        found = [face for face in detections if face_height(face) >= self._settings.smallest_face_px]
        return sorted(found, key=face_height, reverse=True)[: self._most_tracks]

    def _region(self, frame: NDArray[np.uint8]) -> Region | None:
        """What holds all followed faces and their surroundings; None for (nearly) the whole picture."""
        if not self._following:
            return None
        height, width = frame.shape[:2]
        region = surroundings(
            [path.box for path in self._following], self._settings.search_margin, width, height
        )
        area = (region[2] - region[0]) * (region[3] - region[1])
        return region if area <= self._settings.largest_region * width * height else None

    def _match(self, faces: list[Detection]) -> list[Detection]:
        """Give each face to the path it overlaps most; returns the faces nobody followed yet."""
        pairs = sorted(
            (
                (overlap(path.box, face.box), p, f)
                for p, path in enumerate(self._following)
                for f, face in enumerate(faces)
            ),
            reverse=True,
        )
        paths_left, faces_left = set(range(len(self._following))), set(range(len(faces)))
        for shared, p, f in pairs:
            if shared >= self._settings.overlap and p in paths_left and f in faces_left:
                self._following[p].add(self._arrived, faces[f])
                paths_left.remove(p)
                faces_left.remove(f)
        return [faces[f] for f in sorted(faces_left)]

    def _crop_until(self, stop: int) -> None:
        """Crop and let go the waiting frames before ``stop``."""
        number = self._arrived - len(self._waiting)
        while number < stop:
            frame = self._waiting.popleft()
            self._leaving = [path for path in self._leaving if number <= path.last]
            for path in (*self._leaving, *self._following):
                if not path.first <= number <= path.last:
                    continue
                if self._cropped < self._settings.most_track_frames:
                    self._cut(path, number, frame)
                    self._cropped += 1
                else:
                    self.dropped_frames += 1
            number += 1

    def _cut(self, path: FacePath, number: int, frame: NDArray[np.uint8]) -> None:
        """Cut, measure and keep the crop of one face in one frame."""
        with self._watch.stage("crop"):
            picture = path.cut(number, frame)
        if self._measure is not None:
            with self._watch.stage("sharpness"):
                path.sharpness.append(self._measure(picture))
        with self._watch.stage("code"):
            path.crops.append(picture)


class CutFinder:
    """Compares each frame with the one before: nobody is followed from one shot into another person's."""

    def __init__(self) -> None:
        self._before: NDArray[np.int16] | None = None

    def is_cut(self, frame: NDArray[np.uint8]) -> bool:
        """Whether this (height, width, 3) frame begins a new shot."""
        thumbnail = cv2.resize(frame, _THUMBNAIL, interpolation=cv2.INTER_NEAREST).astype(np.int16)
        before, self._before = self._before, thumbnail
        return before is not None and float(np.abs(thumbnail - before).mean()) > _CUT
