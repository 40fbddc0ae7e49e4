"""Where one server listens: loopback alone, and no two servers at the same place."""

from __future__ import annotations

import os
import socket
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import astuple, dataclass
from pathlib import Path

from outofsync_client.protocol import LOOPBACK
from serving.locks import locked
from serving.processes import POLL_S
from serving.settings import DEFAULT_PORT, ServeError
from serving.supervisor import Check


@dataclass(frozen=True)
class Ports:
    """The five ports of one TorchServe."""

    inference: int
    management: int
    metrics: int
    grpc_inference: int
    grpc_management: int

    @property
    def inference_url(self) -> str:
        return f"http://{LOOPBACK}:{self.inference}"

    @property
    def management_url(self) -> str:
        return f"http://{LOOPBACK}:{self.management}"

    @property
    def metrics_url(self) -> str:
        return f"http://{LOOPBACK}:{self.metrics}/metrics"


@contextmanager
def choosing(check: Check) -> Iterator[None]:
    """Held from choosing ports until TorchServe listens on them, so that a second server sees them taken.

    ``check`` is called while another server chooses, and may raise.
    """

    def wait(_: str) -> None:
        check()
        time.sleep(POLL_S)

    with locked(Path(tempfile.gettempdir()) / f"outofsync-ports-{os.getuid()}.lock", wait):
        yield


@contextmanager
def reserved_ports(wanted: int | None, before: Ports | None = None) -> Iterator[Ports]:
    """Free ports, those of ``before`` if they all are; raises :class:`ServeError` if ``wanted`` is taken.

    Until the block ends the kernel, which may choose any port that is free, gives none of them to an outgoing
    connection for its own end; who listens with SO_REUSEADDR, as TorchServe does, gets it.
    """
    with ExitStack() as held:
        yield _same(held, before) or _chosen(held, wanted)


def _same(held: ExitStack, before: Ports | None) -> Ports | None:
    """The ports of an earlier life, None where one of them is taken now."""
    with ExitStack() as bound:
        if before is None or any(_bind(bound, port) is None for port in astuple(before)):
            return None
        held.enter_context(bound.pop_all())
        return before


def _chosen(held: ExitStack, wanted: int | None) -> Ports:
    first = _bind(held, DEFAULT_PORT if wanted is None else wanted)
    if first is None and wanted is not None:
        raise ServeError(f"port {wanted} is in use; free it or choose another: make serve PORT=…")
    inference = first or _bind(held, 0)
    others = [_bind(held, 0) for _ in range(4)]
    return Ports(*(port for port in (inference, *others) if port is not None))


def _bind(held: ExitStack, port: int) -> int | None:
    """Bind a loopback port (0: any), or None where it is taken."""
    bound = held.enter_context(socket.socket())
    # As TorchServe will: connections of a server that has just stopped do not block its port.
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        bound.bind((LOOPBACK, port))
    except OSError:
        return None
    return int(bound.getsockname()[1])
