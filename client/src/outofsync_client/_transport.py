"""One attempt at one request: bytes out, bytes in, and what can go wrong between."""

from __future__ import annotations

import os
import ssl
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Optional, Union

import requests
from requests.adapters import HTTPAdapter
from requests.auth import AuthBase
from urllib3.exceptions import MaxRetryError, ReadTimeoutError

from outofsync_client._answers import Answer
from outofsync_client._endpoints import Address, is_loopback
from outofsync_client._exceptions import (
    ConnectionLostError,
    RequestTimeoutError,
    UnreachableError,
    UntrustedServerError,
)
from outofsync_client._multipart import MultipartBody

# TorchServe gives each node an id of its own; this one is shared.
REQUEST_ID_HEADER = "X-OutOfSync-Request-Id"


_LENGTHS = ("Content-Length", "Transfer-Encoding")  # of which every whole answer has one
_HANDSHAKE = "handshake operation timed out"  # in ssl's own words; requests calls it a time-out of reading

KEPT_CONNECTIONS = 256  # of which only those exist that were needed at one time

Certificate = Union[str, tuple[str, str], None]


@dataclass(frozen=True)
class Timeouts:
    """Seconds to wait for a connection, and for an answer once the request is sent.

    Raises ValueError for what is no time.
    """

    connect: float = 10.0
    read: float = 600.0

    def __post_init__(self) -> None:
        if not (self.connect > 0 and self.read > 0):
            raise ValueError("a time-out has more than zero seconds")


class Transport:
    """Connections to servers; threads may share it. Raises ValueError for a certificate that is not there."""

    def __init__(
        self,
        timeouts: Timeouts,
        *,
        verify: Union[bool, str] = True,
        cert: Certificate = None,
    ) -> None:
        for path in (verify, *([cert] if isinstance(cert, str) else cert or ())):
            if isinstance(path, str) and not os.path.exists(path):  # noqa: PTH110 - a plain string
                raise ValueError(f"{path} does not exist")
        self.timeouts = timeouts
        self._verify = verify
        self._cert = cert
        self._remote = _session()
        self._local = _session()
        self._local.trust_env = False  # a proxy cannot reach this machine's own server

    def close(self) -> None:
        self._remote.close()
        self._local.close()

    def send(
        self,
        method: str,
        address: Address,
        path: str,
        *,
        request_id: str,
        body: Optional[MultipartBody] = None,
        headers: Optional[Mapping[str, str]] = None,
    ) -> Answer:
        """The answer, whatever it says. Raises a :class:`TransportError` where none came."""
        session = self._local if is_loopback(address.url) else self._remote
        try:
            response = session.request(
                method,
                address.url + path,
                data=body,  # type: ignore[arg-type] # requests reads any object with read() and a length
                headers={**(headers or {}), REQUEST_ID_HEADER: request_id},
                auth=_Headers(address.headers),
                timeout=(self.timeouts.connect, self.timeouts.read),
                allow_redirects=False,  # a secret goes to the server it was meant for and no other
                verify=self._verify,
                cert=self._cert,
            )
        except requests.exceptions.SSLError as error:
            if any(isinstance(cause, (ssl.SSLEOFError, ssl.SSLZeroReturnError)) for cause in _causes(error)):
                raise ConnectionLostError("the connection broke off", request_id=request_id) from None
            message = f"no trusted connection to {address.url}"
            raise UntrustedServerError(message, request_id=request_id) from None
        except requests.ConnectTimeout:
            raise UnreachableError(f"{address.url} does not answer", request_id=request_id) from None
        except requests.Timeout as error:
            if any(_HANDSHAKE in str(cause) for cause in _contexts(error)):  # nothing was sent yet
                raise UnreachableError(f"{address.url} does not answer", request_id=request_id) from None
            message = f"no answer within {self.timeouts.read:g} seconds"
            raise RequestTimeoutError(message, request_id=request_id) from None
        except requests.ConnectionError as error:
            if error.args and isinstance(error.args[0], ReadTimeoutError):  # in the midst of an answer
                message = f"no complete answer within {self.timeouts.read:g} seconds"
                raise RequestTimeoutError(message, request_id=request_id) from None
            if error.args and isinstance(error.args[0], MaxRetryError):  # raised before a connection stands
                message = f"nothing answers at {address.url}"
                raise UnreachableError(message, request_id=request_id) from None
            raise ConnectionLostError("the connection broke off", request_id=request_id) from None
        except requests.RequestException as error:
            message = f"the request could not be carried out ({type(error).__name__})"
            raise ConnectionLostError(message, request_id=request_id) from None
        if response.ok and not response.content and not any(name in response.headers for name in _LENGTHS):
            raise ConnectionLostError("the connection broke off in the answer's head", request_id=request_id)
        return Answer(response.status_code, response.headers, response.content, request_id)


def _session() -> requests.Session:
    """One that keeps every connection it made, however many threads share it."""
    session = requests.Session()
    for scheme in ("http://", "https://"):
        session.mount(scheme, HTTPAdapter(pool_maxsize=KEPT_CONNECTIONS))
    return session


def _contexts(error: Optional[BaseException]) -> Iterator[BaseException]:
    """The error, what it was raised from or in the midst of, and so on."""
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def _causes(error: BaseException) -> Iterator[BaseException]:
    """The error and what it was made of: urllib3 keeps causes as arguments and as ``reason``."""
    yield error
    for inner in (*error.args, getattr(error, "reason", None)):
        if isinstance(inner, BaseException):
            yield from _causes(inner)


class _Headers(AuthBase):
    """Set as ``auth``, because requests lets a .netrc entry replace a plain Authorization header."""

    def __init__(self, headers: Mapping[str, str]) -> None:
        self._headers = headers

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers.update(self._headers)
        return request
