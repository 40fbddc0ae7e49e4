"""Judges a file by a chosen pipeline, node by node."""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import requests

from outofsync_client._answers import error_in
from outofsync_client._exceptions import UnexpectedAnswerError, UnreachableError
from outofsync_client._result import Result
from outofsync_client._state import read_state
from outofsync_client._transport import REQUEST_ID_HEADER
from outofsync_client.models._management import WORKFLOW
from outofsync_client.models._record import NODES, Pipeline

ANSWER_S = 3600.0


def judge(state: Path, pipeline: Pipeline, video: bytes, options: Mapping[str, Any]) -> Result:
    """The pipeline's result; raises the error that fits, also a file's own."""
    request_id = uuid.uuid4().hex
    form = {"data": ("video", video), "options": (None, json.dumps(options))}
    clip = _ask(state, pipeline, NODES[0], request_id, files=form)
    answer = _ask(state, pipeline, NODES[1], request_id, data=clip.content)
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


def _ask(state: Path, pipeline: Pipeline, node: str, request_id: str, **body: Any) -> requests.Response:
    """A node's answer to a request; what it says of the file comes out at the last node."""
    version = pipeline.node(node).version
    for attempt in (1, 2):
        try:
            server = read_state(state)
        except FileNotFoundError:
            raise UnreachableError(f"no server is ready in {state}") from None
        headers = {"Authorization": f"Bearer {server.token}", REQUEST_ID_HEADER: request_id}
        url = f"{server.url}/predictions/{WORKFLOW}__{node}/{version}"
        with requests.Session() as session:
            session.trust_env = False
            try:
                response = session.post(url, headers=headers, timeout=(10.0, ANSWER_S), **body)
            except requests.RequestException as error:
                raise UnreachableError(f"the server did not answer ({type(error).__name__})") from None
        if response.ok:
            return response
        try:
            said = response.json()
        except ValueError:
            said = {}
        refused = response.status_code == 400 and said.get("type") == "InvalidKeyException"
        if not (refused and attempt == 1):  # a token that was changed just now is read again
            break
    meant = error_in(response.status_code, said, request_id=request_id)
    raise meant or UnexpectedAnswerError(f"{node} answered HTTP {response.status_code}")
