"""What both handlers share: TorchServe's batch in, one answer each out, and never an exception.

One exception would fail every request of the batch and, in a workflow, leave a thread of the server behind
for ever. So whatever goes wrong becomes an answer, and a batch that broke is tried again request by request.
"""

from __future__ import annotations

import json
import logging
import os
import re
import tempfile
import time
import uuid
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any, Protocol

import torch

import outofsync
import request_log
from in_flight import in_flight
from metrics import count
from outofsync.confinement import warning
from outofsync.errors import ErrorCode, OutOfSyncError
from outofsync.limits import Limits
from outofsync.nodes import Outcome, Request, Tally
from outofsync.progress import NOBODY, Progress
from outofsync.spool import Spool
from rlimits import apply_rlimits
from trim_heap import trim_heap
from unpacked import check_unpacked

# TorchServe loses the answer of a workflow node that is ready before it has finished asking.
SHORTEST_ANSWER_S = 0.005
REQUEST_ID_HEADER = "x-outofsync-request-id"
FILE_FIELDS = ("data", "file", "body")  # a form's field, its name in older systems, a bare body
OPTIONS_FIELD = "options"
SENT_HEADER = "x-outofsync-sent-at"  # seconds of the caller's clock, when it began to send
# The file in which a request's progress is told, and, of the server's environment, the folder of all of them.
PROGRESS_HEADER, PROGRESS_VARIABLE = "x-outofsync-progress", "OUTOFSYNC_PROGRESS"
CLIPS_FOLDER = "clips"  # of the server's temporary folder
_REQUEST_ID = re.compile(r"[A-Za-z0-9_.-]{1,64}")

logger = logging.getLogger(__name__)


def request_id(headers: Mapping[str, Any]) -> str:
    """The caller's request id, or a new one. TorchServe's own differs from node to node."""
    value = header(headers, REQUEST_ID_HEADER)
    return value if value is not None and _REQUEST_ID.fullmatch(value) else uuid.uuid4().hex


def sent_at(headers: Mapping[str, Any]) -> float | None:
    """When the caller began to send, if it says so."""
    try:
        return float(header(headers, SENT_HEADER) or "")
    except ValueError:
        return None


def header(headers: Mapping[str, Any], wanted: str) -> str | None:
    """One header. They keep the case they were sent in; form fields stand among them as dictionaries."""
    values = (value for name, value in headers.items() if name.lower() == wanted)
    return next((value for value in values if isinstance(value, str)), None)


def as_bytes(value: Any) -> bytes | bytearray:
    """A field as it was sent: TorchServe hands over bytes, or a JSON body already parsed."""
    if isinstance(value, (bytes, bytearray)):
        return value
    return value.encode() if isinstance(value, str) else json.dumps(value).encode()


def open_progress(headers: Mapping[str, Any]) -> Progress:
    """Where the request's progress is told, to be closed; nowhere unless the caller and the server say so."""
    folder = os.environ.get(PROGRESS_VARIABLE)
    return Progress.open(Path(folder) if folder else None, header(headers, PROGRESS_HEADER))


def read_request(
    fields: Mapping[str, Any], headers: Mapping[str, Any], identity: str, progress: Progress = NOBODY
) -> Request:
    """One entry of TorchServe's batch; raises ``empty_file`` where no file was sent, ``bad_options`` for
    fields that nobody knows, as the gateway does.

    A bare body arrives as ``body``, a form by its fields' names, and the node before as ``body`` too.
    """
    for name in fields:
        if name not in (*FILE_FIELDS, OPTIONS_FIELD):
            message = f"the form has a field {name[:40]!r}; known are data and options"
            raise OutOfSyncError(ErrorCode.BAD_OPTIONS, message)
    for name in FILE_FIELDS:
        if name in fields:
            options = fields.get(OPTIONS_FIELD)
            return Request(
                as_bytes(fields[name]),
                None if options is None else bytes(as_bytes(options)),
                identity,
                sent_at(headers),
                progress,
            )
    sent = ", ".join(sorted(fields)) or "no field at all"
    raise OutOfSyncError(ErrorCode.EMPTY_FILE, f"the request has no field 'data'; it has {sent}")


def error_answer(error: dict[str, Any]) -> bytes:
    """The error envelope."""
    return json.dumps({"error": error}).encode()


def error_status(answer: bytes) -> int | None:
    """HTTP status of an error envelope, None for any other answer."""
    return int(json.loads(answer)["error"]["status"]) if answer.startswith(b'{"error"') else None


class Node(Protocol):
    """What a handler serves."""

    tally: Tally


