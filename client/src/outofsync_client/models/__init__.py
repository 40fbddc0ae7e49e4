"""Versions of a pipeline, rolled out and back without losing a request.

>>> from outofsync_client.models import Models
>>> models = Models(".state", "model_store")
>>> models.register("2.0")  # doctest: +SKIP
>>> models.promote("2.0")  # doctest: +SKIP
"""

from __future__ import annotations

from outofsync_client.models._comparing import Comparison, Opinion, Pair
from outofsync_client.models._describing import Described, DescribedNode
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
from outofsync_client.models._listing import Listed
from outofsync_client.models._management import Door, Management, Worker
from outofsync_client.models._models import Models
from outofsync_client.models._record import NODES, Canary, Event, NodeVersion, Pipeline, Record, RecordFile
from outofsync_client.models._scaling import MOST_WORKERS
from outofsync_client.models._warming import Warmed

__all__ = [
    "MOST_WORKERS",
    "NODES",
    "ArchiveError",
    "BuildFailedError",
    "Canary",
    "Comparison",
    "Described",
    "DescribedNode",
    "Door",
    "Event",
    "Listed",
    "Management",
    "ManagementError",
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
    "Worker",
]
