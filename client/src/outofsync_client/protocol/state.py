"""Where a server on this machine answers, and its tokens, from the file it keeps while it is ready."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path

from outofsync_client.protocol import STATE_FILE


@dataclass(frozen=True)
class RunningServer:
    """A server that is ready, as its state folder describes it."""

    url: str
    management_url: str
    metrics_url: str
    token: str = field(repr=False)
    management_token: str = field(repr=False)


def read_state(folder: Path) -> RunningServer:
    """What a state folder says now: tokens change while a server runs.

    Raises FileNotFoundError where no server is ready, and LookupError for a file that makes no sense.
    """
    path = folder / STATE_FILE
    try:
        state = json.loads(path.read_text(encoding="utf-8"))
        return RunningServer(
            url=str(state["url"]),
            management_url=str(state["management_url"]),
            metrics_url=str(state["metrics_url"]),
            token=str(state["token"]),
            management_token=str(state["management_token"]),
        )
    except (ValueError, KeyError, TypeError):
        raise LookupError(f"{path} cannot be read; remove it, or pass --url") from None
