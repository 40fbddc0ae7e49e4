"""TorchServe's management API: which models are loaded, in which versions, and which of them answers.

>>> from outofsync_client.management import Management
>>> with Management("https://models.example", token="…") as management:  # doctest: +SKIP
...     for name in management.models():
...         print(name, management.versions(name))

Whoever holds its token can run code on that machine. It answers there alone unless somebody has opened a way
to it; then it works from another machine as well.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Callable, Optional, TypeVar, Union

import httpx

from outofsync_client._endpoints import checked_url
from outofsync_client._exceptions import AuthenticationError, OutOfSyncError, UnreachableError
from outofsync_client._network import Certificate, proxy_for, tls_context
from outofsync_client.protocol import ErrorCode
from outofsync_client.protocol.answers import refuses_token
from outofsync_client.protocol.state import read_state

READY = "READY"
CONNECT_S, ANSWER_S = 5.0, 60.0  # every call returns at once but for a server under great load
RENEWAL_S = 3.0  # new tokens are in the state folder long before
POLL_S = 0.1
_TOKEN_HINT = "Pass the management token; TorchServe makes new ones, which are in its state folder."

Self = TypeVar("Self", bound="Management")

__all__ = ["LoadedVersion", "Management", "ManagementError", "Worker"]


class ManagementError(OutOfSyncError):
    """TorchServe refused, or said nothing usable."""

    default_code = ErrorCode.MANAGEMENT


@dataclass(frozen=True)
class Credentials:
    """The address of a management API, and the token that it asks for."""

    url: str
    token: str = field(repr=False)


@dataclass(frozen=True)
class Worker:
    """A process of a version."""

    id: str
    pid: int
    status: str


@dataclass(frozen=True)
class LoadedVersion:
    """A version of a model as TorchServe describes it; ``queued`` is None where it does not say."""

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
    """The management API of one server.

    Every method raises :class:`~outofsync_client.UnreachableError` where it does not answer,
    :class:`~outofsync_client.AuthenticationError` where it refuses the token, and :class:`ManagementError`
    where it refuses anything else.
    """

    def __init__(
        self,
        url: str,
        token: str,
        *,
        verify: Union[bool, str] = True,
        cert: Certificate = None,
        timeout: float = ANSWER_S,
    ) -> None:
        """``verify`` and ``cert`` are as for :class:`~outofsync_client.Client`; ``timeout`` in seconds.

        Raises ValueError for a URL or a certificate that cannot be used.
        """
        credentials = Credentials(checked_url(url), token)
        self._use(lambda: credentials, _http_client(url, verify, cert, timeout))

    @classmethod
    def of_state(cls: type[Self], folder: Union[str, Path], *, timeout: float = ANSWER_S) -> Self:
        """That of a server on this machine, followed through new tokens and restarts by its state folder."""

        def look() -> Credentials:
            try:
                server = read_state(Path(folder))
            except FileNotFoundError:
                raise UnreachableError(f"no server is ready in {folder}") from None
            return Credentials(server.management_url, server.management_token)

        management = cls.__new__(cls)
        management._use(look, _http_client("", True, None, timeout))
        return management

    def _use(self, look: Callable[[], Credentials], client: httpx.Client) -> None:
        self._look = look
        self._known: Optional[Credentials] = None
        self._client = client

    def close(self) -> None:
        """Close its connections."""
        self._client.close()

    def __enter__(self: Self) -> Self:
        return self

    def __exit__(
        self,
        kind: Optional[type[BaseException]],
        error: Optional[BaseException],
        traceback: Optional[TracebackType],
    ) -> None:
        self.close()

    def models(self) -> tuple[str, ...]:
        """The names of all models, those of a workflow's nodes among them."""
        names: list[str] = []
        query: dict[str, str] = {}
        while True:
            found = self.call("GET", "models", query)
            names += [str(model["modelName"]) for model in found["models"]]
            if (token := found.get("nextPageToken")) is None:
                return tuple(names)
            query = {"next_page_token": str(token)}

    def versions(self, model: str) -> dict[str, LoadedVersion]:
        """Every version of a model that is loaded, or about to be."""
        found = self.call("GET", f"models/{model}/all", as_good=(httpx.codes.NOT_FOUND,))
        return {entry["modelVersion"]: LoadedVersion.from_dict(entry) for entry in found or ()}

    def version(self, model: str, version: Optional[str] = None) -> Optional[LoadedVersion]:
        """One version of a model, or the one that answers where none is named; None where it is not there."""
        found = self.call("GET", _path(model, version), as_good=(httpx.codes.NOT_FOUND,))
        return LoadedVersion.from_dict(found[0]) if found else None

    def default(self, model: str) -> str:
        """The version that answers where none is named."""
        return str(self.call("GET", _path(model))[0]["modelVersion"])

    def register(
        self,
        archive: str,
        *,
        model: Optional[str] = None,
        batch_size: Optional[int] = None,
        max_batch_delay: Optional[int] = None,
    ) -> None:
        """Begin to load a version from an archive of the model store: it is there at once, and ready later.

        What is not given is as the archive has it; ``max_batch_delay`` in ms.
        """
        choices = {"model_name": model, "batch_size": batch_size, "max_batch_delay": max_batch_delay}
        query = {name: str(value) for name, value in choices.items() if value is not None}
        # Not synchronous, or inference would stand still while it loads.
        self.call("POST", "models", {"url": archive, "initial_workers": "1", "synchronous": "false", **query})

    def scale(self, model: str, version: str, workers: int) -> None:
        """Begin to start or end workers of a version until there are so many."""
        query = {"min_worker": str(workers), "max_worker": str(workers), "synchronous": "false"}
        self.call("PUT", _path(model, version), query)

    def set_default(self, model: str, version: str) -> None:
        """Let a version answer where none is named."""
        self.call("PUT", f"{_path(model, version)}/set-default")

    def unregister(self, model: str, version: str) -> None:
        """Unload a version; requests that it is at are lost. One that is gone is as good."""
        self.call("DELETE", _path(model, version), as_good=(httpx.codes.NOT_FOUND,))

    def call(
        self,
        method: str,
        path: str,
        query: Optional[Mapping[str, str]] = None,
        *,
        timeout: Optional[float] = None,
        as_good: Collection[int] = (),
    ) -> Any:
        """The JSON of the answer to any other call of the API (``path`` without a slash before it).

        None where the answer has one of the statuses that are ``as_good`` as success.
        """
        response = self._send(method, path, query, timeout)
        if response.status_code in as_good:
            return None
        _raise_for_refusal(response, f"{method} /{path}")
        try:
            return response.json()
        except ValueError:
            raise ManagementError(f"TorchServe's answer to {method} /{path} is not JSON") from None

    def tell(self, method: str, path: str, query: Optional[Mapping[str, str]] = None) -> None:
        """Any call whose answer says nothing but that it was understood."""
        _raise_for_refusal(self._send(method, path, query, None), f"{method} /{path}")

    def _send(
        self, method: str, path: str, query: Optional[Mapping[str, str]], timeout: Optional[float]
    ) -> httpx.Response:
        """The answer; where what is known is out of date, from the server of now, with its new tokens."""
        known, self._known = self._known, self._known or self._look()
        try:
            response = self._attempt(self._known, method, path, query, timeout)
        except UnreachableError:
            self._known = None
            if known is None or (now := self._look()) == known:
                raise
            self._known = now  # it was started anew, elsewhere
            response = self._attempt(now, method, path, query, timeout)
        deadline = time.monotonic() + RENEWAL_S
        while refuses_token(response.status_code, _object(response)) and time.monotonic() < deadline:
            now = self._look()
            if now is self._known:
                break  # it never changes
            if now == self._known:
                time.sleep(POLL_S)  # TorchServe knows new tokens a moment before the state folder does
                continue
            self._known = now
            response = self._attempt(now, method, path, query, timeout)
        return response

    def _attempt(
        self,
        credentials: Credentials,
        method: str,
        path: str,
        query: Optional[Mapping[str, str]],
        timeout: Optional[float],
    ) -> httpx.Response:
        headers = {"Authorization": f"Bearer {credentials.token}"}
        limits = httpx.USE_CLIENT_DEFAULT if timeout is None else httpx.Timeout(timeout, connect=CONNECT_S)
        try:
            return self._client.request(
                method, f"{credentials.url}/{path}", params=query, headers=headers, timeout=limits
            )
        except httpx.HTTPError as error:
            raise UnreachableError(
                f"TorchServe's management interface does not answer ({type(error).__name__})"
            ) from None


