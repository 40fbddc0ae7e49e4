"""The client: one method for each thing a server does."""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Callable, Literal, Optional, TypeVar, Union

from outofsync_client._answers import Answer
from outofsync_client._endpoints import (
    EDGE,
    TORCHSERVE,
    Address,
    Endpoint,
    FixedEndpoint,
    Routes,
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
from outofsync_client._many import Judged, ManyProgress, judge_many
from outofsync_client._metrics import Metrics
from outofsync_client._multipart import (
    MultipartBody,
    UploadProgress,
    VideoFile,
    idempotency_key,
    open_video,
)
from outofsync_client._result import Result
from outofsync_client._retries import Retries
from outofsync_client._sender import Sender
from outofsync_client._transport import Certificate, Timeouts, Transport

if TYPE_CHECKING:
    from outofsync_client.models import Models

DeblurChoice = Literal["auto", "always", "never"]
ModeChoice = Literal["full", "reference"]
IncludeChoice = Literal["delays", "features", "tracks", "frames"]

# Seconds of our clock: the server reckons from it what came before its work.
SENT_HEADER = "X-OutOfSync-Sent-At"
IDEMPOTENCY_HEADER = "Idempotency-Key"
READY_POLL_S = 0.5

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

    With ``api_key`` the URL is that of the edge, with ``token`` (or neither) TorchServe's own; a
    :class:`TokenSource` is asked again when its token is refused. Of several URLs the one that answered last
    is asked first, and the next where it is busy or away. ``timeout`` is :class:`Timeouts`, or how many
    seconds to wait for an answer. What may go better a little later is sent again (:class:`Retries`), under
    the same request id, which the server logs and each error shows. ``verify`` is False, or a file of trusted
    certificates; ``cert`` the client's own (a file, or one and its key's). ``metrics_url`` is where
    :meth:`metrics` reads. Raises ValueError for a URL, secret or certificate that cannot be used.

    Requests, waits and failures are logged under the name ``outofsync_client``.
    """

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
        transport = Transport(_timeouts(timeout), verify=verify, cert=cert)
        metrics = checked_url(metrics_url) if metrics_url else None
        routes = EDGE if api_key else TORCHSERVE
        self._use(endpoints, routes, transport, retries, name=urls[0], metrics_url=metrics)

    @classmethod
    def of_state(
        cls,
        folder: Union[str, Path],
        *,
        timeout: Union[float, Timeouts] = Timeouts(),  # noqa: B008
        retries: Retries = Retries(),  # noqa: B008
        verify: Union[bool, str] = True,
        cert: Certificate = None,
    ) -> Client:
        """A client of the server that ``make serve`` runs on this machine, by its state folder.

        It follows the server through new tokens and restarts, and waits while it starts anew
        (:attr:`Retries.restart`). Raises ValueError for a certificate that cannot be used.
        """
        client = cls.__new__(cls)
        transport = Transport(_timeouts(timeout), verify=verify, cert=cert)
        state = Path(folder)
        client._use([StateEndpoint(state)], TORCHSERVE, transport, retries, name=str(folder), state=state)
        return client

    def _use(
        self,
        endpoints: Sequence[Endpoint],
        routes: Routes,
        transport: Transport,
        retries: Retries,
        *,
        name: str,
        state: Optional[Path] = None,
        metrics_url: Optional[str] = None,
    ) -> None:
        self._state = state
        self._metrics_url = metrics_url
        self._sender = Sender(endpoints, retries)
        self._routes = routes
        self._transport = transport
        self._name = name

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
        return self._sender.preferred.address().url

    @property
    def models(self) -> Models:
        """Versions of the pipeline, of a server on this machine; its model store lies beside its folder.

        Raises ValueError for a client that was not made by :meth:`of_state`.
        """
        if self._state is None:
            raise ValueError("versions are rolled out on the machine that serves: Client.of_state(folder)")
        from outofsync_client.models import Models  # for the systems that serve alone

        return Models(self._state, self._state.resolve().parent / "model_store")

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
        on_upload: Optional[UploadProgress] = None,
    ) -> Result:
        """Judge one video: a path, its bytes, or an open binary file.

        ``deblur``: sharpen faces first; ``mode``: the whole video, or the published protocol; ``lam`` ≥ 0:
        weight of the feature score; ``max_len``: windows in a scored segment; ``include``: what else the
        result holds. What is not given is left to the server. ``on_upload`` hears how much is sent
        (:data:`UploadProgress`).
        Raises an :class:`OutOfSyncError` of the kind that fits.
        """
        options = {"deblur": deblur, "mode": mode, "lam": lam, "max_len": max_len, "include": include}
        return self._detect(file, _given(options), on_upload=on_upload)

    def detect_many(
        self,
        files: Iterable[F],
        *,
        jobs: int = 4,
        ordered: bool = True,
        on_done: Optional[ManyProgress] = None,
        **options: Any,
    ) -> Iterator[Judged[F]]:
        """Judge many videos, ``jobs`` at a time; the options are those of :meth:`detect`.

        An error is its own video's outcome and stops no other. Yields in the files' order, or as they come;
        ``on_done`` hears of each before it is yielded (:data:`ManyProgress`).
        """

        def judge(file: F) -> Result:
            return self.detect(file, **options)

        return judge_many(judge, files, jobs=jobs, ordered=ordered, on_done=on_done)

    def deblur(self, file: VideoFile, *, on_upload: Optional[UploadProgress] = None) -> bytes:
        """The video with sharper faces and its own sound, as the bytes of an mp4 file."""
        return self._upload(
            self._routes.deblur, file, {}, lambda answer, _: answer.video(), on_upload=on_upload
        )

    def health(self) -> Health:
        """Whether the server works now, so nothing is repeated.

        A server that cannot be reached, or refuses the token or key, raises. What a server says of itself
        tells nothing of the workflow, nor of the key, so an empty file is sent through the whole chain: that
        it is refused as empty shows that both nodes work.
        """
        started = time.monotonic()
        status, problem = "unknown", "an empty file was not refused"
        try:
            status = self._status()
            self._detect(b"", {}, retries=Retries.none())
        except EmptyFileError:
            problem = ""
        except (ServerError, RequestTimeoutError) as error:
            problem = str(error)
        return Health(status, not problem, problem, time.monotonic() - started)

    def metrics(self) -> Metrics:
        """What the server counts at this moment, of itself and of its requests; asked once.

        Of a server on this machine (:meth:`of_state`), or where ``metrics_url`` says: what an edge shows
        to the world has no metrics. Raises ValueError for a client that knows neither.
        """
        url = running_server(self._state).metrics_url if self._state else self._metrics_url
        if url is None:
            raise ValueError("no metrics_url was given, and only Client.of_state finds one by itself")
        request_id = uuid.uuid4().hex
        answer = self._transport.send("GET", Address(url, {}), "", request_id=request_id)
        return answer.metrics()

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

    def _detect(
        self,
        file: VideoFile,
        options: dict[str, Any],
        *,
        retries: Optional[Retries] = None,
        on_upload: Optional[UploadProgress] = None,
    ) -> Result:
        def read(answer: Answer, upload_ms: float) -> Result:
            values = answer.json()
            try:
                return Result.from_dict({**values, "timing_ms": _timing(values.get("timing_ms"), upload_ms)})
            except (KeyError, TypeError, ValueError, AttributeError) as error:
                raise answer.unexpected("the answer is JSON but no result") from error

        return self._upload(self._routes.detect, file, options, read, retries=retries, on_upload=on_upload)

    def _upload(
        self,
        path: str,
        file: VideoFile,
        options: dict[str, Any],
        read: Callable[[Answer, float], T],
        *,
        retries: Optional[Retries] = None,
        on_upload: Optional[UploadProgress] = None,
    ) -> T:
        """What ``read`` makes of the answer and of how long sending took (ms)."""
        with open_video(file) as (source, size):
            start = source.tell()
            key = idempotency_key(source, size, path, options)

            def attempt(address: Address, request_id: str) -> T:
                source.seek(start)
                body = MultipartBody(source, size, options, on_upload)
                headers = {
                    "Content-Type": body.content_type,
                    SENT_HEADER: f"{time.time():.6f}",
                    IDEMPOTENCY_HEADER: key,
                }
                answer = self._transport.send(
                    "POST", address, path, request_id=request_id, body=body, headers=headers
                )
                return read(answer, body.sending_ms)

            return self._sender.send(path, attempt, retries=retries)

    def _status(self) -> str:
        """What the server says of itself."""

        def attempt(address: Address, request_id: str) -> str:
            answer = self._transport.send("GET", address, self._routes.health, request_id=request_id)
            return str(answer.json().get("status", "unknown"))

        return self._sender.send(self._routes.health, attempt, retries=Retries.none())


def _timeouts(timeout: Union[float, Timeouts]) -> Timeouts:
    return timeout if isinstance(timeout, Timeouts) else Timeouts(read=timeout)


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
