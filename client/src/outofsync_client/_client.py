"""The client: one method for each thing a server does."""

from __future__ import annotations

import logging
import time
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Callable, Literal, Optional, TypeVar, Union

from outofsync_client._answers import Answer
from outofsync_client._endpoints import EDGE, TORCHSERVE, Endpoint, FixedEndpoint, Routes, StateEndpoint
from outofsync_client._exceptions import (
    AuthenticationError,
    EmptyFileError,
    OutOfSyncError,
    RequestTimeoutError,
    ServerError,
    TransportError,
)
from outofsync_client._many import Judged, judge_many
from outofsync_client._multipart import MultipartBody, VideoFile, open_video
from outofsync_client._result import Result
from outofsync_client._retries import Patience, Retries
from outofsync_client._transport import Timeouts, Transport

DeblurChoice = Literal["auto", "always", "never"]
ModeChoice = Literal["full", "reference"]
IncludeChoice = Literal["delays", "features", "tracks", "frames"]

# Seconds of our clock: the server reckons from it what came before its work.
SENT_HEADER = "X-OutOfSync-Sent-At"
IDEMPOTENCY_HEADER = "Idempotency-Key"
READY_POLL_S = 0.5

logger = logging.getLogger("outofsync_client")
T = TypeVar("T")
F = TypeVar("F", bound=VideoFile)


@dataclass(frozen=True)
class Health:
    """``status`` is what the server says of itself; ``ready`` whether the whole chain answered a probe.

    ``problem`` says what is wrong where it is not ready; ``seconds`` is how long the probe took.
    """

    status: str
    ready: bool
    problem: str
    seconds: float


