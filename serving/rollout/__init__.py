"""Versions of a pipeline, rolled out and back without losing a request.

>>> from serving.rollout import Models
>>> models = Models(".state", "model_store")
>>> models.register("2.0")  # doctest: +SKIP
>>> models.promote("2.0")  # doctest: +SKIP
"""

from __future__ import annotations

from serving.rollout.comparing import Comparison, Opinion, Pair
from serving.rollout.errors import (
    ArchiveError,
    BuildFailedError,
    RecordError,
    RolloutError,
    StepInProgressError,
    StepRefusedError,
    StillBusyError,
    UnknownVersionError,
    VersionFailedError,
)
from serving.rollout.models import Models
from serving.rollout.overview import Described, DescribedNode, Listed
from serving.rollout.record import Canary, Event, NodeVersion, Pipeline, Record, RecordFile
from serving.rollout.scaling import MOST_WORKERS
from serving.rollout.warming import Warmed

__all__ = [
    "MOST_WORKERS",
    "ArchiveError",
    "BuildFailedError",
    "Canary",
    "Comparison",
    "Described",
    "DescribedNode",
    "Event",
    "Listed",
    "Models",
    "NodeVersion",
    "Opinion",
    "Pair",
    "Pipeline",
    "Record",
    "RecordError",
    "RecordFile",
    "RolloutError",
    "StepInProgressError",
    "StepRefusedError",
    "StillBusyError",
    "UnknownVersionError",
    "VersionFailedError",
    "Warmed",
]
