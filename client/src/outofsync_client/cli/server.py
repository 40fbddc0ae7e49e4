"""Which server the command line talks to."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from outofsync_client._client import Client
from outofsync_client.protocol import STATE_FILE, STATE_FOLDER
from outofsync_client.protocol.state import read_state

URL_VARIABLE = "OUTOFSYNC_URL"
TOKEN_VARIABLE = "OUTOFSYNC_TOKEN"
KEY_VARIABLE = "OUTOFSYNC_API_KEY"


def open_client(
    url: str | None,
    token: str | None,
    api_key: str | None,
    *,
    environment: Mapping[str, str],
    directory: Path,
    **settings: Any,
) -> Client:
    """A client of the server named by options, else by the environment, else by the nearest state folder.

    A state folder's token goes to that folder's own server only. Raises LookupError where no server is named
    or a state folder makes no sense, and ValueError for what cannot be used.
    """
    url = url or environment.get(URL_VARIABLE)
    api_key = api_key or (None if token else environment.get(KEY_VARIABLE))
    token = token or (None if api_key else environment.get(TOKEN_VARIABLE))
    folder = None if token or api_key else find_state(directory)
    try:
        running = _url_in(folder) if folder else None
    except LookupError:
        if not url:
            raise
        running = None  # the server that is named need not be this folder's
    if folder and running and (not url or url.rstrip("/") == running):
        return Client.of_state(folder, **settings)
    if not url:
        raise LookupError(
            f"no server is named: pass --url, set {URL_VARIABLE}, or start one here with `make serve`"
        )
    return Client(url, token=token, api_key=api_key, **settings)


def find_state(directory: Path) -> Path | None:
    """The nearest state folder of a server that is ready, from ``directory`` upwards."""
    folders = (folder / STATE_FOLDER for folder in (directory, *directory.parents))
    return next((folder for folder in folders if (folder / STATE_FILE).is_file()), None)


def nearest_state(directory: Path) -> Path:
    """The same, or where `make serve` keeps a server's state."""
    return find_state(directory) or Path(STATE_FOLDER)


def _url_in(folder: Path) -> str | None:
    try:
        return read_state(folder).url.rstrip("/")
    except FileNotFoundError:
        return None
