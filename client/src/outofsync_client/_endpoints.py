"""Where requests go, and what opens the door there."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Optional, Protocol, Union
from urllib.parse import urlsplit

from outofsync_client._exceptions import UnreachableError
from outofsync_client.protocol import API_KEY_HEADER, STATE_FILE
from outofsync_client.protocol.state import RunningServer, read_state


@dataclass(frozen=True)
class Address:
    """A server's URL and the headers that it asks for."""

    url: str
    headers: Mapping[str, str] = field(repr=False)


class TokenSource(Protocol):
    """Where a token comes from that changes while a client lives; threads may share it."""

    def current(self) -> str:
        """The token, as last looked up."""

    def renew(self) -> Optional[str]:
        """Look it up anew, as the server refused it; None where there is no token to be had."""


class StateToken:
    """TorchServe's inference token, from the state folder of a server on this machine.

    Raises :class:`UnreachableError` where no server is ready there.
    """

    def __init__(self, folder: Union[str, Path]) -> None:
        self._folder = Path(folder)
        self._token: Optional[str] = None

    def __repr__(self) -> str:
        return f"StateToken({str(self._folder)!r})"

    def current(self) -> str:
        token = self._token or self.renew()
        if token is None:
            raise _not_ready(self._folder)
        return token

    def renew(self) -> Optional[str]:
        server = _server_in(self._folder)
        self._token = server.token if server else None
        return self._token


class Endpoint(Protocol):
    """A server that a client asks."""

    @property
    def renews_tokens(self) -> bool:
        """Whether its token is looked up, and may be another one soon."""

    def address(self) -> Address:
        """Where it is, as last looked up; raises :class:`UnreachableError` where it is nowhere."""

    def renew(self, used: Optional[Address]) -> Optional[Address]:
        """Look again; None where it is nowhere, or still at the address that was ``used``."""

    def is_away(self) -> bool:
        """Whether it was there before, and is known to be nowhere now."""


class FixedEndpoint:
    """A server whose URL stays. Raises ValueError for a URL or secret that cannot be used."""

    def __init__(
        self, url: str, *, token: Union[str, TokenSource, None] = None, api_key: Optional[str] = None
    ) -> None:
        self._url = checked_url(url)
        self._source = None if isinstance(token, str) else token
        headers = {}
        if isinstance(token, str) and token:
            headers = _bearer(token)
        if api_key:
            headers[API_KEY_HEADER] = _checked_secret("API key", api_key)
        self._address = Address(self._url, headers)

    @property
    def renews_tokens(self) -> bool:
        return self._source is not None

    def address(self) -> Address:
        return Address(self._url, _bearer(self._source.current())) if self._source else self._address

    def renew(self, used: Optional[Address]) -> Optional[Address]:
        token = self._source.renew() if self._source else None
        if token is None:
            return None
        address = Address(self._url, _bearer(token))
        return None if address == used else address

    def is_away(self) -> bool:
        return False


class StateEndpoint:
    """A server of this machine, followed through new tokens and restarts by its state folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._address: Optional[Address] = None
        self._was_there = False

    @property
    def renews_tokens(self) -> bool:
        return True

    def address(self) -> Address:
        address = self._address or self.renew(None)
        if address is None:
            raise _not_ready(self._folder)
        return address

    def renew(self, used: Optional[Address]) -> Optional[Address]:
        server = _server_in(self._folder)
        self._address = Address(checked_url(server.url), _bearer(server.token)) if server else None
        self._was_there = self._was_there or server is not None
        return None if self._address == used else self._address

    def is_away(self) -> bool:
        return self._was_there and not (self._folder / STATE_FILE).exists()


def _server_in(folder: Path) -> Optional[RunningServer]:
    try:
        return read_state(folder)
    except FileNotFoundError:
        return None
    except LookupError as error:
        raise UnreachableError(str(error)) from None


def running_server(folder: Path) -> RunningServer:
    """The server of a state folder; raises :class:`UnreachableError` where none is ready."""
    server = _server_in(folder)
    if server is None:
        raise _not_ready(folder)
    return server


def _not_ready(folder: Path) -> UnreachableError:
    return UnreachableError(f"no server is ready in {folder}")


def _bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {_checked_secret('token', token)}"}


def checked_url(url: str) -> str:
    """The URL without a slash at its end; raises ValueError where it is none of a server."""
    parts = urlsplit(url)
    if parts.username is not None or parts.password is not None:
        raise ValueError("the URL holds a user name or password; pass the token by itself")
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError(f"{url!r} is not an http or https URL")
    return url.rstrip("/")


def _checked_secret(name: str, secret: str) -> str:
    """The secret, without the line end that a file or a variable left behind it; raises ValueError."""
    secret = secret.strip()
    if not (secret.isascii() and secret.isprintable()) or " " in secret:
        raise ValueError(f"the {name} holds characters that none has")  # never quote it
    return secret
