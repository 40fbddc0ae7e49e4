"""A run from its list to its report."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import ray

from outofsync_client import OutOfSyncError, WorkerDiedError
from outofsync_cluster.backends import EngineBackend, ServedBackend, envelope, read_weights
from outofsync_cluster.blocks import BATCH_ITEMS
from outofsync_cluster.cost import Cost, Prices
from outofsync_cluster.errors import ClusterError
from outofsync_cluster.fence import fenced
from outofsync_cluster.identity import Identity
from outofsync_cluster.inventory import Inventory, Item, grouped, list_videos
from outofsync_cluster.losses import FEWEST, Agreement, Losses
from outofsync_cluster.near_duplicates import COMPARED, write_near_duplicates
from outofsync_cluster.pipeline import Pipeline, cluster
from outofsync_cluster.places import Storage
from outofsync_cluster.reading import read_item
from outofsync_cluster.report import write_report
from outofsync_cluster.stages import Outcome, Setup
from outofsync_cluster.store import Store, read_rows
from outofsync_cluster.watching import Exported, Tally, bar

LEG_ITEMS = 10_000  # of the inventory, in the driver's memory at a time; actors are made anew for each …
LEG_BLOCKS = 64  # … so that each has this many blocks at least, and its beginning does not count
PART_ROWS = 1000  # of a part, at most …
PART_S = 20.0  # … and the longest that an outcome waits to be written: what a kill may cost
ROUNDS = 3  # in which a video may be lost with its actor or node before it counts as what they die of
MAX_PROBES = 20  # videos a server may refuse before it says which models it has


@dataclass(frozen=True)
class Plan:
    """What a command line asks for; ``server`` is how servers are asked, or None for the engine."""

    source: str
    output: str
    options: Mapping[str, Any]
    checkpoints: Path
    server: Mapping[str, Any] | None = None
    address: str | None = None
    endpoint: str | None = None
    threads: int = 1
    device: str = "cpu"
    split: bool = False  # crops are cut by actors of their own, as for a graphics card
    write_every_s: float = PART_S
    retry_failed: bool = False
    quiet: bool = False
    metrics_port: int | None = None
    cores: int | None = None
    skip_copies: bool = False  # near-duplicates that differ in next to nothing take one result
    prices: Prices = field(default_factory=Prices)
    storage: Storage = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "storage", Storage.of([self.source, self.output], self.endpoint))

    @property
    def setup(self) -> Setup:
        choices = (self.threads, self.device, self.server, self.skip_copies)
        return Setup(self.options, self.storage, *choices)

    @property
    def gpus_each(self) -> float:
        """Cards that an actor takes of a node."""
        return 0.0 if self.device == "cpu" or self.server is not None else 1.0

    @property
    def stages(self) -> int:
        """1 where an actor does the whole work, 2 where others cut crops for those that score."""
        apart = self.split or self.skip_copies or self.device != "cpu"
        return 2 if self.server is None and apart else 1


def listed(plan: Plan, work: Callable[[Inventory], None]) -> None:
    """Do something with the list of what the plan's source holds."""
    with TemporaryDirectory(prefix="outofsync-inventory-") as folder:
        work(list_videos(plan.source, plan.storage, Path(folder) / "inventory.parquet"))


def score(plan: Plan) -> dict[str, Any]:
    """Score what a source holds; the summary. Raises :class:`ClusterError`."""
    summary: dict[str, Any] = {}
    listed(plan, lambda inventory: summary.update(_score(plan, inventory)))
    return summary


def _score(plan: Plan, inventory: Inventory) -> dict[str, Any]:
    weights = read_weights(plan.checkpoints) if plan.server is None else None
    folder = plan.storage.place(plan.output)
    folder.make_folder()
    exported = Exported()
    if plan.metrics_port is not None:
        exported.serve(plan.metrics_port)
    with fenced(folder) as fence:
        identity = Identity(plan.options, _models(plan, weights, inventory))
        store = Store(folder, identity, retry_failed=plan.retry_failed, fence=fence)
        run = _Run(store, exported, plan.write_every_s)
        with bar(inventory.count, quiet=plan.quiet) as shown:
            held = run.all(plan, weights, inventory, shown.advance)
        run.agreement.end(run.tally)
        summary = {**run.tally.summary(), **held}
        summary["cost"] = dict(Cost.of(summary).lines(plan.prices))
        summary["near_duplicates"] = write_near_duplicates(folder)
        write_report(store, plan.source, summary)
        return summary


def leg_items(actors: int) -> int:
    """Videos of a stretch of the list, after which actors are made anew."""
    return max(LEG_ITEMS, LEG_BLOCKS * BATCH_ITEMS * actors)


