"""A stretch of the inventory as a stream through Ray Data, and who works on it."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import ray
import ray.data

from outofsync_cluster.errors import ClusterError
from outofsync_cluster.inventory import Item, grouped
from outofsync_cluster.rows import table_of
from outofsync_cluster.stages import Judge, Outcome, Registry, Setup, outcomes_in

BLOCK_ITEMS = 4  # judged at once, as the service batches
OBJECT_STORE_BYTES = 200_000_000  # of a cluster of our own: what travels are names and results
RETRIES = 3  # of a block whose actor or node died; what is lost even so is tried again later
AT_ONCE = 2  # blocks of an actor: one is read while another is judged


@contextmanager
def cluster(address: str | None, cores: int | None = None) -> Iterator[None]:
    """Join a cluster, or start one on this machine. Raises :class:`ClusterError` where there is none."""
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    quiet: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.ERROR}
    try:
        if address is None:
            ray.init(
                num_cpus=cores,
                object_store_memory=OBJECT_STORE_BYTES,
                include_dashboard=False,
                _system_config={"enable_metrics_collection": False},
                **quiet,
            )
        else:
            ray.init(address=address, **quiet)
    except (ConnectionError, ValueError, RuntimeError, TimeoutError) as error:
        where = f"no Ray cluster answers at {address}" if address else "Ray does not start on this machine"
        raise ClusterError(f"{where}: {str(error).splitlines()[0]}") from None
    try:
        context = ray.data.DataContext.get_current()
        context.enable_progress_bars = False
        context.print_on_execution_start = False
        context.max_errored_blocks = -1
        logging.getLogger("ray.data").setLevel(logging.ERROR)
        yield
    finally:
        ray.shutdown()


class Pipeline:
    """Actors that judge; ``cpus`` and ``gpus`` are what one of them takes of a node."""

    def __init__(
        self, setup: Setup, weights: Mapping[str, bytes] | None, *, cpus: float, gpus: float
    ) -> None:
        self._setup = setup
        self._weights = [] if weights is None else [ray.put(dict(weights))]  # once a node, not once an actor
        self._cpus, self._gpus = cpus, gpus
        registry: Any = ray.remote(Registry)
        self._registry = registry.options(num_cpus=0, max_restarts=-1, max_task_retries=-1).remote()

    def actors(self) -> int:
        """How many fit in the cluster as it is now."""
        have: dict[str, float] = ray.cluster_resources()  # type: ignore[no-untyped-call]
        fitting = [have.get("CPU", 0.0) // self._cpus] if self._cpus else []
        fitting += [have.get("GPU", 0.0) // self._gpus] if self._gpus else []
        if not fitting or min(fitting) < 1:
            raise ClusterError(
                f"the cluster has {have.get('CPU', 0):g} cores and {have.get('GPU', 0):g} GPUs; an actor "
                f"asks for {self._cpus:g} and {self._gpus:g}"
            )
        return int(min(fitting))

    def settle(self, digests: Sequence[bytes]) -> None:
        """Tell which contents are done; what was begun and lost may be begun again."""
        ray.get(self._registry.settle.remote(list(digests)))

    def run(self, items: Sequence[Item], *, block_items: int = BLOCK_ITEMS) -> Iterator[list[Outcome]]:
        """Outcomes as they come; items whose block was lost are missing among them."""
        blocks = [table_of(Item, group) for group in grouped(items, block_items)]
        actors = min(self.actors(), len(blocks))
        found = ray.data.from_arrow(blocks).map_batches(
            Judge,
            fn_constructor_args=(self._setup, self._weights, self._registry),
            batch_format="pyarrow",
            batch_size=None,
            compute=ray.data.ActorPoolStrategy(size=actors, max_tasks_in_flight_per_actor=AT_ONCE),
            num_cpus=self._cpus,
            num_gpus=self._gpus or None,
            max_concurrency=AT_ONCE,
            max_task_retries=RETRIES,
        )
        for batch in found.iter_batches(batch_format="pyarrow", batch_size=None, prefetch_batches=0):
            yield outcomes_in(batch)
