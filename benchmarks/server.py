"""A server to measure: archives and state of its own, the workflow alone, stopped at the end."""

from __future__ import annotations

import re
import signal
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import requests

from archives.build import build
from benchmarks.engine import CHECKPOINTS, NODES
from config.management import WORKFLOW
from config.serve import running
from config.settings import CONFIG, ServerSettings
from config.state import ServerState

REQUESTS, BATCHES = "outofsync_requests_total", "outofsync_batches_total"
_SAMPLE = re.compile(r"(?P<name>\w+)(?:\{(?P<labels>.*)\})? (?P<value>\S+)")
_LABEL = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"')

Labels = tuple[tuple[str, str], ...]


@contextmanager
def served(store: Path | None = None, config: Path = CONFIG) -> Iterator[ServerState]:
    """A server of the archives in ``store``, or of ones built for it, with the settings in ``config``."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that the server is stopped then, too
    with tempfile.TemporaryDirectory(prefix="outofsync-bench-") as folder:
        if store is None:
            store = Path(folder) / "model_store"
            build(CHECKPOINTS, store)
        state_folder = Path(folder) / "state"
        settings = ServerSettings(state=state_folder, model_store=store, config=config, plain_models=False)
        with running(settings) as state:
            yield state


def detect_url(state: ServerState) -> str:
    return f"{state.url}/wfpredict/{WORKFLOW}"


@dataclass(frozen=True)
class Metrics:
    """Samples of a metrics page in Prometheus' text format, by name and sorted labels."""

    samples: Mapping[tuple[str, Labels], float]

    @classmethod
    def parse(cls, text: str) -> Metrics:
        """Comments and lines that are no samples are passed over."""
        samples = {}
        for line in text.splitlines():
            if found := _SAMPLE.fullmatch(line.strip()):
                labels = tuple(sorted(_LABEL.findall(found["labels"] or "")))
                samples[found["name"], labels] = float(found["value"])
        return cls(samples)

    @classmethod
    def read(cls, state: ServerState) -> Metrics:
        with requests.Session() as session:
            session.trust_env = False
            response = session.get(state.metrics_url, timeout=30)
        response.raise_for_status()
        return cls.parse(response.text)

    def total(self, name: str, **labels: str) -> float | None:
        """The sum of a metric over all samples with these labels, None where there is none."""
        wanted = set(labels.items())
        values = [
            value
            for (found, having), value in self.samples.items()
            if found == name and wanted <= set(having)
        ]
        return sum(values) if values else None


def mean_batches(before: Metrics, after: Metrics) -> dict[str, float | None]:
    """Requests in each batch between two readings, by node; None where the server does not count them."""

    def grown(name: str, model: str) -> float | None:
        now = after.total(name, ModelName=model)
        return None if now is None else now - (before.total(name, ModelName=model) or 0.0)

    means: dict[str, float | None] = {}
    for node in NODES:
        requests_, batches = (grown(name, f"{WORKFLOW}__{node}") for name in (REQUESTS, BATCHES))
        means[node] = requests_ / batches if requests_ is not None and batches else None
    return means