class BatchHandler(ABC):
    """TorchServe's entry points around one node."""

    answer_type = "application/json"
    node: Node

    def initialize(self, context: Any) -> None:
        """Load the node from the unpacked archive (once for each worker)."""
        settings = dict(context.model_yaml_config.get("outofsync") or {})
        if settings.get("threads"):
            torch.set_num_threads(settings["threads"])
        self.clip_bytes = Limits.from_settings(settings.get("limits")).clip_bytes
        gpu = context.system_properties.get("gpu_id")
        device = "cpu" if gpu is None or not torch.cuda.is_available() else f"cuda:{gpu}"
        if (worker := settings.get("worker")) is not None:
            apply_rlimits(worker, on_gpu=device != "cpu")
        # A node of a workflow is named workflow__node.
        self.in_workflow = "__" in context.model_name
        # The workers of one server share its temporary folder.
        spool = (
            Spool(Path(tempfile.gettempdir()) / CLIPS_FOLDER, self.clip_bytes) if self.in_workflow else None
        )
        unpacked = Path(context.system_properties["model_dir"])
        check_unpacked(unpacked)
        self.load(unpacked, device, settings, spool)
        if lacking := warning():
            logger.warning("%s", lacking)
        logger.info("%s runs %s on %s", context.model_name, Path(outofsync.__file__).parent, device)

    def handle(self, batch: Sequence[Mapping[str, Any]], context: Any) -> list[bytes]:
        """Answer a batch; every entry gets bytes, in order."""
        started = time.monotonic()
        headers = [context.get_all_request_header(index) for index in range(len(batch))]
        with in_flight(context):
            answers = self.answer(batch, headers)
        trim_heap()
        self.tell(context, len(batch))
        if not self.in_workflow:  # there, TorchServe ignores both
            for index, answer in enumerate(answers):
                status = error_status(answer)
                context.set_response_status(status or 200, idx=index)
                context.set_response_content_type(index, "application/json" if status else self.answer_type)
        time.sleep(max(0.0, SHORTEST_ANSWER_S - (time.monotonic() - started)))
        return answers

    def tell(self, context: Any, requests: int) -> None:
        """Count and log what became of a batch."""
        version = context.manifest["model"]["modelVersion"]
        tally = self.node.tally.take()
        count(context.metrics, version=version, requests=requests, tally=tally)
        for outcome in tally.outcomes:
            request_log.write(outcome, node=context.model_name, version=version, batch=requests)

    def answer(self, batch: Sequence[Mapping[str, Any]], headers: Sequence[Mapping[str, Any]]) -> list[bytes]:
        """One answer for each entry: requests that can be read go through the node together."""
        identities = [request_id(header) for header in headers]
        answers: dict[int, bytes] = {}
        requests: dict[int, Request] = {}
        with ExitStack() as opened:
            for index, (fields, sent) in enumerate(zip(batch, headers, strict=True)):
                progress = opened.enter_context(closing(open_progress(sent)))
                try:
                    requests[index] = read_request(fields, sent, identities[index], progress)
                except OutOfSyncError as error:
                    answers[index] = self.refusal(error, identities[index])
            answers |= zip(requests, self.guarded(list(requests.values())), strict=True)
        return [self.bounded(answers[index], identities[index]) for index in range(len(batch))]

    def guarded(self, requests: Sequence[Request]) -> list[bytes]:
        """The node's answers; what it raises becomes an ``internal`` error of the request that caused it."""
        try:
            answers = self.run(requests) if requests else []
            if len(answers) != len(requests):
                raise RuntimeError(f"{len(answers)} answers to {len(requests)} requests")
            return answers
        except Exception:
            if len(requests) > 1:
                logger.exception("a batch of %d failed; its requests run alone", len(requests))
                return [answer for request in requests for answer in self.guarded([request])]
            identity = requests[0].request_id
            logger.exception("request %s failed", identity)
            return [
                self.refusal(OutOfSyncError(ErrorCode.INTERNAL, "the server failed on this file"), identity)
            ]

    def bounded(self, answer: bytes, identity: str) -> bytes:
        """The answer, unless it is larger than TorchServe takes: it would kill the worker for that."""
        if len(answer) <= self.clip_bytes:
            return answer
        error = OutOfSyncError(ErrorCode.TOO_LONG, "the faces in this video take more room than a clip may")
        return self.refusal(error, identity)

    def refusal(self, error: OutOfSyncError, identity: str) -> bytes:
        """The answer of a request that did not come to the node, or came to nothing there."""
        values = error.to_dict(identity)
        self.node.tally.tell(Outcome.of_error(values))
        return self.failure(values)

    @abstractmethod
    def load(self, model_dir: Path, device: str, settings: dict[str, Any], spool: Spool | None) -> None:
        """Load the node's networks; with a spool, clips pass from node to node in it."""

    @abstractmethod
    def run(self, requests: Sequence[Request]) -> list[bytes]:
        """The node's answers, in order."""

    @abstractmethod
    def failure(self, error: dict[str, Any]) -> bytes:
        """An error as this node's callers read it."""
