"""Ask an OutOfSync server whether the lips and the voice of a video belong together.

>>> from outofsync_client import Client
>>> with Client("http://127.0.0.1:8080", token="…") as client:  # doctest: +SKIP
...     result = client.detect("interview.mp4")
...     print(result.verdict, result.probability_fake)
"""

from __future__ import annotations

from outofsync_client import _result
from outofsync_client._async_client import AsyncClient
from outofsync_client._base import DeblurChoice, Health, IncludeChoice, ModeChoice
from outofsync_client._client import Client
from outofsync_client._endpoints import StateToken, TokenSource
from outofsync_client._exceptions import (
    AuthenticationError,
    BadOptionsError,
    BusyError,
    ConnectionLostError,
    CorruptMediaError,
    DecodeTimeoutError,
    EmptyFileError,
    InternalError,
    MediaError,
    MethodNotAllowedError,
    NoAudioError,
    NotDeployedError,
    NotFoundError,
    NoVideoError,
    OutOfSyncError,
    RequestTimeoutError,
    ServerError,
    TooLargeError,
    TooLongError,
    TooManyPixelsError,
    TooShortError,
    TransportError,
    UnexpectedAnswerError,
    UnreachableError,
    UnreadableFileError,
    UnsupportedMediaError,
    UntrustedServerError,
    WorkerDiedError,
)
from outofsync_client._job_clients import AsyncJobs, Jobs
from outofsync_client._jobs import Job
from outofsync_client._many import Judged, ManyProgress, Outcome
from outofsync_client._metrics import Metrics, Sample
from outofsync_client._multipart import UploadProgress, VideoFile
from outofsync_client._pieces import Resumption
from outofsync_client._result import EarlySegment, FaceTrack, Reason, Result, Segment
from outofsync_client._retries import Retries
from outofsync_client._transport import Timeouts
from outofsync_client._version import __version__ as __version__

__all__ = [
    "AsyncClient",
    "AsyncJobs",
    "AuthenticationError",
    "BadOptionsError",
    "BusyError",
    "Client",
    "ConnectionLostError",
    "CorruptMediaError",
    "DeblurChoice",
    "DecodeTimeoutError",
    "EarlySegment",
    "EmptyFileError",
    "FaceTrack",
    "Health",
    "IncludeChoice",
    "InternalError",
    "Job",
    "Jobs",
    "Judged",
    "ManyProgress",
    "MediaError",
    "MethodNotAllowedError",
    "Metrics",
    "ModeChoice",
    "NoAudioError",
    "NoVideoError",
    "NotDeployedError",
    "NotFoundError",
    "OutOfSyncError",
    "Outcome",
    "Reason",
    "RequestTimeoutError",
    "Result",
    "Resumption",
    "Retries",
    "Sample",
    "Segment",
    "ServerError",
    "StateToken",
    "Timeouts",
    "TokenSource",
    "TooLargeError",
    "TooLongError",
    "TooManyPixelsError",
    "TooShortError",
    "TransportError",
    "UnexpectedAnswerError",
    "UnreachableError",
    "UnreadableFileError",
    "UnsupportedMediaError",
    "UntrustedServerError",
    "UploadProgress",
    "VideoFile",
    "WorkerDiedError",
]


def _reporter() -> _result.Reporter:
    """Imported once a result is drawn: that takes a while, and few programs draw."""
    from outofsync_client.reports import document

    return document


Result._reporter = _reporter
