"""Sends a version a few real clips before anybody depends on it.

Where none are given, it gets one of our own (``warm.mp4``: 0.4 s of moving waves and a tone), in
``mode=reference``, which judges whole pictures: every network runs although no face is to be seen.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from outofsync_client._exceptions import MediaError, OutOfSyncError
from outofsync_client.models._complaints import LOG_FILE
from outofsync_client.models._deployment import Deployment
from outofsync_client.models._errors import VersionFailedError
from outofsync_client.models._judging import judge
from outofsync_client.models._record import Pipeline

OWN_CLIP = Path(__file__).with_name("warm.mp4")
OWN_OPTIONS = {"mode": "reference", "deblur": "always"}


@dataclass(frozen=True)
class Warmed:
    """One clip that a version judged: its verdict, and how long that took (s)."""

    clip: str
    verdict: str
    seconds: float


def warm(
    deployment: Deployment, version: str, pipeline: Pipeline, clips: Sequence[Path]
) -> tuple[Warmed, ...]:
    """What the version says of each clip; raises :class:`VersionFailedError` where it cannot judge one."""
    options = {} if clips else OWN_OPTIONS
    warmed = []
    for clip in clips or [OWN_CLIP]:
        started = time.monotonic()
        try:
            result = judge(deployment.state, pipeline, clip.read_bytes(), options)
        except MediaError as error:
            raise VersionFailedError(f"{clip} is no clip to warm a version with: {error.message}") from None
        except OutOfSyncError as error:
            raise VersionFailedError(
                f"version {version} does not judge {clip.name}: {error.message}",
                hint=f"What serves was not touched. The reason is in {deployment.state / LOG_FILE}.",
            ) from None
        warmed.append(Warmed(clip.name, result.verdict, time.monotonic() - started))
    return tuple(warmed)
