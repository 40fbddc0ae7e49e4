"""One attempt at one request: bytes out, bytes in, and what can go wrong between."""

from __future__ import annotations

import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any, Callable, NamedTuple, Optional, TypeVar, Union

import httpx

from outofsync_client._answers import Answer
from outofsync_client._exceptions import (
    ConnectionLostError,
    RequestTimeoutError,
    TransportError,
    UnreachableError,
    UntrustedServerError,
)
from outofsync_client._flow import Body, Call, Flow, Request, Step
from outofsync_client._network import Certificate, proxy_for, tls_context
from outofsync_client._version import __version__
from outofsync_client.protocol import REQUEST_ID_HEADER

T = TypeVar("T")
C = TypeVar("C")

HEADERS = {"User-Agent": f"outofsync-client/{__version__}"}

# As many connections as are needed at one time, each kept for the next request until nobody wants it.
LIMITS = httpx.Limits(max_connections=None, max_keepalive_connections=None, keepalive_expiry=60.0)

NO_ANSWER, NO_WHOLE_ANSWER = "no answer", "no complete answer"

NO_CONTENT = 204  # the one good answer that has neither body nor length
_LENGTHS = ("Content-Length", "Transfer-Encoding")  # of which every whole answer has one
_BROKEN_OFF = (
    ConnectionResetError,
    ConnectionAbortedError,
    BrokenPipeError,
    ssl.SSLEOFError,
    ssl.SSLZeroReturnError,
)


@dataclass(frozen=True)
class Timeouts:
    """Seconds to wait for a connection, and for an answer once the request is sent.

    ``total``: for one request with everything it takes, its upload, repetitions and the waits between them;
    None where only single waits have an end. Raises ValueError for what is no time.
    """

    connect: float = 10.0
    read: float = 600.0
    total: Optional[float] = None

    def __post_init__(self) -> None:
        if not (self.connect > 0 and self.read > 0 and (self.total is None or self.total > 0)):
            raise ValueError("a time-out has more than zero seconds")


SocketTimeouts = dict[str, Optional[float]]
"""Seconds for single waits, as httpx has them."""


class PoolKey(NamedTuple):
    """What requests must have in common to share connections."""

    secure: bool
    proxy: Optional[str]

    @classmethod
    def of(cls, request: Request) -> PoolKey:
        return cls(request.url.lower().startswith("https:"), proxy_for(request.url))


class BaseTransport:
    """What blocking and asyncio connections have in common.

    Raises ValueError for a certificate that cannot be used.
    """

    def __init__(
        self, timeouts: Timeouts, *, verify: Union[bool, str] = True, cert: Certificate = None
    ) -> None:
        self.timeouts = timeouts
        # To read the authorities that everybody trusts takes a while, and plain HTTP needs none.
        self._tls = None if verify is True and cert is None else tls_context(verify, cert)

    def _new_client(self, kind: Callable[..., C], key: PoolKey) -> C:
        """An httpx client. It follows no redirection: a secret goes to the server it is meant for."""
        try:
            if key.secure and self._tls is None:
                self._tls = tls_context()
            tls = self._tls if key.secure else False
            return kind(verify=tls, proxy=key.proxy, headers=HEADERS, limits=LIMITS, trust_env=False)
        except (ValueError, ImportError, httpx.InvalidURL) as error:
            # Nothing is quoted: a proxy's address may hold a password.
            message = f"the environment names a proxy or certificates of no use ({type(error).__name__})"
            raise UnreachableError(message) from None

    def _arguments(self, request: Request, timeouts: SocketTimeouts) -> dict[str, Any]:
        """How an httpx request is made, but for its content."""
        headers = {**request.headers, **request.address.headers, REQUEST_ID_HEADER: request.request_id}
        if request.body is not None:
            headers["Content-Length"] = str(len(request.body))
        return {
            "method": request.method,
            "url": request.url,
            "headers": headers,
            "extensions": {"timeout": timeouts},
        }

    def _socket_timeouts(self, request: Request) -> SocketTimeouts:
        """Seconds for each single wait from now on, none of which goes beyond the deadline."""
        left = request.deadline - time.monotonic()
        if left <= 0:
            raise self._too_late(request)
        connect, read = min(self.timeouts.connect, left), min(self.timeouts.read, left)
        return {"connect": connect, "write": connect, "read": read, "pool": None}

    def _upload(self, body: Body, request: Request, timeouts: SocketTimeouts) -> Iterator[bytes]:
        """The body's pieces. httpx looks at the time-outs anew once all are sent."""
        for chunk in body.chunks():
            yield chunk
            timeouts.update(self._socket_timeouts(request))

    @contextmanager
    def _mapped_errors(self, request: Request, missing: str) -> Iterator[None]:
        """Our own errors in place of httpx's; ``missing`` is what has not come yet."""
        try:
            yield
        except (httpx.HTTPError, httpx.InvalidURL, ssl.SSLError) as error:
            raise self._error_of(error, request, missing) from None

    def _error_of(self, error: Exception, request: Request, missing: str) -> TransportError:
        url, request_id = request.address.url, request.request_id
        causes = list(_causes(error))
        broken = any(isinstance(cause, _BROKEN_OFF) for cause in causes)
        if time.monotonic() >= request.deadline:
            return self._too_late(request)
        if isinstance(error, httpx.ConnectTimeout):
            return UnreachableError(f"{url} does not answer", request_id=request_id)
        if isinstance(error, httpx.ReadTimeout):
            message = f"{missing} within {self.timeouts.read:g} seconds"
            return RequestTimeoutError(message, request_id=request_id)
        if not broken and any(isinstance(cause, ssl.SSLError) for cause in causes):
            return UntrustedServerError(f"no trusted connection to {url}", request_id=request_id)
        # A handshake that breaks off is an error of connecting, too, but the connection stood already.
        refused = not broken and any(isinstance(cause, OSError) for cause in causes)
        if isinstance(error, httpx.ProxyError) or (isinstance(error, httpx.ConnectError) and refused):
            return UnreachableError(f"nothing answers at {url}", request_id=request_id)
        if isinstance(error, (httpx.NetworkError, httpx.RemoteProtocolError, httpx.WriteTimeout)):
            return ConnectionLostError("the connection broke off", request_id=request_id)
        message = f"the request could not be carried out ({type(error).__name__})"
        return ConnectionLostError(message, request_id=request_id)

    def _too_late(self, request: Request) -> RequestTimeoutError:
        message = f"no answer within {self.timeouts.total or 0.0:g} seconds in all"
        return RequestTimeoutError(message, request_id=request.request_id)

    def _answer(self, request: Request, response: httpx.Response, body: bytes) -> Answer:
        whole = response.status_code == NO_CONTENT or any(name in response.headers for name in _LENGTHS)
        if response.status_code < 400 and not body and not whole:
            message = "the connection broke off in the answer's head"
            raise ConnectionLostError(message, request_id=request.request_id)
        return Answer(response.status_code, response.headers, body, request.request_id)


