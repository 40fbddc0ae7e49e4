"""A server to measure: archives and state of its own, the workflow alone, stopped at the end."""

from __future__ import annotations

import signal
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from archives.build import build
from benchmarks.engine import CHECKPOINTS
from outofsync_client import Client, Metrics
from outofsync_client.protocol import NODES, TORCHSERVE, model_of
from serving.lifecycle import running
from serving.settings import CONFIG, ServerSettings
from serving.state import ServerState

REQUESTS, BATCHES = "outofsync_requests_total", "outofsync_batches_total"


@contextmanager
def served(store: Path | None = None, config: Path = CONFIG) -> Iterator[ServerState]:
    """A server of the archives in ``store``, or of ones built for it, with the settings in ``config``."""
    with served_from(store, config) as (_, state):
        yield state


@contextmanager
def served_from(store: Path | None = None, config: Path = CONFIG) -> Iterator[tuple[Path, ServerState]]:
    """The same, with the state folder, by which a gateway finds it."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that the server is stopped then, too
    with tempfile.TemporaryDirectory(prefix="outofsync-bench-") as folder:
        if store is None:
            store = Path(folder) / "model_store"
            build(CHECKPOINTS, store)
        state_folder = Path(folder) / "state"
        settings = ServerSettings(state=state_folder, model_store=store, config=config, plain_models=False)
        with running(settings) as state:
            yield state_folder, state


def detect_url(state: ServerState) -> str:
    return state.url + TORCHSERVE.detect


def metrics_of(state: ServerState) -> Metrics:
    """What a server has counted so far."""
    with Client(state.url, token=state.token, metrics_url=state.metrics_url) as client:
        return client.metrics()


def mean_batches(before: Metrics, after: Metrics) -> dict[str, float | None]:
    """Requests in each batch between two readings, by node; None where there was none."""

    def grown(name: str, model: str) -> float:
        return after.total(name, ModelName=model) - before.total(name, ModelName=model)

    means: dict[str, float | None] = {}
    for node in NODES:
        requests, batches = (grown(name, model_of(node)) for name in (REQUESTS, BATCHES))
        means[node] = requests / batches if batches else None
    return means
