"""What both clients do, whether they block or are awaited: each method's work as a flow of steps."""

from __future__ import annotations

import time
import uuid
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Callable, ClassVar, Literal, Mapping, Optional, TypeVar, Union

from outofsync_client._answers import Answer
from outofsync_client._endpoints import (
    Address,
    Endpoint,
    FixedEndpoint,
    StateEndpoint,
    TokenSource,
    checked_url,
    running_server,
)
from outofsync_client._exceptions import (
    EmptyFileError,
    OutOfSyncError,
    RequestTimeoutError,
    ServerError,
    TransportError,
)
from outofsync_client._flow import Flow, Request, Sleep
from outofsync_client._jobs import JobFlows
from outofsync_client._metrics import Metrics
from outofsync_client._multipart import (
    MultipartBody,
    UploadProgress,
    VideoFile,
    idempotency_key,
    open_video,
)
from outofsync_client._network import Certificate
from outofsync_client._result import Result
from outofsync_client._retries import Retries
from outofsync_client._sender import Sender
from outofsync_client._transport import BaseTransport, Timeouts
from outofsync_client.extensions import versions_at
from outofsync_client.protocol import EDGE, IDEMPOTENCY_HEADER, SENT_AT_HEADER, TORCHSERVE, Routes

if TYPE_CHECKING:
    from outofsync_client.versions import Versions

DeblurChoice = Literal["auto", "always", "never"]
ModeChoice = Literal["full", "reference"]
IncludeChoice = Literal["delays", "features", "tracks", "frames"]

READY_POLL_S = 0.5

T = TypeVar("T")
Self = TypeVar("Self", bound="BaseClient")


@dataclass(frozen=True)
class Health:
    """``status`` is what the server says of itself; ``ready`` whether the whole chain answered a probe.

    ``problem`` says what is wrong where it is not ready; ``seconds`` is how long the probe took.
    """

    status: str
    ready: bool
    problem: str
    seconds: float


