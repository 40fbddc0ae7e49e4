"""A clip goes through every network before anybody depends on what was loaded.

Where none is given, it is one of our own (``warm.mp4``: 0.4 s of moving waves and a tone), in
``mode=reference``, which judges whole pictures: every network runs although no face is to be seen.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from outofsync_client import Client, MediaError, OutOfSyncError, Retries
from outofsync_client.protocol import LOG_FILE
from serving.rollout.deployment import Deployment
from serving.rollout.errors import VersionFailedError
from serving.rollout.judging import judge
from serving.rollout.record import Pipeline

OWN_CLIP = Path(__file__).with_name("warm.mp4")
OWN_OPTIONS: dict[str, Any] = {"mode": "reference", "deblur": "always"}


@dataclass(frozen=True)
class WarmUp:
    """One clip that a version judged: its verdict, and how long that took (s)."""

    clip: str
    verdict: str
    seconds: float


def warm(
    deployment: Deployment, version: str, pipeline: Pipeline, clips: Sequence[Path]
) -> tuple[WarmUp, ...]:
    """What the version says of each clip; raises :class:`VersionFailedError` where it cannot judge one."""
    options = {} if clips else OWN_OPTIONS
    warm_ups = []
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
        warm_ups.append(WarmUp(clip.name, result.verdict, time.monotonic() - started))
    return tuple(warm_ups)


def probe_workflow(url: str, token: str, *, timeout: float) -> None:
    """Let the whole workflow judge our own clip, once; raises the client's errors where it does not."""
    with Client(url, token=token, timeout=timeout, retries=Retries.none()) as client:
        client.detect(OWN_CLIP, **OWN_OPTIONS)
