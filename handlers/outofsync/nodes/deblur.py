"""Node 1: video files in, clips of faces out, the blurry ones restored."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Self

import numpy as np

from outofsync.checkpoints.store import Checkpoint
from outofsync.clip import Clip, Frames, FrameStore, Track
from outofsync.deblur.restorer import Restorer
from outofsync.deblur.sharpness import blurry_frames, sharpness
from outofsync.faces import FaceDetector, RetinaFaceDetector
from outofsync.limits import Limits
from outofsync.media import Decoder
from outofsync.media.encode import encode_video
from outofsync.nodes.request import Failure, Request, attempt
from outofsync.options import Options
from outofsync.preparation import prepare
from outofsync.timing import Stopwatch

FRAMES_AT_ONCE = 64  # crops held uncoded while they are measured or restored


class DeblurNode:
    """Decodes, finds faces, measures blur and restores; one pass of the network serves the whole batch."""

    def __init__(
        self, restorer: Restorer, detector: FaceDetector, limits: Limits, model: dict[str, str]
    ) -> None:
        self._restorer = restorer
        self._detector = detector
        self._limits = limits
        self._model = model

    @classmethod
    def load(cls, model_dir: Path, device: str, settings: dict[str, Any]) -> Self:
        """Read ``deblur.safetensors``; ``settings`` may hold ``threads`` and ``limits``."""
        checkpoint = Checkpoint.load(model_dir / "deblur.safetensors", kind="deblur")
        return cls(
            Restorer.from_checkpoint(checkpoint, device),
            RetinaFaceDetector(threads=settings.get("threads") or 1),
            Limits.from_settings(settings.get("limits")),
            {"version": checkpoint.version, "sha256": checkpoint.sha256},
        )

    def run(self, requests: Sequence[Request]) -> list[bytes]:
        """A clip for each request, in order; a request that failed gets a clip holding its error."""
        if not requests:
            return []
        with ThreadPoolExecutor(len(requests)) as pool:  # decoders are processes: they run side by side
            outcomes = list(pool.map(lambda request: attempt(request, self._prepare), requests))
        clips = [outcome for outcome in outcomes if isinstance(outcome, Clip)]
        self._restore_blurry(clips)
        return [
            outcome.to_bytes()
            if isinstance(outcome, Clip)
            else Clip.failed(outcome.error, request_id=request.request_id).to_bytes()
            for outcome, request in zip(outcomes, requests, strict=True)
        ]

    def restore(self, requests: Sequence[Request]) -> list[bytes]:
        """Each whole video deblurred, as mp4 with its sound, or the error envelope as JSON.

        Every frame is restored unless ``deblur`` is ``never``: who asks for a deblurred video wants one.
        """
        outcomes = [attempt(request, self._restore_video) for request in requests]
        return [
            json.dumps({"error": outcome.error}).encode() if isinstance(outcome, Failure) else outcome
            for outcome in outcomes
        ]

    def _prepare(self, request: Request) -> Clip:
        options = Options.parse(request.options)
        clip = prepare(request.data, options, self._limits, self._detector)
        clip.request_id = request.request_id
        clip.models["deblur"] = self._model
        watch = Stopwatch()
        with watch.stage("sharpness"):
            for track in clip.tracks:
                track.sharpness = _measure(track.frames)
        clip.timing_ms |= watch.timing_ms
        return clip

    def _restore_blurry(self, clips: Sequence[Clip]) -> None:
        """Restore what the options ask for in all clips together, and say in each what was done."""
        watch = Stopwatch()
        chosen = [self._chosen(clip) for clip in clips]
        with watch.stage("deblur"):
            self._restore([place for places in chosen for place in places])
        for clip, places in zip(clips, chosen, strict=True):
            clip.timing_ms |= watch.timing_ms
            clip.deblur = self._report(clip, places)

    def _chosen(self, clip: Clip) -> list[tuple[Track, int]]:
        """Tracks and frame numbers to restore."""
        if clip.options.deblur == "never":
            return []
        places = []
        for track in clip.tracks:
            blurry = np.ones(len(track.frames), bool)
            if clip.options.deblur == "auto":
                blurry = blurry_frames(track.sharpness, self._restorer.blurry_below)
            places += [(track, int(number)) for number in np.flatnonzero(blurry)]
        return places

    def _restore(self, places: Sequence[tuple[Track, int]]) -> None:
        for first in range(0, len(places), FRAMES_AT_ONCE):
            group = places[first : first + FRAMES_AT_ONCE]
            blurred = np.concatenate([track.frames.read(number, number + 1) for track, number in group])
            for (track, number), frame in zip(group, self._restorer.restore(blurred), strict=True):
                track.frames.replace(number, frame)

    @staticmethod
    def _report(clip: Clip, places: Sequence[tuple[Track, int]]) -> dict[str, Any]:
        """What a result says of deblurring; sharpness is the mean over all crops."""
        before = _mean([track.sharpness for track in clip.tracks])
        for track in {track.id: track for track, _ in places}.values():
            track.sharpness = _measure(track.frames)
        after = _mean([track.sharpness for track in clip.tracks])
        return {
            "applied": bool(places),
            "frames": len(places),
            "sharpness_before": before,
            "sharpness_after": after,
        }

    def _restore_video(self, request: Request) -> bytes:
        options = Options.parse(request.options)

        def restored(decoder: Decoder) -> Iterator[Frames]:
            for frames in decoder.frames():
                yield frames if options.deblur == "never" else self._restorer.restore(frames)

        with Decoder(request.data, self._limits) as decoder:
            return encode_video(request.data, restored(decoder))


def _measure(frames: FrameStore) -> np.ndarray[Any, np.dtype[np.float32]]:
    """Sharpness of each crop (frames,)."""
    starts = range(0, len(frames), FRAMES_AT_ONCE)
    parts = [sharpness(frames.read(start, start + FRAMES_AT_ONCE)) for start in starts]
    return np.concatenate(parts) if parts else np.zeros(0, np.float32)


def _mean(parts: Sequence[np.ndarray[Any, np.dtype[np.float32]]]) -> float | None:
    values = np.concatenate(parts) if parts else np.zeros(0, np.float32)
    return round(float(values.mean()), 4) if values.size else None
