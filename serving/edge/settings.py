"""What an edge is started with."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from gateway.jobs.settings import JobSettings
from outofsync.limits import Limits
from outofsync_client.protocol import FORM_BYTES, LOOPBACK
from serving.settings import DEFAULT_STATE

DEFAULT_PORT = 8443


@dataclass(frozen=True)
class EdgeSettings:
    """Choices of whoever starts an edge; times in seconds."""

    states: tuple[Path, ...] = (DEFAULT_STATE,)  # of the servers behind it
    gateways: tuple[str, ...] = ()  # addresses of gateways that run already; none: one of our own
    host: str = LOOPBACK
    port: int = DEFAULT_PORT
    plain_port: int | None = None  # sends callers of plain HTTP to the TLS port
    certificate: Path | None = None  # with its chain, PEM; None: one of our own making, for development
    key: Path | None = None
    keys: Path | None = None  # API keys; None: keys.json in the edge's folder
    metrics_port: int | None = None  # of our own gateway
    rate: float = 10.0  # requests a second, for each key
    burst: int = 50  # requests beyond that rate that are still taken
    address_share: int = 10  # rate and burst of one address, in those of one key
    connections: int = 48  # at a time, for each key …
    address_connections: int = 200  # … and for each address
    header_s: int = 15
    body_s: int = 30
    answer_s: int = 3600
    request_bytes: int = Limits().request_bytes + FORM_BYTES
    jobs: JobSettings = field(default_factory=JobSettings)  # of our own gateway
    user: str = "nobody"  # whom nginx's workers are where the edge is started as root

    @property
    def folder(self) -> Path:
        """Where everything of this edge lies; private to its owner."""
        return self.states[0].resolve() / "edge"

    @property
    def key_file(self) -> Path:
        return self.keys or self.folder / "keys.json"

    @property
    def url(self) -> str:
        host = "localhost" if self.host in (LOOPBACK, "0.0.0.0", "::") else self.address
        return f"https://{host}:{self.port}"

    @property
    def address(self) -> str:
        """The host as it stands before a port: IPv6 in brackets."""
        return f"[{self.host}]" if ":" in self.host else self.host
