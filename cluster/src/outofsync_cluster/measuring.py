"""A sample judged as a run would judge it: by the same actors, as many at a time as a run has.

One actor alone would be measured too fast: cores share caches and memory, and often are two of one.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import zip_longest
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
from outofsync_cluster.pipeline import Team
from outofsync_cluster.places import Storage
from outofsync_cluster.rows import table_of
from outofsync_cluster.sampling import Stratum
from outofsync_cluster.stages import Judge, Outcome, Registry, Scorer, Setup, outcomes_in, parsed
from outofsync_cluster.store import Store
from outofsync_cluster.work import Work

QUANTITIES = ("cpu_s", "gpu_s", "judge_s", "read_s", "score_s", "video_s", "errors")


class Timed:
    """Of an actor: it leaves its table where it is, and says how long the block took from end to end."""

    def measure(self: Any, block: pa.Table) -> tuple[Any, float]:
        start = time.perf_counter()
        table = self(block)
        return ray.put(table), time.perf_counter() - start


class TimedJudge(Timed, Judge):
    """Reads and judges, or crops."""


class TimedScorer(Timed, Scorer):
    """Judges what another has cropped."""


@dataclass(frozen=True)
class Taken:
    """What became of a block, and how long its stages took from end to end."""

    outcomes: list[Outcome]
    first_s: float
    judge_s: float  # of the first stage without reading
    score_s: float = 0.0

    @property
    def total_s(self) -> float:
        return self.first_s + self.score_s

    @property
    def cpu_s(self) -> float:
        return sum(outcome.cpu_s for outcome in self.outcomes)

    def quantities(self) -> list[float]:
        """In the order of QUANTITIES."""
        values = [parsed(outcome) for outcome in self.outcomes if outcome.answer is not None]
        return [
            self.cpu_s,
            sum(outcome.gpu_s for outcome in self.outcomes),
            self.judge_s,
            max(0.0, self.first_s - self.judge_s),
            self.score_s,
            sum(float((value.get("media") or {}).get("duration_s") or 0.0) for value in values),
            float(sum("error" in value for value in values)),
        ]


@dataclass(frozen=True)
class Measured:
    """What a sample took, and what comes before and after."""

    strata: list[Blocks]
    outcomes: list[Outcome]
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
    strata: Sequence[Stratum],
    setup: Setup,
    weights: Sequence[Any],
    *,
    team: Team,
    block: int,
    cpus: float,
    gpus: float,
) -> Measured:
    """Judge the samples in blocks of so many videos.

    Args:
        weights: a reference to the files of the weights, as actors take it.
        team: how many actors fit in the cluster, of the whole work or of its two stages.
        cpus, gpus: what one that scores takes of a node; one that crops takes no card.

    Raises:
        ClusterError: an actor died of the sample.
    """
    groups = [list(grouped(stratum.sample, block)) for stratum in strata]
    blocks = [table_of(Item, group) for of_stratum in groups for group in of_stratum]
    start = time.perf_counter()
    measuring = _Measuring(setup, weights, team, math.ceil(len(blocks) / 2), cpus, gpus)
    try:
        cold = measuring.cold(blocks[0])
        started = time.perf_counter() - start
        found = measuring.all(blocks)
    except ray.exceptions.RayError as error:
        reason = str(error).strip().splitlines()[-1]
        raise ClusterError(f"the sample could not be measured: {reason}") from None
    rest = iter(found)
    measured = [
        Blocks(
            stratum.size_bytes,
            np.array([sum(item.size_bytes for item in group) for group in of_stratum], np.float64),
            np.array([next(rest).quantities() for _ in of_stratum]),
            stratum.complete,
        )
        for stratum, of_stratum in zip(strata, groups, strict=True)
    ]
    outcomes = [outcome for taken in found for outcome in taken.outcomes]
    cold_cpu_s = sum(taken.cpu_s for taken in cold) / len(cold) - found[0].cpu_s
    return Measured(measured, outcomes, max(0.0, started - found[0].total_s), max(0.0, cold_cpu_s))


class _Measuring:
    """The actors of one measurement: one stage, or two that work at the same time as in a run."""

    def __init__(
        self, setup: Setup, weights: Sequence[Any], team: Team, most: int, cpus: float, gpus: float
    ) -> None:
        """``most``: of each kind; each judges two blocks, or they would not share the node."""

        def made(kind: type, number: int, gpus: float, *arguments: Any) -> list[Any]:
            remote: Any = ray.remote(kind)
            needs = {"num_cpus": cpus, "num_gpus": gpus}
            return [remote.options(**needs).remote(setup, *arguments) for _ in range(min(number, most))]

        keeper: Any = ray.remote(Registry)
        registry = keeper.options(num_cpus=0).remote()
        if team.whole:
            self._first, self._scorers = made(TimedJudge, team.whole, gpus, weights, registry), list[Any]()
        else:
            self._first = made(TimedJudge, team.crop, 0.0, (), registry, Work.CROP)
            self._scorers = made(TimedScorer, team.score, gpus, weights)

    def cold(self, block: pa.Table) -> list[Taken]:
        """The first block of each: it waits until networks are loaded."""
        firsts = ray.get([actor.measure.remote(block) for actor in self._first])
        # as many as there are of either kind, so that all have had one
        longest = max(len(firsts), len(self._scorers))
        return self._scored([firsts[place % len(firsts)] for place in range(longest)])

    def all(self, blocks: Sequence[pa.Table]) -> list[Taken]:
        """The blocks in order."""
        pool: Any = ActorPool(self._first)
        return self._scored(pool.map(lambda actor, block: actor.measure.remote(block), blocks))

    def _scored(self, firsts: Iterable[tuple[Any, float]]) -> list[Taken]:
        """What the first stage left, after the second if there is one: that begins as soon as it can."""
        left, scores = list[tuple[Any, float]](), list[Any]()
        for place, (table, elapsed) in enumerate(firsts):
            left.append((table, elapsed))
            if self._scorers:
                scores.append(self._scorers[place % len(self._scorers)].measure.remote(table))
        found = []
        for (table, elapsed), last in zip_longest(left, ray.get(scores)):
            final, score_s = last or (table, 0.0)
            judge_s = sum(outcome.wall_s for outcome in outcomes_in(ray.get(table)))
            found.append(Taken(outcomes_in(ray.get(final)), elapsed, judge_s, score_s))
        return found


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