def _causes(error: Optional[BaseException]) -> Iterator[BaseException]:
    """The error, what it was raised from, and so on; not what a caller was at when it asked.

    httpcore hides causes from tracebacks, which leaves them where the unrelated ones of others are.
    """
    while error is not None:
        yield error
        error = error.__cause__ or (error.__context__ if error.__suppress_context__ else None)


class Transport(BaseTransport):
    """Connections that block whoever waits for them; threads may share it."""

    def __init__(self, timeouts: Timeouts, **settings: Any) -> None:
        super().__init__(timeouts, **settings)
        self._lock = threading.Lock()
        self._clients: dict[PoolKey, _Shared] = {}

    def run(self, flow: Flow[T]) -> T:
        """Carry out the flow's steps, one after the other; what comes of it."""
        resume: Callable[[], Step] = partial(next, flow)
        while True:
            try:
                step = resume()
            except StopIteration as end:
                return end.value  # type: ignore[no-any-return] # Generator's third type is that of value
            try:
                outcome = self._carry_out(step)
            except BaseException as error:  # the flow is told of everything: it has files to close
                resume = partial(flow.throw, error)
            else:
                resume = partial(flow.send, outcome)

    def close(self) -> None:
        """Let go of the connections: of those in use once they are done."""
        with self._lock:
            idle = [shared for shared in self._clients.values() if shared.close_when_idle()]
            self._clients = {}
        for shared in idle:
            shared.client.close()

    def _carry_out(self, step: Step) -> Any:
        if isinstance(step, Request):
            return self._send(step)
        if isinstance(step, Call):
            return step.work()
        return time.sleep(step.seconds)

    def _send(self, request: Request) -> Answer:
        """The answer, whatever it says. Raises a :class:`TransportError` where none came."""
        timeouts = self._socket_timeouts(request)
        content = None if request.body is None else self._upload(request.body, request, timeouts)
        with self._client_for(request) as client:
            with self._mapped_errors(request, NO_ANSWER):
                built = client.build_request(content=content, **self._arguments(request, timeouts))
                response = client.send(built, stream=True)
            try:
                with self._mapped_errors(request, NO_WHOLE_ANSWER):
                    timeouts.update(self._socket_timeouts(request))
                    chunks = []
                    for chunk in response.iter_bytes():
                        chunks.append(chunk)
                        self._socket_timeouts(request)
            finally:
                response.close()
        return self._answer(request, response, b"".join(chunks))

    @contextmanager
    def _client_for(self, request: Request) -> Iterator[httpx.Client]:
        key = PoolKey.of(request)
        with self._lock:
            shared = self._clients.get(key) or _Shared(self._new_client(httpx.Client, key))
            self._clients[key] = shared
            shared.users += 1
        try:
            yield shared.client
        finally:
            with self._lock:
                shared.users -= 1
                last = shared.closing and not shared.users
            if last:
                shared.client.close()


@dataclass
class _Shared:
    """A blocking httpx client, and how many threads are at it."""

    client: httpx.Client
    users: int = 0
    closing: bool = False

    def close_when_idle(self) -> bool:
        """Whether nobody is at it; else the last one closes it."""
        self.closing = True
        return not self.users
