"""Tells systemd how the server is (sd_notify), where systemd asked to be told."""

from __future__ import annotations

import os
import socket
from contextlib import suppress


def ready() -> None:
    """The server takes requests."""
    _send("READY=1\nSTATUS=a probe clip went through the workflow")


def stopping() -> None:
    """It takes no more, and answers those under way."""
    _send("STOPPING=1")


def _send(message: str) -> None:
    address = os.environ.get("NOTIFY_SOCKET")
    if not address:
        return
    if address.startswith("@"):  # an abstract socket
        address = "\0" + address[1:]
    with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as channel:
        channel.sendto(message.encode(), address)
