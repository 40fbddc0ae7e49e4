"""``--plan``: a sample is measured and says what the whole will take; a run then says how near that was."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import ray

from outofsync_cluster.backends import read_weights
from outofsync_cluster.blocks import BATCH_ITEMS
from outofsync_cluster.cost import Cost, Prices
from outofsync_cluster.errors import ClusterError
from outofsync_cluster.estimates import LEVEL, Estimate, estimate, sums
from outofsync_cluster.inventory import Inventory
from outofsync_cluster.measuring import QUANTITIES, Measured, measure
from outofsync_cluster.pipeline import Pipeline, Team, cluster
from outofsync_cluster.places import Place
from outofsync_cluster.run import PART_ROWS, PART_S, Plan, leg_items, listed
from outofsync_cluster.sampling import sampled

PLAN_FILE = "plan.json"
SAMPLE = 64  # videos: intervals of about a tenth where lengths differ by ten times
COMPARED = {"cpu_s": "cpu_s", "gpu_s": "gpu_s", "wall_s": "seconds"}  # of a plan, and in a run's summary
SPOKEN = {"cpu_s": "core-seconds at work", "gpu_s": "GPU-seconds at work", "wall_s": "seconds"}
UNITS = ((1.0, "s"), (60.0, "min"), (3600.0, "h"), (86400.0, "days"))


@dataclass(frozen=True)
class Prediction:
    """What a run over the whole corpus will take; contents that are there twice are counted twice.

    ``estimates`` are of ``cpu_s``, ``gpu_s`` (at work), ``wall_s``, ``video_s``, ``errors``,
    ``bytes_written`` and ``cost``.
    """

    videos: int
    bytes_read: int
    sample: int
    actors: int  # of the run
    cores: float
    gpus: float
    nodes: int
    start_s: float
    peak_bytes: int  # of one actor's engine
    estimates: dict[str, Estimate]

    @property
    def node_bytes(self) -> int:
        """Memory of the engines on a node."""
        return self.peak_bytes * math.ceil(self.actors / max(1, self.nodes))

    def to_dict(self) -> dict[str, Any]:
        plain = {name: value for name, value in vars(self).items() if name != "estimates"}
        stated = {name: value.to_dict() for name, value in self.estimates.items()}
        return {**plain, "node_bytes": self.node_bytes, "level": LEVEL, "estimates": stated}

    def lines(self) -> Iterable[tuple[str, str]]:
        """Names and values for the terminal."""
        found = self.estimates
        yield "videos", f"{self.videos:,} ({self.sample} of them measured)"
        yield "time", f"{_spoken(found['wall_s'])}, {_time(self.start_s)} of it to begin"
        yield "cores", f"{self.cores:g}, {self.actors} actors at a time"
        yield "core-hours at work", _plain(found["cpu_s"], 3600)
        if found["gpu_s"].value:
            yield "GPUs", f"{self.gpus:g}"
            yield "GPU-hours at work", _plain(found["gpu_s"], 3600)
        yield "memory", f"{self.node_bytes / 1e9:.2f} GB on a node, {self.peak_bytes / 1e9:.2f} GB an actor"
        yield "hours of video", _plain(found["video_s"], 3600)
        yield "without a result", _plain(found["errors"], 1)
        yield "GB to read", f"{self.bytes_read / 1e9:,.3g}"
        yield "GB to write", _plain(found["bytes_written"], 1e9)
        if found["cost"].value:
            yield "cost", _plain(found["cost"], 1)


def predict(plan: Plan, *, sample: int = SAMPLE) -> Prediction:
    """Measure a sample of what a plan's source holds. Raises :class:`ClusterError`."""
    found = list[Prediction]()
    listed(plan, lambda inventory: found.append(_predict(plan, inventory, sample)))
    plan.storage.place(plan.output).make_folder()
    return found[0]


