"""A port that is chosen now and listened at later must not become an outgoing connection's meanwhile."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from benchmarks import ports

RANGE = Path("/proc/sys/net/ipv4/ip_local_port_range")


def test_a_free_port_can_be_listened_at() -> None:
    with socket.socket() as server:
        server.bind(("127.0.0.1", ports.free_port()))
        server.listen()


@pytest.mark.skipif(not RANGE.exists(), reason="this kernel does not say which ports it gives to connections")
def test_no_connection_is_given_a_free_port() -> None:
    first = int(RANGE.read_text().split()[0])
    if first <= ports.LOWEST:
        pytest.skip("this kernel gives all ports to connections")
    assert all(ports.LOWEST <= ports.free_port() < first for _ in range(20))


def test_a_port_in_use_is_not_free(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        monkeypatch.setattr("random.sample", lambda *_: [port])
        with pytest.raises(OSError, match="no port is free"):
            ports.free_port()
