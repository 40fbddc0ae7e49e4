"""Which server the command line talks to."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

URL_VARIABLE = "OUTOFSYNC_URL"
TOKEN_VARIABLE = "OUTOFSYNC_TOKEN"
STATE_FILE = Path(".state/server.json")  # written by `make serve`


@dataclass(frozen=True)
class Server:
    """A server's address and its inference token, if it asks for one."""

    url: str
    token: str | None = field(default=None, repr=False)


def find_server(
    url: str | None, token: str | None, *, environment: Mapping[str, str], directory: Path
) -> Server:
    """The server named by options, else by the environment, else by the nearest state file.

    A state file's token goes to that file's own server only. Raises LookupError where no server is named.
    """
    running = _running_server(directory)
    url = url or environment.get(URL_VARIABLE) or (running.url if running else None)
    if not url:
        raise LookupError(
            f"no server is named: pass --url, set {URL_VARIABLE}, or start one here with `make serve`"
        )
    token = token or environment.get(TOKEN_VARIABLE)
    if not token and running and running.url.rstrip("/") == url.rstrip("/"):
        token = running.token
    return Server(url, token)


def _running_server(directory: Path) -> Server | None:
    """What the nearest state file says, from ``directory`` upwards."""
    for folder in (directory, *directory.parents):
        path = folder / STATE_FILE
        if path.is_file():
            return _read_state(path)
    return None


def _read_state(path: Path) -> Server:
    try:
        state = json.loads(path.read_text(encoding="utf-8"))
        return Server(str(state["url"]), state.get("token"))
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        raise LookupError(f"{path} cannot be read; remove it or pass --url and --token") from None