def _predict(plan: Plan, inventory: Inventory, sample: int) -> Prediction:
    weights = read_weights(plan.checkpoints) if plan.server is None else None
    strata = sampled(inventory, sample, block=BATCH_ITEMS)
    if not strata:
        raise ClusterError(f"{plan.source} holds no video that can be read, so there is nothing to measure")
    with cluster(plan.address, plan.cores, stages=plan.stages):
        held: dict[str, float] = ray.cluster_resources()  # type: ignore[no-untyped-call]
        needs = {"cpus": plan.threads, "gpus": plan.gpus_each}
        team = Pipeline(plan.setup, None, **needs, stages=plan.stages).team()
        measured = measure(
            strata,
            replace(plan.setup, skip_copies=False),
            [] if weights is None else [ray.put(dict(weights))],
            team=team,
            block=BATCH_ITEMS,
            **needs,
        )
        nodes = len(ray.nodes())  # type: ignore[no-untyped-call]
    videos = sum(stratum.count for stratum in strata)
    size = sum(stratum.size_bytes for stratum in strata)
    machine = (
        team.at_most(math.ceil(videos / BATCH_ITEMS)),
        held.get("CPU", 0.0),
        held.get("GPU", 0.0),
        nodes,
    )
    return prediction(measured, plan, videos=videos, size_bytes=size, machine=machine)


def prediction(
    measured: Measured, plan: Plan, *, videos: int, size_bytes: int, machine: tuple[Team, float, float, int]
) -> Prediction:
    """What follows from a measurement for a run with these actors, so many cores, GPUs and nodes."""
    team, cores, gpus, nodes = machine
    drawn = dict(zip(QUANTITIES, sums(measured.strata).T, strict=True))
    legs = math.ceil(videos / leg_items(team.first))
    begins = measured.start_s * legs
    drawn["cpu_s"] = drawn["cpu_s"] + measured.start_cpu_s * legs * max(team.first, team.score)
    work = np.maximum(drawn.pop("judge_s"), drawn.pop("read_s")) / team.first  # one block is read meanwhile
    work = np.maximum(work, drawn.pop("score_s") / max(1, team.score))  # as long as the slower stage takes
    drawn["wall_s"] = wall = begins + work
    part, each = measured.written_bytes(plan.options)
    drawn["bytes_written"] = each * videos + part * np.maximum(videos / PART_ROWS, wall / PART_S)
    drawn["cost"] = np.array([_spent(seconds, cores, gpus, plan.prices) for seconds in wall])
    return Prediction(
        videos=videos,
        bytes_read=size_bytes,
        sample=len(measured.outcomes),
        actors=team.first + team.score,
        cores=cores,
        gpus=gpus,
        nodes=nodes,
        start_s=begins,
        peak_bytes=measured.peak_bytes,
        estimates={name: estimate(values) for name, values in drawn.items()},
    )


def write_plan(folder: Place, found: Prediction) -> None:
    """Leave a prediction where the run will find it."""
    folder.child(PLAN_FILE).write(json.dumps(found.to_dict(), indent=2).encode() + b"\n")


def held_against(folder: Place, summary: Mapping[str, Any]) -> dict[str, dict[str, float]]:
    """What was planned in a folder and what the run took; nothing where it did only a part."""
    try:
        plan = json.loads(folder.child(PLAN_FILE).read())
        if summary["videos"] + summary["errors"] + summary["duplicates"] < plan["videos"]:
            return {}
        planned = {name: float(plan["estimates"][name]["value"]) for name in COMPARED}
    except (OSError, ValueError, KeyError, TypeError):
        return {}
    return {
        name: {"planned": round(value, 3), "took": summary[COMPARED[name]]}
        for name, value in planned.items()
        if value
    }


def _spent(seconds: float, cores: float, gpus: float, prices: Prices) -> float:
    return Cost(videos=0, duration_s=0, wall_s=seconds, cpu_s=0, gpu_s=0, cores=cores, gpus=gpus).spent(
        prices
    )


def _plain(value: Estimate, unit: float) -> str:
    middle, low, high = (f"{one / unit:,.3g}" for one in (value.value, value.low, value.high))
    return f"{middle} ({low} to {high})" if low != high else middle


def _spoken(seconds: Estimate) -> str:
    unit, name = _unit(seconds.value)
    return f"{_plain(seconds, unit)} {name}"


def _time(seconds: float) -> str:
    unit, name = _unit(seconds)
    return f"{seconds / unit:.3g} {name}"


def _unit(seconds: float) -> tuple[float, str]:
    """The largest unit of which there are two or more, so that numbers stay short."""
    return next((unit for unit in reversed(UNITS) if seconds >= 2 * unit[0]), UNITS[0])
