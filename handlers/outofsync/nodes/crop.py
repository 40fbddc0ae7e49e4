"""What the first node does before any network of ours: files in, faces as they were filmed out.

It needs no weights and no graphics card, so work on catalogues does it where processors are cheap.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from outofsync.clip import Clip
from outofsync.deblur.sharpness import BLURRY_BELOW, SMOOTHING_FRAMES, sharpness_of
from outofsync.faces import FaceDetector, RetinaFaceDetector
from outofsync.limits import Limits
from outofsync.nodes.request import Failure, Request, attempt
from outofsync.options import Options
from outofsync.preparation import prepare
from outofsync.progress import Progress, Step
from outofsync.spool import SpoolFile


class CropNode:
    """Decodes, finds faces and measures blur, each request of a batch in a thread of its own."""

    def __init__(self, detector: FaceDetector, limits: Limits, *, blurry_below: float = BLURRY_BELOW) -> None:
        """``blurry_below`` is the sharpness below which the next node is likely to restore."""
        self._detector = detector
        self._limits = limits
        self._blurry_below = blurry_below

    @classmethod
    def load(cls, settings: Mapping[str, Any]) -> Self:
        """``settings`` may hold ``threads`` and ``limits``."""
        return cls(
            RetinaFaceDetector(threads=settings.get("threads") or 1),
            Limits.from_settings(settings.get("limits")),
        )

    def run(self, requests: Sequence[Request]) -> list[bytes]:
        """A clip for each request, for :meth:`DeblurNode.run_clips`; one that failed holds its error."""
        if not requests:
            return []
        with ThreadPoolExecutor(len(requests)) as pool:
            clips = list(pool.map(lambda request: attempt(request, self.crop), requests))
        return [
            (
                Clip.failed(clip.error, request_id=request.request_id) if isinstance(clip, Failure) else clip
            ).to_bytes()
            for clip, request in zip(clips, requests, strict=True)
        ]

    def crop(self, request: Request, file: SpoolFile | None = None) -> Clip:
        """The clip of one request, its crops in ``file`` where one is given. Raises what ``prepare`` does."""
        options = Options.parse(request.options)
        arrival = request.arrival()
        crops = _Crops(self._blurry_below)
        clip = prepare(
            request.data,
            options,
            self._limits,
            self._detector,
            file=file,
            measure=crops.measure,
            progress=request.progress,
            foresee=lambda share: crops.foresee(request.progress, options, share),
        )
        request.release()
        clip.request_id = request.request_id
        clip.timing_ms = arrival | clip.timing_ms
        return clip


class _Crops:
    """Counts the crops of one request, from which follows how much there will be to do."""

    def __init__(self, blurry_below: float) -> None:
        self._blurry_below = blurry_below
        self._count = self._blurry = 0
        self._lately: deque[float] = deque(maxlen=SMOOTHING_FRAMES)

    def measure(self, picture: NDArray[np.uint8]) -> float:
        """The sharpness of a (height, width, 3) crop."""
        value = sharpness_of(picture)
        self._count += 1
        self._lately.append(value)
        median = sorted(self._lately)[len(self._lately) // 2]  # as the next node decides, or nearly
        self._blurry += median < self._blurry_below
        return value

    def foresee(self, progress: Progress, options: Options, share: float) -> None:
        """Tell what there will be to do, if the rest of the video is like the ``share`` that was seen."""
        crops = round(self._count / share)
        restored = {"never": 0, "always": crops}.get(options.deblur, self._blurry / share)
        progress.expect(Step.DEBLUR, restored)
        progress.expect(Step.COMPARE, crops)
        progress.expect(Step.SCORE, crops)
