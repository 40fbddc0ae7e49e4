"""The client: one method for each thing a server does."""

from __future__ import annotations

import ipaddress
import time
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Literal, Optional
from urllib.parse import urlsplit

import requests
from requests.auth import AuthBase
from urllib3.exceptions import MaxRetryError

from outofsync_client._answers import read_json, read_video
from outofsync_client._exceptions import (
    ConnectionLostError,
    EmptyFileError,
    RequestTimeoutError,
    ServerError,
    UnexpectedAnswerError,
    UnreachableError,
)
from outofsync_client._multipart import MultipartBody, VideoFile, open_video
from outofsync_client._result import Result

DeblurChoice = Literal["auto", "always", "never"]
ModeChoice = Literal["full", "reference"]
IncludeChoice = Literal["delays", "features", "tracks", "frames"]

DETECT_PATH = "/wfpredict/deepfake"
DEBLUR_PATH = "/predictions/deblur"
PING_PATH = "/ping"
SENT_HEADER = (
    "X-OutOfSync-Sent-At"  # seconds of our clock: the server reckons from it what came before its work
)
REQUEST_ID_HEADER = (
    "X-OutOfSync-Request-Id"  # TorchServe gives each node an id of its own; this one is shared
)

DEFAULT_TIMEOUT_S = 600.0
CONNECT_TIMEOUT_S = 10.0


@dataclass(frozen=True)
class Health:
    """``status`` is what TorchServe says of itself; ``ready`` whether the whole chain answered a probe.

    ``problem`` says what is wrong where it is not ready; ``seconds`` is how long the probe took.
    """

    status: str
    ready: bool
    problem: str
    seconds: float


class Client:
    """A connection to one server; threads may share it.

    ``timeout`` is how many seconds to wait for an answer. Every request carries an id of its own, which the
    server logs and each error shows. Raises ValueError for a URL or token that cannot be used.
    """

    def __init__(self, url: str, *, token: str | None = None, timeout: float = DEFAULT_TIMEOUT_S) -> None:
        self.url = _checked_url(url)
        self.timeout = timeout
        self._session = requests.Session()
        self._session.trust_env = not _is_loopback(self.url)  # a proxy cannot reach this machine's own server
        if token:
            self._session.auth = _BearerToken(token)

    def __repr__(self) -> str:
        return f"Client({self.url!r})"

    def __enter__(self) -> Client:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the connections."""
        self._session.close()

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
        request_id, status, body, upload_ms = self._upload(DETECT_PATH, file, _given(options))
        answer = read_json(status, body, request_id=request_id)
        try:
            return Result.from_dict({**answer, "timing_ms": _timing(answer.get("timing_ms"), upload_ms)})
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise UnexpectedAnswerError(
                "the answer is JSON but no result", status=status, request_id=request_id
            ) from error

    def deblur(self, file: VideoFile) -> bytes:
        """The video with sharper faces and its own sound, as the bytes of an mp4 file."""
        request_id, status, body, _ = self._upload(DEBLUR_PATH, file, {})
        return read_video(status, body, request_id=request_id)

    def health(self) -> Health:
        """Whether the server works. A server that cannot be reached or refuses the token raises.

        TorchServe's own ping knows nothing of the workflow, so an empty file is sent through the whole chain:
        that it is refused as empty shows that both nodes work.
        """
        started = time.monotonic()
        request_id, code, body = self._send("GET", PING_PATH)
        status = str(read_json(code, body, request_id=request_id).get("status", "unknown"))
        problem = ""
        try:
            self.detect(b"")
            problem = "an empty file was not refused"
        except EmptyFileError:
            pass
        except (ServerError, RequestTimeoutError) as error:
            problem = str(error)
        return Health(status, not problem, problem, time.monotonic() - started)

    def _upload(self, path: str, file: VideoFile, options: dict[str, Any]) -> tuple[str, int, bytes, float]:
        """The request's id, the status and body of the answer, and how long sending took (ms)."""
        with open_video(file) as (source, size):
            body = MultipartBody(source, size, options)
            headers = {"Content-Type": body.content_type, SENT_HEADER: f"{time.time():.6f}"}
            request_id, status, content = self._send("POST", path, data=body, headers=headers)
        return request_id, status, content, body.sending_ms

    def _send(
        self,
        method: str,
        path: str,
        *,
        data: MultipartBody | None = None,
        headers: dict[str, str] | None = None,
    ) -> tuple[str, int, bytes]:
        """The request's id, and the status and body of the answer."""
        request_id = uuid.uuid4().hex
        try:
            response = self._session.request(
                method,
                self.url + path,
                data=data,  # type: ignore[arg-type] # requests reads any object with read() and a length
                headers={**(headers or {}), REQUEST_ID_HEADER: request_id},
                timeout=(CONNECT_TIMEOUT_S, self.timeout),
                allow_redirects=False,  # a body can be sent once only
            )
        except requests.exceptions.SSLError:
            message = f"no trusted connection to {self.url}"
            raise UnreachableError(message, request_id=request_id) from None
        except requests.ConnectTimeout:
            raise UnreachableError(f"{self.url} does not answer", request_id=request_id) from None
        except requests.Timeout:
            message = f"no answer within {self.timeout:g} seconds"
            raise RequestTimeoutError(message, request_id=request_id) from None
        except requests.ConnectionError as error:
            if error.args and isinstance(error.args[0], MaxRetryError):  # raised before a connection stands
                raise UnreachableError(f"nothing answers at {self.url}", request_id=request_id) from None
            raise ConnectionLostError("the connection broke off", request_id=request_id) from None
        except requests.RequestException as error:
            message = f"the request could not be carried out ({type(error).__name__})"
            raise ConnectionLostError(message, request_id=request_id) from None
        return request_id, response.status_code, response.content


def _timing(timing_ms: Optional[Mapping[str, float]], upload_ms: float) -> dict[str, float]:
    """The server's stages; what passed until a worker took the request is told apart here.

    The server knows only when sending began, from our clock: of ``arrival``, what was not upload was waiting.
    """
    timing = dict(timing_ms or {})
    if (arrival := timing.pop("arrival", None)) is None:
        return timing
    upload = min(upload_ms, arrival)
    return {"upload": round(upload, 3), "queueing": round(arrival - upload, 3), **timing}


class _BearerToken(AuthBase):
    """Set as ``auth``, because requests lets a .netrc entry replace a plain Authorization header."""

    def __init__(self, token: str) -> None:
        if not (token.isascii() and token.isprintable()) or " " in token:
            raise ValueError("the token holds characters that no token has")  # never quote it
        self._token = token

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers["Authorization"] = f"Bearer {self._token}"
        return request


def _checked_url(url: str) -> str:
    parts = urlsplit(url)
    if parts.username is not None or parts.password is not None:
        raise ValueError("the URL holds a user name or password; pass the token by itself")
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError(f"{url!r} is not an http or https URL")
    return url.rstrip("/")


def _is_loopback(url: str) -> bool:
    host = urlsplit(url).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _given(options: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in options.items() if value is not None}
