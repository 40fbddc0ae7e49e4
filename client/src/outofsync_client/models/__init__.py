"""Versions of a pipeline, rolled out and back without losing a request.

>>> from outofsync_client.models import Models
>>> models = Models(".state", "model_store")
>>> models.register("2.0")  # doctest: +SKIP
>>> models.promote("2.0")  # doctest: +SKIP
"""

from __future__ import annotations

from outofsync_client.models._errors import (
    ArchiveError,
    BuildFailedError,
    ManagementError,
    RecordError,
    RolloutError,
    StepInProgressError,
    StepRefusedError,
    StillBusyError,
    UnknownVersionError,
    VersionFailedError,
)
from outofsync_client.models._management import Door, Management
from outofsync_client.models._models import Models
from outofsync_client.models._record import Canary, Event, NodeVersion, Pipeline, Record, RecordFile

__all__ = [
    "ArchiveError",
    "BuildFailedError",
    "Canary",
    "Door",
    "Event",
    "Management",
    "ManagementError",
    "Models",
    "NodeVersion",
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
]
