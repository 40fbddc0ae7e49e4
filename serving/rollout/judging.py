"""Judges a file by a chosen pipeline, node by node."""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import httpx

from outofsync_client import Result, UnexpectedAnswerError, UnreachableError
from outofsync_client.protocol import NODES, REQUEST_ID_HEADER, model_of, prediction_path
from outofsync_client.protocol.answers import error_in, refuses_token
from outofsync_client.protocol.state import read_state
from serving.rollout.record import Pipeline

CONNECT_S, ANSWER_S = 10.0, 3600.0


def judge(state: Path, pipeline: Pipeline, video: bytes, options: Mapping[str, Any]) -> Result:
    """The pipeline's result; raises the error that fits, also a file's own."""
    request_id = uuid.uuid4().hex
    form = {"data": ("video", video), "options": (None, json.dumps(options))}
    clip = _ask(state, pipeline, NODES[0], request_id, files=form)
    answer = _ask(state, pipeline, NODES[1], request_id, content=clip.content)
    try:
        values = answer.json()
    except ValueError:
        values = None
    if error := error_in(answer.status_code, values, request_id=request_id):
        raise error
    try:
        return Result.from_dict(values)
    except (KeyError, TypeError, ValueError, AttributeError):
        raise UnexpectedAnswerError("the pipeline answered no result", request_id=request_id) from None


def _ask(state: Path, pipeline: Pipeline, node: str, request_id: str, **body: Any) -> httpx.Response:
    """A node's answer to a request; what it says of the file comes out at the last node."""
    version = pipeline.node(node).version
    for attempt in (1, 2):
        try:
            server = read_state(state)
        except FileNotFoundError:
            raise UnreachableError(f"no server is ready in {state}") from None
        headers = {"Authorization": f"Bearer {server.token}", REQUEST_ID_HEADER: request_id}
        url = server.url + prediction_path(model_of(node), version)
        limits = httpx.Timeout(ANSWER_S, connect=CONNECT_S)
        try:
            response = httpx.post(url, headers=headers, timeout=limits, trust_env=False, **body)
        except httpx.HTTPError as error:
            raise UnreachableError(f"the server did not answer ({type(error).__name__})") from None
        if response.is_success:
            return response
        try:
            said = response.json()
        except ValueError:
            said = {}
        if attempt > 1 or not refuses_token(response.status_code, said):
            break  # a token that was changed just now is read again
    meant = error_in(response.status_code, said, request_id=request_id)
    raise meant or UnexpectedAnswerError(f"{node} answered HTTP {response.status_code}")