class Client:
    """A connection to one server, or to several that serve alike; threads may share it.

    With ``api_key`` the URL is that of the edge, with ``token`` (or neither) TorchServe's own. Of several
    URLs the one that answered last is asked first. ``timeout`` is :class:`Timeouts`, or how many seconds to
    wait for an answer. What may go better a little later is sent again (:class:`Retries`), under the same
    request id, which the server logs and each error shows. ``verify`` is False, or a file of trusted
    certificates; ``certificate`` the client's own (a file, or one with its key). Raises ValueError for a
    URL, token or key that cannot be used.
    """

    def __init__(
        self,
        url: Union[str, Sequence[str]],
        *,
        token: Optional[str] = None,
        api_key: Optional[str] = None,
        timeout: Union[float, Timeouts] = Timeouts(),  # noqa: B008 - frozen
        retries: Retries = Retries(),  # noqa: B008
        verify: Union[bool, str] = True,
        certificate: Union[str, tuple[str, str], None] = None,
    ) -> None:
        if token and api_key:
            raise ValueError("pass an API key (to the edge) or a token (to TorchServe itself), not both")
        urls = [url] if isinstance(url, str) else list(url)
        if not urls:
            raise ValueError("a client needs the URL of a server")
        self.retries = retries
        self._routes: Routes = EDGE if api_key else TORCHSERVE
        self._endpoints: list[Endpoint] = [FixedEndpoint(one, token=token, api_key=api_key) for one in urls]
        self._preferred = 0
        timeouts = timeout if isinstance(timeout, Timeouts) else Timeouts(read=timeout)
        self._transport = Transport(timeouts, verify=verify, certificate=certificate)
        self._name = urls[0].rstrip("/")

    @classmethod
    def of_state(
        cls,
        folder: Union[str, Path],
        *,
        timeout: Union[float, Timeouts] = Timeouts(),  # noqa: B008
        retries: Retries = Retries(),  # noqa: B008
    ) -> Client:
        """A client of the server that ``make serve`` runs on this machine, by its state folder.

        It follows the server through new tokens and restarts.
        """
        client = cls("http://localhost", timeout=timeout, retries=retries)
        client._endpoints = [StateEndpoint(Path(folder))]
        client._name = str(folder)
        return client

    def __repr__(self) -> str:
        return f"Client({self._name!r})"

    def __enter__(self) -> Client:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def url(self) -> str:
        """Where the next request goes first. Raises :class:`UnreachableError` where no server is ready."""
        return self._endpoints[self._preferred].address().url

    def close(self) -> None:
        """Let go of the connections."""
        self._transport.close()

    def detect(
        self,
        file: VideoFile,
        *,
        deblur: DeblurChoice | None = None,
        mode: ModeChoice | None = None,
        lam: float | None = None,
        max_len: int | None = None,
        include: Sequence[IncludeChoice] | None = None,
    ) -> Result:
        """Judge one video: a path, its bytes, or an open binary file.

        ``deblur``: sharpen faces first; ``mode``: the whole video, or the published protocol; ``lam`` ≥ 0:
        weight of the feature score; ``max_len``: windows in a scored segment; ``include``: what else the
        result holds. What is not given is left to the server.
        Raises an :class:`OutOfSyncError` of the kind that fits.
        """
        options = {"deblur": deblur, "mode": mode, "lam": lam, "max_len": max_len, "include": include}

        def read(answer: Answer, upload_ms: float) -> Result:
            values = answer.json()
            try:
                return Result.from_dict({**values, "timing_ms": _timing(values.get("timing_ms"), upload_ms)})
            except (KeyError, TypeError, ValueError, AttributeError) as error:
                raise answer.unexpected("the answer is JSON but no result") from error

        return self._upload(self._routes.detect, file, _given(options), read)

    def detect_many(
        self, files: Iterable[F], *, jobs: int = 4, ordered: bool = True, **options: Any
    ) -> Iterator[Judged[F]]:
        """Judge many videos, ``jobs`` at a time; the options are those of :meth:`detect`.

        An error is its own video's outcome and stops no other. Yields in the files' order, or as they come.
        """
        return judge_many(lambda file: self.detect(file, **options), files, jobs=jobs, ordered=ordered)

    def deblur(self, file: VideoFile) -> bytes:
        """The video with sharper faces and its own sound, as the bytes of an mp4 file."""
        return self._upload(self._routes.deblur, file, {}, lambda answer, _: answer.video())

    def health(self) -> Health:
        """Whether the server works. A server that cannot be reached or refuses the token raises.

        TorchServe's own ping knows nothing of the workflow, so an empty file is sent through the whole chain:
        that it is refused as empty shows that both nodes work. The edge does so by itself.
        """
        started = time.monotonic()
        if self._routes is EDGE:
            return self._edge_health(started)
        status = str(self._ask("GET", self._routes.health, Answer.json).get("status", "unknown"))
        problem = ""
        try:
            self.detect(b"")
            problem = "an empty file was not refused"
        except EmptyFileError:
            pass
        except (ServerError, RequestTimeoutError) as error:
            problem = str(error)
        return Health(status, not problem, problem, time.monotonic() - started)

    def wait_until_ready(self, seconds: float) -> Health:
        """Return once the whole chain answers; raises the last error, or a time-out, where it never does."""
        deadline = time.monotonic() + seconds
        while True:
            try:
                health = self.health()
                if health.ready:
                    return health
                problem: OutOfSyncError = RequestTimeoutError(f"not ready: {health.problem}")
            except (TransportError, ServerError) as error:
                problem = error
            if time.monotonic() + READY_POLL_S > deadline:
                raise problem
            time.sleep(READY_POLL_S)

    def _edge_health(self, started: float) -> Health:
        def read(answer: Answer) -> Health:
            values = answer.json() if answer.status != 503 else {"status": "not_ready"}
            status = str(values.get("status", "unknown"))
            problem = "" if status == "ready" else "no server behind the edge is ready"
            return Health(status, not problem, problem, time.monotonic() - started)

        return self._ask("GET", self._routes.health, read)

    def _upload(
        self, path: str, file: VideoFile, options: dict[str, Any], read: Callable[[Answer, float], T]
    ) -> T:
        """What ``read`` makes of the answer and of how long sending took (ms)."""
        key = uuid.uuid4().hex  # one for every attempt at this call
        with open_video(file) as (source, size):
            start = source.tell()

            def send(endpoint: Endpoint, request_id: str) -> T:
                source.seek(start)
                body = MultipartBody(source, size, options)
                headers = {
                    "Content-Type": body.content_type,
                    SENT_HEADER: f"{time.time():.6f}",
                    IDEMPOTENCY_HEADER: key,
                }
                answer = self._transport.send(
                    "POST", endpoint.address(), path, request_id=request_id, body=body, headers=headers
                )
                return read(answer, body.sending_ms)

            return self._persist(path, send)

    def _ask(self, method: str, path: str, read: Callable[[Answer], T]) -> T:
        """What ``read`` makes of the answer to a request without a body."""

        def send(endpoint: Endpoint, request_id: str) -> T:
            return read(self._transport.send(method, endpoint.address(), path, request_id=request_id))

        return self._persist(path, send)

    def _persist(self, path: str, send: Callable[[Endpoint, str], T]) -> T:
        """Send until there is an answer that no repetition would better."""
        request_id = uuid.uuid4().hex
        patience = Patience(self.retries)
        started = time.monotonic()
        outcome = "ok"
        try:
            while True:
                place = self._preferred
                try:
                    return send(self._endpoints[place], request_id)
                except OutOfSyncError as error:
                    outcome = error.code
                    wait = self._wait_after(error, place, patience)
                    if wait is None:
                        error.request_id = error.request_id or request_id
                        raise
                    logger.warning(
                        "request %s: %s (attempt %d); again in %.1f s",
                        request_id,
                        error.code,
                        patience.attempt,
                        wait,
                    )
                    patience.wait(wait)
                    outcome = "ok"
        finally:
            seconds = time.monotonic() - started
            logger.info("request %s: %s, %s, %.3f s", request_id, path, outcome, seconds)

    def _wait_after(self, error: OutOfSyncError, place: int, patience: Patience) -> Optional[float]:
        """Seconds until the next attempt, which may go elsewhere; None where there is to be none."""
        if isinstance(error, AuthenticationError):  # the token may have been changed since it was read
            renewed = self._endpoints[place].renew()
            return 0.0 if renewed and patience.next_wait(None) is not None else None
        if not error.repeatable:
            return None
        self._endpoints[place].renew()
        if place == self._preferred:
            self._preferred = (place + 1) % len(self._endpoints)
        return patience.next_wait(error.retry_after)


def _timing(timing_ms: Optional[Mapping[str, float]], upload_ms: float) -> dict[str, float]:
    """The server's stages; what passed until a worker took the request is told apart here.

    The server knows only when sending began, from our clock: of ``arrival``, what was not upload was waiting.
    """
    timing = dict(timing_ms or {})
    if (arrival := timing.pop("arrival", None)) is None:
        return timing
    upload = min(upload_ms, arrival)
    return {"upload": round(upload, 3), "queueing": round(arrival - upload, 3), **timing}


def _given(options: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in options.items() if value is not None}
