"""Ports for servers that start a second or two after their port was chosen."""

from __future__ import annotations

import random
import socket
from pathlib import Path

from outofsync_client.protocol import LOOPBACK

LOWEST = 15000  # those below are where people's servers are
_EPHEMERAL = Path("/proc/sys/net/ipv4/ip_local_port_range")
_USUAL = 32768


def free_port() -> int:
    """A port of loopback that nobody listens at, and that no outgoing connection is given meanwhile.

    Raises OSError where none is found.
    """
    try:  # where the kernel gives away all of them, any is as good
        first = max(_USUAL, int(_EPHEMERAL.read_text().split()[0]))
    except (OSError, ValueError, IndexError):
        first = _USUAL
    for port in random.sample(range(LOWEST, first), 100):
        with socket.socket() as probe:
            try:
                probe.bind((LOOPBACK, port))
            except OSError:
                continue
            return port
    raise OSError("no port is free")
