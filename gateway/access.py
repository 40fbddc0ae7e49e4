"""Who may ask: whoever holds an API key, the page's own session on this machine, or everybody."""

from __future__ import annotations

import secrets
from pathlib import Path
from typing import Protocol

from starlette.requests import Request

from gateway.errors import EdgeError, foreign, unauthenticated
from gateway.keys import KeyFile
from gateway.settings import GatewaySettings
from outofsync_client.protocol import API_KEY_HEADER, LOOPBACK
from outofsync_client.protocol.private_files import write_private

PAGE_HOLDER = "page"  # what logs call whoever shows the session's token
EVERYBODY = ""
TOKEN_BYTES = 32
HTTP_PORT = 80  # which browsers leave out of an address


class Access(Protocol):
    """One way of settling who may ask."""

    @property
    def session(self) -> str | None:
        """The token that the page is to show for itself, None where it shows none of its own."""

    @property
    def key_required(self) -> bool:
        """Whether whoever uses the page has to bring a key."""

    @property
    def tells_callers_apart(self) -> bool:
        """Whether what one has handed in is hidden from others, so that the page may list it as one's own."""

    def admit(self, request: Request) -> None:
        """Raises an ``EdgeError`` for a request that is not even told what is here."""

    def holder(self, request: Request) -> str:
        """Who asks; raises ``authentication`` where that is nobody who may."""


def access_of(settings: GatewaySettings) -> Access:
    """What the settings ask for; makes the session's token where its file is missing."""
    if settings.keys is not None:
        return KeyAccess(KeyFile(settings.keys))
    if settings.session is not None:
        return SessionAccess(session_token(settings.session), settings.port)
    return OpenAccess()


class OpenAccess:
    """Everybody may ask who can reach the gateway."""

    session = None
    key_required = False
    tells_callers_apart = False

    def admit(self, request: Request) -> None:
        """Nobody is refused."""

    def holder(self, request: Request) -> str:  # noqa: ARG002
        return EVERYBODY


class KeyAccess:
    """Holders of a valid API key."""

    session = None
    key_required = True
    tells_callers_apart = True

    def __init__(self, keys: KeyFile) -> None:
        self._keys = keys

    def admit(self, request: Request) -> None:
        """Addresses are no secret: keys are asked for where something is to be had."""

    def holder(self, request: Request) -> str:
        presented = presented_key(request)
        if not presented:
            raise unauthenticated("this address needs an API key, and none was sent")
        holder = self._keys.holder(presented)
        if holder is None:
            raise unauthenticated("the API key is not valid")
        return holder


class SessionAccess:
    """The page that this gateway serves on loopback, and whoever may read the file of its token.

    Other pages of the same browser can reach loopback, too. They cannot read the token, which only stands in
    the page; a name of theirs that leads here (DNS rebinding) is not among the hosts, and what they send
    bears their origin.
    """

    key_required = False
    tells_callers_apart = True

    def __init__(self, token: str, port: int) -> None:
        self.session = token
        names = (LOOPBACK, "localhost")
        self._hosts = {f"{name}:{port}" for name in names} | set(names if port == HTTP_PORT else ())

    def admit(self, request: Request) -> None:
        host = request.headers.get("host", "").lower()
        if host not in self._hosts:
            raise foreign("the page is not served under this name")
        if request.headers.get("origin", f"http://{host}") != f"http://{host}":
            raise foreign("the request comes from another page")
        site = request.headers.get("sec-fetch-site", "none")  # older browsers, and programs, do not say
        if site not in ("same-origin", "none") and not _opens_page(request):
            raise foreign("the request comes from another page")

    def holder(self, request: Request) -> str:
        presented = presented_key(request)
        if not presented:
            raise _no_session("this address needs the page's token, and none was sent")
        if not secrets.compare_digest(presented.encode(), self.session.encode()):
            raise _no_session("the token is not that of this page")
        return PAGE_HOLDER


def session_token(path: Path) -> str:
    """The token in a file; a new one, in a file for its owner alone, where there is none."""
    try:
        token = path.read_text().strip()
    except FileNotFoundError:
        token = ""
    return token or new_session(path)


def new_session(path: Path) -> str:
    """Replace the token in a file."""
    token = secrets.token_urlsafe(TOKEN_BYTES)
    write_private(path, token)
    return token


def presented_key(request: Request) -> str:
    """The key of ``X-Api-Key``, or of ``Authorization: Bearer``; raises ``authentication`` for several.

    nginx counts requests by all that a header holds, so a second key, made up, would be a rate of its own.
    """
    for name in (API_KEY_HEADER, "authorization"):
        if len(request.headers.getlist(name)) > 1:
            raise unauthenticated("several API keys were sent, and only one can be meant")
    if key := request.headers.get(API_KEY_HEADER):
        return key.strip()
    scheme, _, value = request.headers.get("authorization", "").partition(" ")
    return value.strip() if scheme.lower() == "bearer" else ""


def _opens_page(request: Request) -> bool:
    """Whether somebody followed a link to the page itself, which shows it to nobody but him."""
    headers = request.headers
    return (
        request.method == "GET"
        and request.url.path == "/"
        and headers.get("sec-fetch-mode") == "navigate"
        and headers.get("sec-fetch-dest") == "document"
    )


def _no_session(message: str) -> EdgeError:
    hint = "Load the page again: its token ends with the program that serves it."
    return unauthenticated(message, hint=hint)