class BaseClient:
    """Which servers are asked, and what is asked of them; how it is sent is for those that build on it."""

    _transport_type: ClassVar[type[BaseTransport]]
    _state: Optional[Path] = None
    _metrics_url: Optional[str] = None
    _name: str

    def __init__(
        self,
        url: Union[str, Sequence[str]],
        *,
        token: Union[str, TokenSource, None] = None,
        api_key: Optional[str] = None,
        timeout: Union[float, Timeouts] = Timeouts(),  # noqa: B008 - frozen
        retries: Retries = Retries(),  # noqa: B008
        verify: Union[bool, str] = True,
        cert: Certificate = None,
        metrics_url: Optional[str] = None,
    ) -> None:
        if token and api_key:
            raise ValueError("pass an API key (to the edge) or a token (to TorchServe itself), not both")
        urls = [url] if isinstance(url, str) else list(url)
        if not urls:
            raise ValueError("a client needs the URL of a server")
        endpoints = [FixedEndpoint(one, token=token, api_key=api_key) for one in urls]
        self._use(endpoints, EDGE if api_key else TORCHSERVE, timeout, retries, verify, cert)
        self._metrics_url = checked_url(metrics_url) if metrics_url else None
        self._name = urls[0]

    @classmethod
    def of_state(
        cls: type[Self],
        folder: Union[str, Path],
        *,
        timeout: Union[float, Timeouts] = Timeouts(),  # noqa: B008
        retries: Retries = Retries(),  # noqa: B008
        verify: Union[bool, str] = True,
        cert: Certificate = None,
    ) -> Self:
        """A client of the server that ``make serve`` runs on this machine, by its state folder.

        It follows the server through new tokens and restarts, and waits while it starts anew
        (:attr:`Retries.restart`). Raises ValueError for a certificate that cannot be used.
        """
        client = cls.__new__(cls)
        client._use([StateEndpoint(Path(folder))], TORCHSERVE, timeout, retries, verify, cert)
        client._state = Path(folder)
        client._name = str(folder)
        return client

    def _use(
        self,
        endpoints: Sequence[Endpoint],
        routes: Routes,
        timeout: Union[float, Timeouts],
        retries: Retries,
        verify: Union[bool, str],
        cert: Certificate,
    ) -> None:
        timeouts = timeout if isinstance(timeout, Timeouts) else Timeouts(read=timeout)
        self._transport = self._transport_type(timeouts, verify=verify, cert=cert)
        self._sender = Sender(endpoints, retries, timeouts.total)
        self._routes = routes

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._name!r})"

    @property
    def url(self) -> str:
        """Where the next request goes first. Raises :class:`UnreachableError` where no server is ready."""
        return self._sender.preferred.address().url

    @property
    def models(self) -> Versions:
        """Versions of the pipeline, of a server on this machine.

        Its methods block. Raises ValueError for a client that was not made by :meth:`of_state`, and where
        what serves is not installed.
        """
        if self._state is None:
            raise ValueError("versions are rolled out on the machine that serves: Client.of_state(folder)")
        try:
            return versions_at(self._state)
        except LookupError as error:
            raise ValueError(str(error)) from None

    def _detect(
        self,
        file: VideoFile,
        options: Mapping[str, Any],
        *,
        retries: Optional[Retries] = None,
        on_upload: Optional[UploadProgress] = None,
    ) -> Flow[Result]:
        def read(answer: Answer, upload_ms: float) -> Result:
            values = answer.json()
            try:
                return Result.from_dict({**values, "timing_ms": _timing(values.get("timing_ms"), upload_ms)})
            except (KeyError, TypeError, ValueError, AttributeError) as error:
                raise answer.unexpected("the answer is JSON but no result") from error

        return self._upload(self._routes.detect, file, options, read, retries=retries, on_upload=on_upload)

    def _deblur(self, file: VideoFile, *, on_upload: Optional[UploadProgress] = None) -> Flow[bytes]:
        def read(answer: Answer, _: float) -> bytes:
            return answer.video()

        return self._upload(self._routes.deblur, file, {}, read, on_upload=on_upload)

    def _upload(
        self,
        path: str,
        file: VideoFile,
        options: Mapping[str, Any],
        read: Callable[[Answer, float], T],
        *,
        retries: Optional[Retries] = None,
        on_upload: Optional[UploadProgress] = None,
        nonce: str = "",
        key: Optional[str] = None,
    ) -> Flow[T]:
        """What ``read`` makes of the answer and of how long sending took (ms).

        All attempts have one key of idempotency, which is that of the file and options, and of the ``nonce``,
        where no ``key`` is given.
        """
        asked = {name: value for name, value in options.items() if value is not None}
        with ExitStack() as held:
            source, size = yield from open_video(file, held)
            start = source.tell()
            named_by = key or (yield from idempotency_key(source, size, path + nonce, asked))

            def prepare(address: Address) -> Request:
                source.seek(start)
                body = MultipartBody(source, size, asked, on_upload)
                headers = {
                    "Content-Type": body.content_type,
                    SENT_AT_HEADER: f"{time.time():.6f}",
                    IDEMPOTENCY_HEADER: named_by,
                }
                return Request("POST", address, path, headers, body)

            def read_answer(answer: Answer, request: Request) -> T:
                return read(answer, request.body.sending_ms if request.body else 0.0)

            named = path.partition("?")[0]  # logs hold no names of files
            return (yield from self._sender.send(named, prepare, read_answer, retries=retries))

    def _job_flows(self) -> JobFlows:
        if self._state is not None:
            raise ValueError("jobs are taken at the edge: Client(url, api_key=…)")
        return JobFlows(self._sender, self._upload)

    def _health(self) -> Flow[Health]:
        """The server's own word tells nothing of the workflow nor of the key, so a probe follows it."""
        started = time.monotonic()
        status, problem = "unknown", "an empty file was not refused"
        try:
            status = yield from self._status()
            yield from self._detect(b"", {}, retries=Retries.none())
        except EmptyFileError:
            problem = ""
        except (ServerError, RequestTimeoutError) as error:
            problem = str(error)
        return Health(status, not problem, problem, time.monotonic() - started)

    def _status(self) -> Flow[str]:
        """What the server says of itself."""

        def prepare(address: Address) -> Request:
            return Request("GET", address, self._routes.health)

        def read(answer: Answer, _: Request) -> str:
            return str(answer.json().get("status", "unknown"))

        return self._sender.send(self._routes.health, prepare, read, retries=Retries.none())

    def _metrics(self) -> Flow[Metrics]:
        url = running_server(self._state).metrics_url if self._state else self._metrics_url
        if url is None:
            raise ValueError("no metrics_url was given, and only Client.of_state finds one by itself")
        answer: Answer = yield Request("GET", Address(url, {}), "", request_id=uuid.uuid4().hex)
        return answer.metrics()

    def _wait_until_ready(self, seconds: float) -> Flow[Health]:
        deadline = time.monotonic() + seconds
        while True:
            try:
                health = yield from self._health()
                if health.ready:
                    return health
                problem: OutOfSyncError = RequestTimeoutError(f"not ready: {health.problem}")
            except (TransportError, ServerError) as error:
                problem = error
            if time.monotonic() + READY_POLL_S > deadline:
                raise problem
            yield Sleep(READY_POLL_S)


def _timing(timing_ms: Optional[Mapping[str, float]], upload_ms: float) -> dict[str, float]:
    """The server's stages; what passed until a worker took the request is told apart here.

    The server knows only when sending began, from our clock: of ``arrival``, what was not upload was waiting.
    """
    timing = dict(timing_ms or {})
    if (arrival := timing.pop("arrival", None)) is None:
        return timing
    upload = min(upload_ms, arrival)
    return {"upload": round(upload, 3), "queueing": round(arrival - upload, 3), **timing}
