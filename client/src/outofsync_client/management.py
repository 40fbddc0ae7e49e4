"""TorchServe's management API: which models are loaded, in which versions, and which of them answers.

>>> from outofsync_client.management import Management
>>> with Management("https://models.example", token="…") as management:  # doctest: +SKIP
...     for name in management.models():
...         print(name, management.versions(name))

Whoever holds its token can run code on that machine. It answers there alone unless somebody has opened a way
to it; then it works from another machine as well.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Optional, TypeVar, Union

import httpx

from outofsync_client._endpoints import checked_url
from outofsync_client._exceptions import UnreachableError
from outofsync_client._management import (
    ANSWER_S,
    Connection,
    Credentials,
    ManagementError,
    http_client,
    raise_for_refusal,
)
from outofsync_client._network import Certificate
from outofsync_client.protocol.state import read_state

READY = "READY"

Self = TypeVar("Self", bound="Management")

__all__ = ["LoadedVersion", "Management", "ManagementError", "Worker"]


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
        self._connection = Connection(lambda: credentials, http_client(url, verify, cert, timeout))

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
        management._connection = Connection(look, http_client("", True, None, timeout))
        return management

    def close(self) -> None:
        """Close its connections."""
        self._connection.close()

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
        response = self._connection.send(method, path, query, timeout=timeout)
        if response.status_code in as_good:
            return None
        raise_for_refusal(response, f"{method} /{path}")
        try:
            return response.json()
        except ValueError:
            raise ManagementError(f"TorchServe's answer to {method} /{path} is not JSON") from None

    def tell(self, method: str, path: str, query: Optional[Mapping[str, str]] = None) -> None:
        """Any call whose answer says nothing but that it was understood."""
        raise_for_refusal(self._connection.send(method, path, query), f"{method} /{path}")


def _path(model: str, version: Optional[str] = None) -> str:
    return f"models/{model}" if version is None else f"models/{model}/{version}"
