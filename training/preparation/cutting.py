"""One video → one clip: what each worker does."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from outofsync.clip import Clip, Track
from outofsync.constants import FRAME_RATE
from outofsync.errors import OutOfSyncError
from outofsync.faces import RetinaFaceDetector
from outofsync.limits import Limits
from outofsync.options import Options
from outofsync.preparation import prepare

SILENT_BELOW = 10.0  # root mean square of int16 samples: nobody is heard, whatever the picture shows


@dataclass(frozen=True)
class Cut:
    """A clip's bytes and what its manifest line says about it."""

    payload: bytes
    facts: dict[str, Any]


@dataclass(frozen=True)
class Unusable:
    """Why a video gives no clip: a stable word and a sentence."""

    code: str
    message: str
    facts: dict[str, Any] = field(default_factory=dict)


def cut_video(path: Path) -> Cut | Unusable:
    """Decode a video, follow its faces, and keep the one that fills most of it.

    Never raises for what a file is like: one bad file must not end a run over thousands.
    """
    try:
        clip = prepare(path.read_bytes(), Options(deblur="never"), Limits(), _detector())
    except OutOfSyncError as error:
        return Unusable(str(error.code), error.message)
    except Exception as error:
        return Unusable("internal", f"{type(error).__name__}: {error}")
    return cut_of(clip)


def cut_of(clip: Clip) -> Cut | Unusable:
    """The largest face of a prepared clip, if it is of any use for training."""
    track = largest_track(clip)
    if track is None:
        return Unusable("no_face", "no face stays in view")
    loudness = float(np.sqrt(np.square(clip.audio.astype(np.float32)).mean())) if clip.audio.size else 0.0
    if loudness < SILENT_BELOW:
        return Unusable("silent", "the sound is silent throughout")
    clip.tracks = [track]
    clip.timing_ms = {}  # the same video gives the same bytes
    height = float((track.boxes[:, 3] - track.boxes[:, 1]).mean())
    facts = {
        "frames": len(track.frames),
        "seconds": round(len(track.frames) / FRAME_RATE, 2),
        "face_px": round(height, 1),
    }
    return Cut(clip.to_bytes(), facts)


def largest_track(clip: Clip) -> Track | None:
    """The face that fills most of the video: in footage of one speaker, the speaker."""
    if not clip.tracks:
        return None
    return max(clip.tracks, key=lambda track: float(((track.boxes[:, 2] - track.boxes[:, 0]) ** 2).sum()))


@cache
def _detector() -> RetinaFaceDetector:
    return RetinaFaceDetector()
