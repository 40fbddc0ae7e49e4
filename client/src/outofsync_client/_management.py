"""How a call reaches TorchServe's management API: with the tokens of now, at the address of now."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Callable, Optional, Union

import httpx

from outofsync_client._exceptions import AuthenticationError, OutOfSyncError, UnreachableError
from outofsync_client._network import Certificate, proxy_for, tls_context
from outofsync_client.protocol import ErrorCode
from outofsync_client.protocol.answers import refuses_token

CONNECT_S, ANSWER_S = 5.0, 60.0  # every call returns at once but for a server under great load
RENEWAL_S = 3.0  # new tokens are in the state folder long before
POLL_S = 0.1
_TOKEN_HINT = "Pass the management token; TorchServe makes new ones, which are in its state folder."


class ManagementError(OutOfSyncError):
    """TorchServe refused, or said nothing usable."""

    default_code = ErrorCode.MANAGEMENT


@dataclass(frozen=True)
class Credentials:
    """The address of a management API, and the token that it asks for."""

    url: str
    token: str = field(repr=False)


class Connection:
    """The way to a management API whose address and tokens ``look`` finds, whenever they have changed."""

    def __init__(self, look: Callable[[], Credentials], client: httpx.Client) -> None:
        self._look = look
        self._known: Optional[Credentials] = None
        self._client = client

    def close(self) -> None:
        """Close what it has opened."""
        self._client.close()

    def send(
        self,
        method: str,
        path: str,
        query: Optional[Mapping[str, str]] = None,
        *,
        timeout: Optional[float] = None,
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


def http_client(url: str, verify: Union[bool, str], cert: Certificate, timeout: float) -> httpx.Client:
    """Neither .netrc nor a proxy for this machine's own addresses replaces or sees the token."""
    return httpx.Client(
        verify=tls_context(verify, cert) if url.startswith("https:") else False,
        proxy=proxy_for(url) if url else None,
        trust_env=False,
        timeout=httpx.Timeout(timeout, connect=CONNECT_S),
    )


def raise_for_refusal(response: httpx.Response, asked: str) -> None:
    """Raise what the answer to what was asked means, unless it is a success."""
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
