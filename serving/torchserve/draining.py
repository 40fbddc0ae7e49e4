"""Waits until nobody's request is under way, so that a server can stop without losing one."""

from __future__ import annotations

import time
from pathlib import Path

import psutil

from outofsync_client.protocol import IN_FLIGHT_FOLDER
from serving.locks import is_locked
from serving.processes import POLL_S

QUIET_S = 1.5  # without a worker at work or a byte read or written; connections may stay open and idle


def drain(pid: int, port: int, temporary: Path, limit_s: float) -> None:
    """Wait until nobody is connected to the port or all who are are idle, at most ``limit_s``."""
    deadline = time.monotonic() + limit_s
    quiet_since = time.monotonic()
    before = -1
    while (now := time.monotonic()) < deadline:
        try:
            java = psutil.Process(pid)
            connected = any(
                connection.laddr.port == port and connection.status == psutil.CONN_ESTABLISHED
                for connection in java.net_connections("tcp")
            )
            counters = java.io_counters()
        except psutil.Error:
            return
        if not connected:
            return
        passed = counters.read_chars + counters.write_chars
        if passed != before or is_at_work(temporary):
            quiet_since, before = now, passed
        if now - quiet_since >= QUIET_S:
            return
        time.sleep(POLL_S)


def is_at_work(temporary: Path) -> bool:
    """Whether a worker is at a batch: each has a mark of its own (handlers/in_flight.py)."""
    return any(is_locked(mark) for mark in (temporary / IN_FLIGHT_FOLDER).glob("*"))
