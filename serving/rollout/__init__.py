"""Versions of a pipeline, rolled out and back without losing a request.

>>> from serving.rollout import Models
>>> models = Models(".state", "model_store")
>>> models.register("2.0")  # doctest: +SKIP
>>> models.promote("2.0")  # doctest: +SKIP
"""

from __future__ import annotations

from serving.rollout.comparing import Comparison, Pair, Prediction
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
from serving.rollout.overview import Described, DescribedNode, VersionSummary
from serving.rollout.record import Canary, Event, NodeVersion, Pipeline, Record, RecordFile
from serving.rollout.scaling import MAX_WORKERS
from serving.rollout.warming import WarmUp

__all__ = [
    "MAX_WORKERS",
    "ArchiveError",
    "BuildFailedError",
    "Canary",
    "Comparison",
    "Described",
    "DescribedNode",
    "Event",
    "Models",
    "NodeVersion",
    "Pair",
    "Pipeline",
    "Prediction",
    "Record",
    "RecordError",
    "RecordFile",
    "RolloutError",
    "StepInProgressError",
    "StepRefusedError",
    "StillBusyError",
    "UnknownVersionError",
    "VersionFailedError",
    "VersionSummary",
    "WarmUp",
]
