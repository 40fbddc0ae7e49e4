"""A stretch of the inventory as a stream through Ray Data, and who works on it."""

from __future__ import annotations

import logging
import os
import socket
import sys
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import ray
import ray.data
from ray.util.annotations import RayDeprecationWarning
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from outofsync_cluster.blocks import BLOCK_ITEMS, blocks_of
from outofsync_cluster.errors import ClusterError
from outofsync_cluster.inventory import Item, grouped
from outofsync_cluster.losses import Losses
from outofsync_cluster.rows import table_of
from outofsync_cluster.stages import Judge, Outcome, Registry, Scorer, Setup, outcomes_in
from outofsync_cluster.work import Work

OBJECT_STORE_BYTES = 200_000_000  # of a cluster of our own: what travels are names and results …
CLIPS_STORE_BYTES = 2_000_000_000  # … and between two stages clips of faces, 20 kB a picture
RETRIES = 3  # of a block whose actor or node died; what is lost even so is tried again later
REACHED_S = 10.0
REMEMBERED_AT_ONCE = 1000  # videos of an earlier run
STDERR = 2
AT_ONCE = 2  # blocks of an actor: one is read while another is judged


@contextmanager
def cluster(address: str | None, cores: int | None = None, *, stages: int = 1) -> Iterator[Losses]:
    """Join a cluster, or start one on this machine; tells why blocks are lost there.

    Raises :class:`ClusterError` where there is none.
    """
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    os.environ.setdefault("RAY_BACKEND_LOG_LEVEL", "fatal")  # or it warns of how Ray Data makes actors …
    quiet: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.ERROR}
    try:
        if address is None:
            choices: dict[str, Any] = {
                "address": "local",  # even where another cluster runs on this machine
                "num_cpus": cores,
                "object_store_memory": CLIPS_STORE_BYTES if stages > 1 else OBJECT_STORE_BYTES,
                "include_dashboard": False,
                "_system_config": {"enable_metrics_collection": False},
            }
        else:
            _reach(address)
            choices = {"address": address}
        with _unheard():  # … and says that it was told not to
            ray.init(**choices, **quiet)
    except Exception as error:  # a plain one where its processes are slow to begin
        where = f"no Ray cluster answers at {address}" if address else "Ray does not start on this machine"
        raise ClusterError(f"{where}: {str(error).splitlines()[0]}") from None
    logger, losses = logging.getLogger("ray.data"), Losses()
    try:
        context = ray.data.DataContext.get_current()
        context.enable_progress_bars = False
        context.print_on_execution_start = False
        context.max_errored_blocks = -1
        logger.setLevel(logging.ERROR)
        logger.addHandler(losses)
        yield losses
    finally:
        logger.removeHandler(losses)
        ray.shutdown()


@contextmanager
def _unheard() -> Iterator[None]:
    """What libraries write past Python to the standard error goes nowhere; errors of Python's are raised."""
    sys.stderr.flush()
    kept, nowhere = os.dup(STDERR), os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, STDERR)
        yield
    finally:
        os.dup2(kept, STDERR)
        os.close(kept)
        os.close(nowhere)


def _reach(address: str) -> None:
    """Raises OSError for an address where nobody listens: Ray tries for minutes. ``auto`` is Ray's own."""
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if host and port.isdigit():
        socket.create_connection((host.strip("[]"), int(port)), timeout=REACHED_S).close()


@dataclass(frozen=True)
class Team:
    """How many actors there are: of the whole work, or of its two stages."""

    whole: int = 0
    crop: int = 0
    score: int = 0

    @property
    def first(self) -> int:
        """Those who take videos: they wait for nobody."""
        return self.whole or self.crop

    def at_most(self, number: int) -> Team:
        """No more of a kind than there are blocks for."""
        return Team(min(self.whole, number), min(self.crop, number), min(self.score, number))


