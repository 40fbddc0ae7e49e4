"""Catalogues on a cluster of one node and of two, one of which is killed, and what one would write instead.

    python -m benchmarks.cluster [--clips 10000] [--kills 20] [--parts loop one two …] [--json FILE]

The nodes are Ray's own, on this machine, and share its cores. The weights are those that ship without the
network that judges faces, as published weights are: the less a video takes, the more a cluster's share shows.
Comparisons take a share of the clips; the catalogue as a whole is judged once, on two nodes, of which one is
killed midway and another comes in its place. Each run is planned before, and held against its plan. A second
call with the same FILE measures what is missing there.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchmarks.catalogue import SECONDS, catalogue
from benchmarks.engine import CHECKPOINTS
from benchmarks.killing import killed
from benchmarks.report import parser, print_table, write_json
from benchmarks.rivals import Rate, loop, parallel, pooled
from benchmarks.runs import Run, command, compared, nothing, watched
from outofsync_cluster.backends import OPTIONAL, WEIGHTS
from outofsync_cluster.blocks import BATCH_ITEMS
from outofsync_cluster.pipeline import OBJECT_STORE_BYTES
from outofsync_cluster.places import Storage
from outofsync_cluster.planning import held_against

PARTS = ("loop", "one", "two", "pool", "parallel", "kills")
COMPARED = 400  # clips of a comparison
COMMANDS = 80  # clips, each a command of its own
KILLED_CLIPS = 24
REPLACED_AFTER_S = 10.0


@contextmanager
def nodes(number: int, cores: int) -> Iterator[Any]:
    """Ray's test cluster: so many nodes that share the cores; the first is the head."""
    from ray.cluster_utils import Cluster

    shares = [cores // number + (place < cores % number) for place in range(number)]
    head = {"num_cpus": shares[0], "object_store_memory": OBJECT_STORE_BYTES, "include_dashboard": False}
    made = Cluster(initialize_head=True, head_node_args=head)
    try:
        for share in shares[1:]:
            made.add_node(num_cpus=share, object_store_memory=OBJECT_STORE_BYTES)
        yield made
    finally:
        made.shutdown()  # type: ignore[no-untyped-call]


class Loss:
    """Kills the last node once half of the videos are there, and adds another a while later."""

    def __init__(self, made: Any, videos: int, cores: int) -> None:
        self._made = made
        self._half = videos / 2
        self._cores = cores
        self.rows_when_killed: int | None = None
        self._at = 0.0
        self._replaced = False

    def __call__(self, rows: int) -> None:
        if self.rows_when_killed is None:
            if rows >= self._half:
                node = self._made.list_all_nodes()[-1]
                self._made.remove_node(node, allow_graceful=False)
                self.rows_when_killed, self._at = rows, time.monotonic()
        elif not self._replaced and time.monotonic() - self._at >= REPLACED_AFTER_S:
            self._made.add_node(num_cpus=self._cores, object_store_memory=OBJECT_STORE_BYTES)
            self._replaced = True


class Measuring:
    """One measurement after another, each added to the results as soon as it is there."""

    def __init__(
        self, folder: Path, wanted: dict[str, str], weights: Path, cores: int, output: Path | None
    ) -> None:
        self._folder, self._wanted, self._weights, self._cores = folder, wanted, weights, cores
        self._json = output
        self._known: dict[str, Any] = {}
        self.results: dict[str, Any] = {
            "clips": len(wanted),
            "clip_s": SECONDS,
            "clip_bytes": sum(Path(path).stat().st_size for path in wanted.values()) // len(wanted),
            "cores": cores,
            "weights": f"without {OPTIONAL}",
        }
        self.results |= self._measured_before()

    def _measured_before(self) -> dict[str, Any]:
        """What an earlier call left in the file, where it was about as many clips on as many cores."""
        try:
            found: dict[str, Any] = json.loads((self._json or Path()).read_text())["results"]
        except (OSError, ValueError, LookupError):
            return {}
        same = all(found.get(name) == value for name, value in self.results.items())
        return {name: value for name, value in found.items() if name in PARTS} if same else {}

    def left(self) -> list[str]:
        """What has not been measured."""
        return [part for part in PARTS if part not in self.results]

    def keep(self, name: str, values: dict[str, Any]) -> None:
        self.results[name] = values
        write_json(self._json, self.results)
        shown = {key: value for key, value in values.items() if not isinstance(value, list | dict)}
        print_table(name, ["measure", "value"], list(shown.items()))

    def loop(self) -> None:
        rate, self._known = loop(self._some(COMPARED), self._weights, self._cores, BATCH_ITEMS)
        self.keep("loop", rate.to_dict())

    def pool(self) -> None:
        self._rival("pool", pooled(self._some(COMPARED), self._weights, self._cores))

    def parallel(self) -> None:
        rate, program = parallel(self._some(COMMANDS), self._weights, self._cores)
        self._rival("parallel", rate, {"program": program})

    def one(self) -> None:
        paths = self._some(COMPARED)
        with nodes(1, self._cores) as made:
            run = self._run("one", made, self._list("one", paths))
        self.keep("one", self._with_ratio("one", run))

    def two(self) -> None:
        with nodes(2, self._cores) as made:
            loss = Loss(made, len(self._wanted), self._cores // 2)
            run = self._run("two", made, self._list("two", list(self._wanted.values())), loss)
        found = compared(self._folder / "two", self._wanted, self._known)
        before = run.steady_per_s(loss.rows_when_killed)
        written = sum(path.stat().st_size for path in (self._folder / "two").rglob("part-*"))
        self.keep(
            "two",
            {
                **self._with_ratio("two", run),
                **found,
                "rows_when_killed": loss.rows_when_killed,
                "videos_per_s_before": before and round(before, 4),
                "of_loop_before": before and round(before / self.results["loop"]["videos_per_s"], 4),
                "parts": len(list((self._folder / "two" / "sources").iterdir())),
                "bytes_written": written,
            },
        )

    def kills(self, rounds: int) -> None:
        wanted = dict(list(self._wanted.items())[:KILLED_CLIPS])
        source = self._list("kills", list(wanted.values()))
        self.keep("kills", killed(wanted, source, self._weights, rounds, self._folder, cores=self._cores))

    def _some(self, number: int) -> list[str]:
        return list(self._wanted.values())[:number]

    def _list(self, name: str, paths: Sequence[str]) -> str:
        manifest = self._folder / f"{name}.txt"
        manifest.write_text("".join(f"{path}\n" for path in paths))
        return str(manifest)

    def _run(self, name: str, made: Any, source: str, meanwhile: Callable[[int], None] = nothing) -> Run:
        output = self._folder / name
        shutil.rmtree(output, ignore_errors=True)
        words = command(source, output, self._weights, "--address", made.address)
        subprocess.run([*words, "--plan"], stdout=subprocess.DEVNULL, check=True)
        return watched(words, output, meanwhile)

    def _with_ratio(self, name: str, run: Run) -> dict[str, Any]:
        """A run's figures, beside the loop's and beside those that were planned."""
        held = held_against(Storage().place(str(self._folder / name)), run.summary)
        values, beside = run.to_dict(), self.results["loop"]["videos_per_s"]
        steady = values["steady_videos_per_s"]
        return {
            **values,
            "of_loop": round(values["videos_per_s"] / beside, 4),
            "of_loop_steady": steady and round(steady / beside, 4),
            **{f"{name}_of_plan": round(one["took"] / one["planned"], 4) for name, one in held.items()},
        }

    def _rival(self, name: str, rate: Rate, more: dict[str, Any] | None = None) -> None:
        values = {**rate.to_dict(), **(more or {})}
        for run in ("one", "two"):
            if run in self.results:
                ours = self.results[run]["videos_per_s"]
                values[f"{run}_times_as_fast"] = round(ours / rate.per_s, 4)
        self.keep(name, values)


def lighter(folder: Path) -> Path:
    """The weights that ship, without the one that is optional."""
    folder.mkdir()
    for name in WEIGHTS:
        if name != OPTIONAL:
            (folder / name).symlink_to(CHECKPOINTS / name)
    return folder


def main(arguments: Sequence[str] | None = None) -> None:
    options = parser("Score a catalogue on Ray, and compare.")
    options.add_argument("--clips", type=int, default=10_000)
    options.add_argument("--kills", type=int, default=20, help="rounds of kill -9")
    options.add_argument("--cores", type=int, default=len(os.sched_getaffinity(0)))
    options.add_argument("--parts", nargs="+", choices=PARTS, help="default: what is not in FILE yet")
    chosen = options.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="outofsync-bench-") as made:
        folder = Path(made)
        wanted = catalogue(folder / "catalogue", chosen.clips)
        measuring = Measuring(folder, wanted, lighter(folder / "weights"), chosen.cores, chosen.json)
        parts = set(chosen.parts or measuring.left())
        if parts & {"one", "two"}:
            parts.add("loop")  # measured beside them, and its results are compared with theirs
        for part in PARTS:
            if part in parts:
                getattr(measuring, part)(*((chosen.kills,) if part == "kills" else ()))


if __name__ == "__main__":
    main()
