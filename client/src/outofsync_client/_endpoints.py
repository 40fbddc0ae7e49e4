"""Where requests go, and what opens the door there."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol
from urllib.parse import urlsplit

from outofsync_client._exceptions import UnreachableError
from outofsync_client._state import RunningServer, read_state


@dataclass(frozen=True)
class Routes:
    """The paths of one kind of door."""

    detect: str
    deblur: str
    health: str


TORCHSERVE = Routes(detect="/wfpredict/deepfake", deblur="/predictions/deblur", health="/ping")
EDGE = Routes(detect="/v1/detect", deblur="/v1/deblur", health="/v1/health")


@dataclass(frozen=True)
class Address:
    """A server's URL and the headers that it asks for."""

    url: str
    headers: Mapping[str, str] = field(repr=False)


class Endpoint(Protocol):
    """A server that a client asks."""

    def address(self) -> Address:
        """Where it is now; raises :class:`UnreachableError` where it is nowhere."""

    def renew(self) -> bool:
        """Look again; True where the address has changed."""


class FixedEndpoint:
    """A server whose address stays. Raises ValueError for a URL or secret that cannot be used."""

    def __init__(self, url: str, *, token: str | None = None, api_key: str | None = None) -> None:
        headers = {}
        if token:
            headers["Authorization"] = f"Bearer {_checked_secret('token', token)}"
        if api_key:
            headers["X-Api-Key"] = _checked_secret("API key", api_key)
        self._address = Address(checked_url(url), headers)

    def address(self) -> Address:
        return self._address

    def renew(self) -> bool:
        return False


class StateEndpoint:
    """A server of this machine, followed through new tokens and restarts by its state folder.

    Raises LookupError where the folder's file makes no sense.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._address: Address | None = None

    def address(self) -> Address:
        if self._address is None:
            self.renew()
        if self._address is None:
            raise UnreachableError(f"no server is ready in {self._folder}")
        return self._address

    def renew(self) -> bool:
        before = self._address
        try:
            self._address = _address_of(read_state(self._folder))
        except FileNotFoundError:
            self._address = None
        return self._address is not None and self._address != before


def _address_of(server: RunningServer) -> Address:
    return Address(checked_url(server.url), {"Authorization": f"Bearer {server.token}"})


def checked_url(url: str) -> str:
    """The URL without a slash at its end; raises ValueError where it is none of a server."""
    parts = urlsplit(url)
    if parts.username is not None or parts.password is not None:
        raise ValueError("the URL holds a user name or password; pass the token by itself")
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError(f"{url!r} is not an http or https URL")
    return url.rstrip("/")


def is_loopback(url: str) -> bool:
    """Whether the URL names this machine."""
    host = urlsplit(url).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _checked_secret(name: str, secret: str) -> str:
    if not (secret.isascii() and secret.isprintable()) or " " in secret:
        raise ValueError(f"the {name} holds characters that none has")  # never quote it
    return secret