def team_of(nodes: Sequence[Mapping[str, float]], *, cpus: float, gpus: float, stages: int) -> Team:
    """How many actors fit on nodes with these resources, none of which reaches over two.

    ``cpus`` are what each takes, ``gpus`` what one that scores takes besides. Raises :class:`ClusterError`
    where not even one of each kind fits.
    """
    places = [int(node.get("CPU", 0.0) // cpus) for node in nodes]
    cards = [int(node.get("GPU", 0.0) // gpus) for node in nodes] if gpus else places
    fitting, whole = sum(map(min, places, cards)), sum(places)
    if fitting < 1 or whole < stages:
        have = [sum(node.get(name, 0.0) for node in nodes) for name in ("CPU", "GPU")]
        raise ClusterError(
            f"the cluster has {have[0]:g} cores and {have[1]:g} GPUs on {len(nodes)} nodes; a run asks for "
            f"{stages} times {cpus:g} cores and for {gpus:g} GPUs at least"
        )
    if stages == 1:
        return Team(whole=fitting)
    score = min(fitting, whole - 1) if gpus else whole // 2
    return Team(crop=whole - score, score=score)


class Pipeline:
    """Actors that judge; ``cpus`` and ``gpus`` are what one that scores takes of a node.

    With two ``stages``, others crop: they take processors only, so that a card never waits for a decoder.
    """

    def __init__(
        self,
        setup: Setup,
        weights: Mapping[str, bytes] | None,
        *,
        cpus: float,
        gpus: float,
        stages: int = 1,
    ) -> None:
        self._setup = setup
        self._weights = [] if weights is None else [ray.put(dict(weights))]  # once a node, not once an actor
        self._cpus, self._gpus, self._stages = cpus, gpus, stages
        registry: Any = ray.remote(Registry)
        # Beside the driver: what one forgets that dies with its node is judged again.
        here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=True)
        self._registry = registry.options(
            num_cpus=0, max_restarts=-1, max_task_retries=-1, scheduling_strategy=here
        ).remote()

    def team(self) -> Team:
        """How many fit in the cluster as it is now. Raises :class:`ClusterError` where none does."""
        nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]  # type: ignore[no-untyped-call]
        return team_of(nodes, cpus=self._cpus, gpus=self._gpus, stages=self._stages)

    def actors(self) -> int:
        """How many blocks are worked on at a time by those who wait for nobody else."""
        return self.team().first

    def settle(self, digests: Sequence[bytes]) -> None:
        """Tell which contents are done, too; what was begun and lost may be begun again."""
        ray.get(self._registry.settle.remote(list(digests)))

    def remember(self, rows: Iterable[Mapping[str, Any]]) -> None:
        """Take videos of which others may be copies: rows with SHA-256, fingerprint and length."""
        hashed = (
            (row["sha256"], row["perceptual_hash"], row["duration_s"])
            for row in rows
            if row["perceptual_hash"]
        )
        for group in grouped(hashed, REMEMBERED_AT_ONCE):
            ray.get(self._registry.claim_copies.remote(group))

    def run(self, items: Sequence[Item], *, block_items: int = BLOCK_ITEMS) -> Iterator[list[Outcome]]:
        """Outcomes as they come; items whose block was lost are missing among them."""
        team = self.team()
        blocks = [table_of(Item, block) for block in blocks_of(items, team.first, block_items)]
        found = ray.data.from_arrow(blocks)
        most = len(blocks)
        if team.whole:
            whole = (self._setup, self._weights, self._registry)
            found = self._mapped(found, Judge, whole, min(team.whole, most), self._gpus)
        else:
            crop = (self._setup, (), self._registry, Work.CROP)
            found = self._mapped(found, Judge, crop, min(team.crop, most), 0.0)
            score = (self._setup, self._weights)
            found = self._mapped(found, Scorer, score, min(team.score, most), self._gpus)
        for batch in found.iter_batches(batch_format="pyarrow", batch_size=None, prefetch_batches=0):
            yield outcomes_in(batch)

    def _mapped(self, found: Any, actor: type, arguments: tuple[Any, ...], number: int, gpus: float) -> Any:
        """The blocks after so many actors of a kind."""
        with warnings.catch_warnings():  # of a bound that has no other name yet; Ray's version is pinned
            warnings.simplefilter("ignore", RayDeprecationWarning)
            return found.map_batches(
                actor,
                fn_constructor_args=arguments,
                batch_format="pyarrow",
                batch_size=None,
                compute=ray.data.ActorPoolStrategy(
                    size=number,
                    max_tasks_in_flight_per_actor=AT_ONCE,
                    max_concurrent_calls_per_actor=AT_ONCE,
                ),
                num_cpus=self._cpus,
                num_gpus=gpus or None,
                max_task_retries=RETRIES,
            )
