"""The names that clients, gateway, servers and archives agree on, each of them said here alone.

``handlers/`` travels inside archives, without this package, and keeps copies of the few that it needs;
``tests/unit/contract`` holds the two together.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Optional

# Headers
REQUEST_ID_HEADER = "X-OutOfSync-Request-Id"  # one request in every log it passes; answers repeat it
SENT_AT_HEADER = "X-OutOfSync-Sent-At"  # seconds of the caller's clock, when it began to send
PROGRESS_HEADER = "X-OutOfSync-Progress"  # the file in which a server tells a gateway how far a request is
PIPELINE_HEADER = "X-OutOfSync-Pipeline"  # which version judged, in the edge's answers
API_KEY_HEADER = "X-Api-Key"
IDEMPOTENCY_HEADER = "Idempotency-Key"
PREFER_HEADER, PREFERENCE_HEADER = "Prefer", "Preference-Applied"  # RFC 7240
TUS_HEADER, TUS_VERSION = "Tus-Resumable", "1.0.0"  # uploads that go on after a break (https://tus.io)
UPLOAD_LENGTH_HEADER, UPLOAD_OFFSET_HEADER = "Upload-Length", "Upload-Offset"
UPLOAD_METADATA_HEADER = "Upload-Metadata"
UPLOAD_TYPE = "application/offset+octet-stream"
RESPOND_ASYNC, WAIT = "respond-async", "wait"  # the preferences that are heeded

# What TorchServe loads
WORKFLOW = "deepfake"
DEBLUR, ENSEMBLE = "deblur", "ensemble"
NODES = (DEBLUR, ENSEMBLE)  # in the order in which a request passes them


def model_of(node: str) -> str:
    """What TorchServe calls a node of the workflow; as a model that answers alone it has its own name."""
    return f"{WORKFLOW}__{node}"


def archive_of(node: str, version: Optional[str] = None) -> str:
    """A node's file in the model store: the workflow's own, or a version's that is loaded beside it."""
    return f"{node}.mar" if version is None else f"{node}-{version}.mar"


WORKFLOW_ARCHIVE = f"{WORKFLOW}.war"

# Files of the model store
SUMS_FILE = "SHA256SUMS"  # of the archives; another one within each, of its files
MANIFEST = "MAR-INF/MANIFEST.json"  # of an archive
SYNC_FILE, SCORING_FILE = "sync.safetensors", "scoring.safetensors"  # of an archive of the ensemble

# Folders and files of a server's machine
STATE_FOLDER = ".state"
STORE_FOLDER = "model_store"
STATE_FILE = "server.json"  # in the state folder: where the server is, while it is ready
RECORD_FILE = "pipelines.json"  # there, too: which versions there are, and who serves
LOG_FILE = "server.log"
SHADOW_FILE, OLD_SHADOW_FILE = "shadow.jsonl", "shadow.jsonl.1"  # files that two pipelines have judged
PROGRESS_FOLDER = "progress"  # files of requests under way, made and removed by the gateway
PROGRESS_VARIABLE = "OUTOFSYNC_PROGRESS"  # where a server's workers find that folder
TEMPORARY_LINK = "temporary"  # a link to the folder of what lives no longer than TorchServe
CLIPS_FOLDER = "clips"  # in that folder: what one node hands to the next, until it is answered
IN_FLIGHT_FOLDER = "underway"  # in that folder: a file for each worker, locked while it is at work


# Routes
@dataclass(frozen=True)
class Routes:
    """The paths of one kind of door."""

    detect: str
    deblur: str
    health: str


def prediction_path(model: str, version: Optional[str] = None) -> str:
    """Where TorchServe answers by a model."""
    return f"/predictions/{model}" if version is None else f"/predictions/{model}/{version}"


TORCHSERVE = Routes(detect=f"/wfpredict/{WORKFLOW}", deblur=prediction_path(DEBLUR), health="/ping")
EDGE = Routes(detect="/v1/detect", deblur="/v1/deblur", health="/v1/health")
EDGE_REPORT = "/v1/report"
EDGE_EVENTS = "/v1/requests/{id}/events"
EDGE_JOBS, EDGE_JOB = "/v1/jobs", "/v1/jobs/{id}"
EDGE_JOB_EVENTS, EDGE_JOB_REPORT = "/v1/jobs/{id}/events", "/v1/jobs/{id}/report.{format}"
EDGE_UPLOADS, EDGE_UPLOAD = "/v1/uploads", "/v1/uploads/{id}"
EDGE_CALLBACK_SECRET = "/v1/callback-secret"
EDGE_MODELS, EDGE_DOCUMENT = "/v1/models", "/v1/openapi.json"

LOOPBACK = "127.0.0.1"  # where servers and gateways listen unless they are told otherwise
FORM_BYTES = 10_000_000  # room for what surrounds the file in a request: it is refused in words, not by a 413
RETRY_AFTER_S = 2  # what the edge asks for where it is busy
EDGE_STAGE = "edge"  # where an error arose that no server has seen


# What a result is counted in
FRAME_RATE = 25  # windows/s: the server resamples every video to this grid
MAX_DELAY = 15  # frames either way
DELAYS = 2 * MAX_DELAY + 1


class JobState:
    """Where a job is; it ends once, in one of the last four."""

    RECEIVED = "received"
    QUEUED = "queued"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"
    EXPIRED = "expired"


class JobPriority:
    """Which jobs go first."""

    INTERACTIVE = "interactive"
    BULK = "bulk"


class ErrorCode:
    """Stable words to match on: the servers', the edge's, and those of failures that a client finds."""

    EMPTY_FILE = "empty_file"
    UNSUPPORTED_MEDIA = "unsupported_media"
    CORRUPT_MEDIA = "corrupt_media"
    NO_VIDEO = "no_video"
    NO_AUDIO = "no_audio"
    TOO_SHORT = "too_short"
    TOO_LONG = "too_long"
    TOO_LARGE = "too_large"
    TOO_MANY_PIXELS = "too_many_pixels"
    DECODE_TIMEOUT = "decode_timeout"
    BAD_OPTIONS = "bad_options"
    BUSY = "busy"
    INTERNAL = "internal"
    # on the way to the detector
    AUTHENTICATION = "authentication"
    NOT_FOUND = "not_found"
    METHOD_NOT_ALLOWED = "method_not_allowed"
    NOT_DEPLOYED = "not_deployed"
    TIMEOUT = "timeout"
    # found by a client
    UNREADABLE_FILE = "unreadable_file"
    WORKER_DIED = "worker_died"
    UNREACHABLE = "unreachable"
    UNTRUSTED = "untrusted"
    CONNECTION_LOST = "connection_lost"
    UNEXPECTED_ANSWER = "unexpected_answer"
    MANAGEMENT = "management"
