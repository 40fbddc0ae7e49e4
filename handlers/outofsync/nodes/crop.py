"""What the first node does before any network of ours: files in, faces as they were filmed out.

It needs no weights and no graphics card, so work on catalogues does it where processors are cheap.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Self

from outofsync.clip import Clip
from outofsync.deblur.sharpness import sharpness_of
from outofsync.faces import FaceDetector, RetinaFaceDetector
from outofsync.limits import Limits
from outofsync.nodes.request import Failure, Request, attempt
from outofsync.options import Options
from outofsync.preparation import prepare
from outofsync.spool import SpoolFile


class CropNode:
    """Decodes, finds faces and measures blur, each request of a batch in a thread of its own."""

    def __init__(self, detector: FaceDetector, limits: Limits) -> None:
        self._detector = detector
        self._limits = limits

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
        clip = prepare(
            request.data,
            options,
            self._limits,
            self._detector,
            file=file,
            measure=sharpness_of,
            progress=request.progress,
        )
        request.release()
        clip.request_id = request.request_id
        clip.timing_ms = arrival | clip.timing_ms
        return clip
