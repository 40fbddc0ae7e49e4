"""Tells systemd how the server is (sd_notify), where systemd asked to be told."""

from __future__ import annotations

import os
import socket
from contextlib import suppress


def ready(status: str) -> None:
    """Requests are taken; ``status`` is what systemctl shows."""
    _send(f"READY=1\nSTATUS={status}")


def stopping() -> None:
    """No more are taken, and those under way are answered."""
    _send("STOPPING=1")


def _send(message: str) -> None:
    address = os.environ.get("NOTIFY_SOCKET")
    if not address:
        return
    if address.startswith("@"):  # an abstract socket
        address = "\0" + address[1:]
    with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as channel:
        channel.sendto(message.encode(), address)