def _http_client(url: str, verify: Union[bool, str], cert: Certificate, timeout: float) -> httpx.Client:
    """Neither .netrc nor a proxy for this machine's own addresses replaces or sees the token."""
    return httpx.Client(
        verify=tls_context(verify, cert) if url.startswith("https:") else False,
        proxy=proxy_for(url) if url else None,
        trust_env=False,
        timeout=httpx.Timeout(timeout, connect=CONNECT_S),
    )


def _path(model: str, version: Optional[str] = None) -> str:
    return f"models/{model}" if version is None else f"models/{model}/{version}"


def _raise_for_refusal(response: httpx.Response, asked: str) -> None:
    if refuses_token(response.status_code, _object(response)):
        raise AuthenticationError("TorchServe refuses the management token", hint=_TOKEN_HINT)
    if not response.is_success:
        said = f"TorchServe refused {asked}: {_message(response)}"
        raise ManagementError(said, status=response.status_code)


def _object(response: httpx.Response) -> dict[str, Any]:
    """The JSON object of an answer, an empty one where it is none."""
    try:
        values = response.json()
    except ValueError:
        return {}
    return values if isinstance(values, dict) else {}


def _message(response: httpx.Response) -> str:
    return str(_object(response).get("message", f"HTTP {response.status_code}"))
