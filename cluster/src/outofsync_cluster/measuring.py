"""A sample judged as a run would judge it: by the same actors, as many at a time as a run has.

One actor alone would be measured too fast: cores share caches and memory, and often are two of one.
"""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pyarrow as pa
import ray
from ray.util import ActorPool

from outofsync_cluster.errors import ClusterError
from outofsync_cluster.estimates import Blocks
from outofsync_cluster.identity import Identity
from outofsync_cluster.inventory import Item, grouped
from outofsync_cluster.places import Storage
from outofsync_cluster.rows import table_of
from outofsync_cluster.sampling import Stratum
from outofsync_cluster.stages import Judge, Outcome, Registry, Setup, outcomes_in, parsed
from outofsync_cluster.store import Store

QUANTITIES = ("cpu_s", "gpu_s", "judge_s", "read_s", "video_s", "errors")


class TimedJudge(Judge):
    """An actor that says how long a block took from end to end, too."""

    def measure(self, block: pa.Table) -> tuple[pa.Table, float]:
        start = time.perf_counter()
        return self(block), time.perf_counter() - start


@dataclass(frozen=True)
class Measured:
    """What a sample took, and what comes before and after."""

    strata: list[Blocks]
    outcomes: list[Outcome]
    actors: int
    start_s: float  # until actors judge as fast as they can …
    start_cpu_s: float = 0.0  # … and what the first block of one takes more than it will later

    @property
    def peak_bytes(self) -> int:
        return max((outcome.peak_bytes for outcome in self.outcomes), default=0)

    def written_bytes(self, options: Mapping[str, Any]) -> tuple[float, float]:
        """What results take on the disk: of each part, and of each video in it."""
        whole, one = (_part_bytes(outcomes, options) for outcomes in (self.outcomes, self.outcomes[:1]))
        each = (whole - one) / max(1, len(self.outcomes) - 1)
        return max(0.0, one - each), each


def measure(
    strata: Sequence[Stratum], setup: Setup, weights: Sequence[Any], *, actors: int, block: int, needs: Any
) -> Measured:
    """Judge the samples in blocks of so many videos.

    Args:
        weights: a reference to the files of the weights, as actors take it.
        actors: how many fit in the cluster.
        needs: what Ray's options say that one of them needs.
    """
    groups = [list(grouped(stratum.sample, block)) for stratum in strata]
    blocks = [table_of(Item, group) for of_stratum in groups for group in of_stratum]
    number = min(actors, math.ceil(len(blocks) / 2))  # each judges two, or they would not share the node
    timed: Any = ray.remote(TimedJudge)
    keeper: Any = ray.remote(Registry)
    registry = keeper.options(num_cpus=0).remote()
    start = time.perf_counter()
    team = [timed.options(**needs).remote(setup, weights, registry) for _ in range(number)]
    try:
        first = ray.get([actor.measure.remote(blocks[0]) for actor in team])
        started = time.perf_counter() - start
        found = list(ActorPool(team).map(lambda actor, table: actor.measure.remote(table), blocks))
    except ray.exceptions.RayError as error:
        reason = str(error).strip().splitlines()[-1]
        raise ClusterError(f"the sample could not be measured: {reason}") from None
    taken = iter([_taken(table, elapsed) for table, elapsed in found])
    outcomes = [outcome for table, _ in found for outcome in outcomes_in(table)]
    measured = [
        Blocks(
            stratum.size_bytes,
            np.array([sum(item.size_bytes for item in group) for group in of_stratum], np.float64),
            np.array([next(taken) for _ in of_stratum]),
            stratum.complete,
        )
        for stratum, of_stratum in zip(strata, groups, strict=True)
    ]
    cold, warm = (
        sum(outcome.cpu_s for table, _ in some for outcome in outcomes_in(table)) / len(some)
        for some in (first, found[:1])
    )
    return Measured(measured, outcomes, number, max(0.0, started - found[0][1]), max(0.0, cold - warm))


def _taken(table: pa.Table, elapsed: float) -> list[float]:
    """The quantities of a block."""
    outcomes = outcomes_in(table)
    judge_s = sum(outcome.wall_s for outcome in outcomes)
    values = [parsed(outcome) for outcome in outcomes if outcome.answer is not None]
    return [
        sum(outcome.cpu_s for outcome in outcomes),
        sum(outcome.gpu_s for outcome in outcomes),
        judge_s,
        max(0.0, elapsed - judge_s),
        sum(float((value.get("media") or {}).get("duration_s") or 0.0) for value in values),
        float(sum("error" in value for value in values)),
    ]


def _part_bytes(outcomes: Sequence[Outcome], options: Mapping[str, Any]) -> int:
    """What a part of these outcomes takes on the disk."""
    results = (parsed(outcome) for outcome in outcomes)
    models: Mapping[str, Any] = next((values["models"] for values in results if "models" in values), {})
    with TemporaryDirectory(prefix="outofsync-plan-") as folder:
        store = Store(Storage().place(folder), Identity(options, models))
        for outcome in outcomes:
            store.add(outcome)
        store.write()
        parts = [path for path in Path(folder).rglob("part-*") if path.is_file()]
        return sum(path.stat().st_size for path in parts)