class _Run:
    """One run's loop: what the pipeline brings goes into the store, and what is missing goes in again."""

    def __init__(self, store: Store, exported: Exported, write_every_s: float) -> None:
        self.tally = Tally()
        self.agreement = Agreement()
        self._store = store
        self._exported = exported
        self._write_every_s = write_every_s
        self._written = time.monotonic()

    def all(
        self,
        plan: Plan,
        weights: Mapping[str, bytes] | None,
        inventory: Inventory,
        advance: Callable[[int], None],
    ) -> dict[str, float]:
        """See to it that everything is in the store; the cores and GPUs that were held for it."""
        if not any(self._left(inventory)):  # no cluster is needed to find that all is done
            self.tally.known += inventory.count
            advance(inventory.count)
            return {"cores": 0.0, "gpus": 0.0}
        with cluster(plan.address, plan.cores, stages=plan.stages) as losses:
            pipeline = Pipeline(
                plan.setup, weights, cpus=plan.threads, gpus=plan.gpus_each, stages=plan.stages
            )
            if plan.skip_copies:
                pipeline.remember(read_rows(self._store.folder, "videos", list(COMPARED)))
            with self._leaving_what_is_done():
                for leg in grouped(inventory, leg_items(pipeline.actors())):
                    self._leg(leg, pipeline, losses, advance)
            held: dict[str, float] = ray.cluster_resources()  # type: ignore[no-untyped-call]
        return {"cores": held.get("CPU", 0.0), "gpus": held.get("GPU", 0.0)}

    @contextmanager
    def _leaving_what_is_done(self) -> Iterator[None]:
        """Whatever ends the run within, what was judged before is written."""
        try:
            yield
        except BaseException as error:
            with suppress(ClusterError):
                self._flush()
            if isinstance(error, ray.exceptions.RayError):
                raise ClusterError(
                    f"the cluster was lost: {str(error).splitlines()[0]}; the same command goes on"
                ) from None
            raise

    def _leg(
        self, items: list[Item], pipeline: Pipeline, losses: Losses, advance: Callable[[int], None]
    ) -> None:
        """See to it that each of these items is in the store."""
        left = list(self._left(items))
        self.tally.known += len(items) - len(left)
        advance(len(items) - len(left))
        came = not left
        for number in range(ROUNDS):
            if not left:
                return
            self._store.forget_waiting()
            pipeline.settle(self._store.news())
            for outcomes in pipeline.run(left, **({} if number == 0 else {"block_items": 1})):
                came = True
                advance(self._take(outcomes))
            self._flush()
            left = list(self._left(left))
        if not came and len(left) >= FEWEST:
            raise ClusterError(f"no video came back from the cluster: {losses.reason}")
        advance(self._take([_lost(item) for item in left]))
        self._flush()

    def _left(self, items: Iterable[Item]) -> Iterator[Item]:
        return (item for item in items if not self._store.knows(item.uri, item.size_bytes, item.modified))

    def _take(self, outcomes: list[Outcome]) -> int:
        """Give outcomes to the store; how many places are done by them."""
        before = self._store.places
        for outcome in outcomes:
            for row in self._store.add(outcome):
                self.tally.add(row)
                self._exported.add(row)
                self.agreement.add(row)
        if len(self._store) >= PART_ROWS or time.monotonic() - self._written >= self._write_every_s:
            self._flush()
        return self._store.places - before

    def _flush(self) -> None:
        self._store.write()
        self._written = time.monotonic()


def _lost(item: Item) -> Outcome:
    """A video whose block was lost in every round: it is what its actors die of."""
    error = WorkerDiedError("whoever worked on this file ended, again and again", status=500, stage="cluster")
    place = (item.uri, item.size_bytes, item.modified, None)
    return Outcome(*place, envelope(error), ROUNDS, 0.0, 0.0, 0.0, 0, 0, "")


def _models(plan: Plan, weights: Mapping[str, bytes] | None, inventory: Inventory) -> Mapping[str, Any]:
    """Which models will answer: the weights say so, or a server by its first result."""
    if weights is not None:
        engine = EngineBackend(weights, plan.options, threads=1, device="cpu")
        try:
            return engine.models()
        finally:
            engine.close()
    assert plan.server is not None
    served = ServedBackend(plan.options, plan.server)
    try:
        for data in _readable(inventory, plan.storage):
            values = json.loads(served.judge([data])[0].data)
            if "error" not in values:
                return dict(values["models"])
            if (
                not values["error"]["status"]
                or values["error"]["status"] >= 500
                or values["error"]["status"] in (401, 404)
            ):
                raise ClusterError(f"the server cannot be used: {values['error']['message']}")
        raise ClusterError(
            f"the server refused the first {MAX_PROBES} videos; look at one with `outofsync detect`"
        )
    finally:
        served.close()


def _readable(inventory: Inventory, storage: Storage) -> Iterator[bytes]:
    found = 0
    for item in inventory:
        try:
            yield read_item(item, storage)
        except OutOfSyncError:
            continue
        found += 1
        if found == MAX_PROBES:
            return
