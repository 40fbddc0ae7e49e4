"""TorchServe's management interface, as far as versions of the workflow's nodes need it."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Callable, Optional

import requests

from outofsync_client._exceptions import UnreachableError
from outofsync_client._state import read_state
from outofsync_client.models._errors import ManagementError

WORKFLOW = "deepfake"
READY = "READY"
RENEWAL_S = 3.0  # new tokens are in the state folder long before
POLL_S = 0.1
TIMEOUT_S = (5.0, 60.0)  # to connect, to answer: every call returns at once but for a server under great load


@dataclass(frozen=True)
class Door:
    """A URL and the token that opens it."""

    url: str
    token: str = field(repr=False)


def of_state(folder: Path) -> Callable[[], Door]:
    """The management interface of a state folder's server, as the folder describes it at each call."""

    def look() -> Door:
        try:
            server = read_state(folder)
        except FileNotFoundError:
            raise UnreachableError(f"no server is ready in {folder}") from None
        return Door(server.management_url, server.management_token)

    return look


@dataclass(frozen=True)
class Worker:
    """A process of a version."""

    id: str
    pid: int
    status: str


@dataclass(frozen=True)
class LoadedVersion:
    """A version of a node as TorchServe describes it; ``queued`` is None where it does not say."""

    version: str
    archive: str
    batch_size: int
    max_batch_delay: int  # ms
    workers: tuple[Worker, ...]
    queued: Optional[int]

    @property
    def ready(self) -> bool:
        """Whether it has workers and all of them answer."""
        return bool(self.workers) and all(worker.status == READY for worker in self.workers)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> LoadedVersion:
        queue = values.get("jobQueueStatus") or {}
        return cls(
            version=values["modelVersion"],
            archive=values["modelUrl"],
            batch_size=values["batchSize"],
            max_batch_delay=values["maxBatchDelay"],
            workers=tuple(
                Worker(str(worker["id"]), int(worker["pid"]), str(worker["status"]))
                for worker in values["workers"]
            ),
            queued=queue.get("pendingRequests"),
        )


class Management:
    """The management interface; ``door`` is asked again when a token is refused, as tokens change."""

    def __init__(self, door: Callable[[], Door]) -> None:
        self._look = door
        self._door: Optional[Door] = None
        self._session = requests.Session()
        self._session.trust_env = False  # loopback needs no proxy, and no .netrc replaces the token

    def versions(self, node: str) -> dict[str, LoadedVersion]:
        """Every version of a node that is loaded, or about to be."""
        found = self._call("GET", f"{_model(node)}/all", may_be_missing=True)
        return {entry["modelVersion"]: LoadedVersion.from_dict(entry) for entry in found or ()}

    def version(self, node: str, version: str) -> Optional[LoadedVersion]:
        """One version of a node, None where it is not there."""
        found = self._call("GET", f"{_model(node)}/{version}", may_be_missing=True)
        return LoadedVersion.from_dict(found[0]) if found else None

    def default(self, node: str) -> str:
        """The version that answers where none is named: the workflow's."""
        return str(self._call("GET", _model(node))[0]["modelVersion"])

    def register(self, node: str, archive: str, *, batch_size: int, max_batch_delay: int) -> None:
        """Begin to load a version: it is there at once, and ready later."""
        query = {
            "url": archive,
            "model_name": f"{WORKFLOW}__{node}",  # or it would take the name in the archive
            "initial_workers": "1",
            "synchronous": "false",  # or inference would stand still while it loads
            "batch_size": str(batch_size),  # or it would take the archive's, which the workflow overrides
            "max_batch_delay": str(max_batch_delay),
        }
        self._call("POST", "", query)

    def scale(self, node: str, version: str, workers: int) -> None:
        """Begin to start or end workers of a version until there are so many."""
        query = {"min_worker": str(workers), "max_worker": str(workers), "synchronous": "false"}
        self._call("PUT", f"{_model(node)}/{version}", query)

    def set_default(self, node: str, version: str) -> None:
        """Let a version answer where none is named."""
        self._call("PUT", f"{_model(node)}/{version}/set-default")

    def unregister(self, node: str, version: str) -> None:
        """Unload a version; requests that it is at are lost. One that is gone is as good."""
        self._call("DELETE", f"{_model(node)}/{version}", may_be_missing=True)

    def _call(
        self, method: str, path: str, query: Optional[dict[str, str]] = None, *, may_be_missing: bool = False
    ) -> Any:
        """The JSON of a good answer; None for a missing version where one may be missing."""
        response = self._send(method, path, query)
        if may_be_missing and response.status_code == requests.codes.not_found:
            return None
        if not response.ok:
            raise ManagementError(f"TorchServe refused {method} /models{path}: {_message(response)}")
        try:
            return response.json()
        except ValueError:
            raise ManagementError(f"TorchServe's answer to {method} /models{path} is not JSON") from None

    def _send(self, method: str, path: str, query: Optional[dict[str, str]]) -> requests.Response:
        """The answer; where what is known is out of date, from the server of now, with its new tokens."""
        known, self._door = self._door, self._door or self._look()
        try:
            response = self._attempt(self._door, method, path, query)
        except UnreachableError:
            self._door = None
            if known is None or (now := self._look()) == known:
                raise
            self._door = now  # it was started anew, elsewhere
            response = self._attempt(now, method, path, query)
        deadline = time.monotonic() + RENEWAL_S
        while _refused_token(response) and time.monotonic() < deadline:
            now = self._look()
            if now == self._door:
                time.sleep(POLL_S)  # TorchServe knows new tokens a moment before the state folder does
                continue
            self._door = now
            response = self._attempt(now, method, path, query)
        return response

    def _attempt(
        self, door: Door, method: str, path: str, query: Optional[dict[str, str]]
    ) -> requests.Response:
        headers = {"Authorization": f"Bearer {door.token}"}
        url = f"{door.url}/models{path}"
        try:
            return self._session.request(method, url, params=query, headers=headers, timeout=TIMEOUT_S)
        except requests.RequestException as error:
            raise UnreachableError(
                f"TorchServe's management interface does not answer ({type(error).__name__})"
            ) from None


def _model(node: str) -> str:
    return f"/{WORKFLOW}__{node}"


def _refused_token(response: requests.Response) -> bool:
    return response.status_code == requests.codes.bad_request and "InvalidKeyException" in response.text


def _message(response: requests.Response) -> str:
    try:
        return str(response.json()["message"])
    except (ValueError, KeyError, TypeError):
        return f"HTTP {response.status_code}"
