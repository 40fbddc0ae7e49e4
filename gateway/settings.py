"""What a gateway is started with."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from gateway.jobs.settings import JobSettings
from outofsync.limits import Limits
from outofsync_client.protocol import FORM_BYTES, LOOPBACK


@dataclass(frozen=True)
class GatewaySettings:
    """Choices of whoever starts a gateway; times in seconds."""

    states: tuple[Path, ...]  # state folders of the servers behind it
    keys: Path | None  # None: everybody may ask, which only a private socket or loopback allows …
    session: Path | None = None  # … or whoever reads the token in this file, as the page itself does
    socket: Path | None = None  # listen here …
    host: str = LOOPBACK
    port: int = 8000  # … or here
    listening: int | None = None  # descriptor of an inherited socket that listens there already
    metrics_host: str = LOOPBACK
    metrics_port: int | None = None
    in_flight: int = 48  # requests in flight at one server; its queue holds 64
    shared: int = 8  # of those, while several keys ask: shared evenly, so that nobody waits for one of them
    queue_s: float = 5.0  # how long a request waits for one of them to end
    patience_s: float = 30.0  # how long it waits for a server that is starting anew
    answer_s: float = 3600.0  # how long a server may take
    repeats: int = 2  # after a server has died under a request …
    repeat_s: float = 300.0  # … that came no longer ago: a node that was late answers like one that died
    health_s: float = 5.0  # between two probes of a server
    header_s: float = 15.0  # how long a request's headers may take, as at the edge
    drain_s: float = 60.0  # from SIGTERM to the end, for requests and comparisons in flight …
    notice_s: float = 5.0  # … of which so much passes before nobody is let in: balancers probe now and then
    shadows: int = 2  # requests at a time that are judged a second time, where in_flight leaves room
    jobs: JobSettings = field(default_factory=JobSettings)
    request_bytes: int = field(default=Limits().request_bytes + FORM_BYTES)

    def __post_init__(self) -> None:
        if not self.states:
            raise ValueError("a gateway needs the state folder of a server at least")
        if self.session and (self.keys or self.socket or self.host != LOOPBACK):
            raise ValueError("a page's own session is for this machine alone, without keys")
        numbers = [value for value in vars(self).values() if isinstance(value, (int, float))]
        if min(numbers) < 0:
            raise ValueError("no number is negative")
