"""Which settings are best: one changed at a time, each against the defaults in the same run.

    python -m benchmarks.sweep [--only threads workers] [--json FILE]

Each setting gets a server of its own. The defaults are measured anew between settings, and a setting is
compared with the runs of the defaults before and after it. It takes about half a minute for each.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import reduce
from pathlib import Path
from typing import Any

import yaml

from archives.build import SETTINGS as ARCHIVES
from archives.build import build
from benchmarks.engine import CHECKPOINTS
from benchmarks.report import parser, print_table, write_json
from benchmarks.server import served
from benchmarks.serving import clips, measure
from outofsync_client.protocol import NODES
from serving.settings import CONFIG
from serving.state import ServerState

REQUESTS = {1: 6, 8: 16}  # by the number of clients
BETWEEN = 3  # settings between two runs of the defaults

Rates = dict[int, float]  # clips per second by the number of clients


@dataclass(frozen=True)
class Change:
    """One value in one file: of YAML by its path in dots, of properties by its name.

    In jvm.options ``place`` is a line: it is put in, or taken out where ``value`` is None.
    """

    file: str
    place: str
    value: Any


@dataclass(frozen=True)
class Setting:
    """What is changed together."""

    name: str
    changes: tuple[Change, ...]


def workflow(place: str, value: Any) -> Change:
    return Change("deepfake/workflow.yaml", f"models.{place}", value)


def model(node: str, **values: Any) -> tuple[Change, ...]:
    """``workers`` and ``threads`` of a node."""
    file = f"{node}/model-config.yaml"
    found = []
    if "workers" in values:
        found += [Change(file, place, values["workers"]) for place in ("minWorkers", "maxWorkers")]
    if "threads" in values:
        found.append(Change(file, "outofsync.threads", values["threads"]))
    return tuple(found)


def both(**values: Any) -> tuple[Change, ...]:
    return tuple(change for node in NODES for change in model(node, **values))


def server(place: str, value: str) -> tuple[Change, ...]:
    return (Change("server.properties", place, value),)


SETTINGS = (
    *(Setting(f"batch {size}", (workflow("batch-size", size),)) for size in (1, 2, 4, 8)),
    *(Setting(f"delay {ms} ms", (workflow("max-batch-delay", ms),)) for ms in (1, 10, 50, 200)),
    *(Setting(f"threads {count}", both(threads=count)) for count in (1, 2)),
    Setting("workers deblur 2", model("deblur", workers=2)),
    Setting("workers ensemble 2", model("ensemble", workers=2)),
    Setting("workers 2 and 2, threads 1", both(workers=2, threads=1)),
    Setting("workers deblur 2, threads 1", (*model("deblur", workers=2), *both(threads=1))),
    *(Setting(f"netty threads {count}", server("number_of_netty_threads", count)) for count in ("4", "64")),
    Setting("netty client threads 2", server("netty_client_threads", "2")),
    Setting("Java compiles twice", (Change("jvm.options", "-XX:TieredStopAtLevel=1", None),)),
    Setting("Java's serial collector", (Change("jvm.options", "-XX:+UseSerialGC", ""),)),
)


def changed(text: str, change: Change) -> str:
    """A settings file with the change in it; raises KeyError for a property that is not there."""
    if change.file.endswith(".yaml"):
        document = yaml.safe_load(text)
        *path, last = change.place.split(".")
        reduce(lambda node, name: node[name], path, document)[last] = change.value
        return yaml.safe_dump(document, sort_keys=False)
    lines = text.splitlines()
    if change.file == "jvm.options":
        kept = [line for line in lines if line != change.place]
        return "\n".join(kept if change.value is None else [*kept, change.place]) + "\n"
    names = [line.partition("=")[0] for line in lines]
    if change.place not in names:
        raise KeyError(f"{change.file} has no {change.place}")
    lines[names.index(change.place)] = f"{change.place}={change.value}"
    return "\n".join(lines) + "\n"


@contextmanager
def served_with(setting: Setting) -> Iterator[ServerState]:
    """A server with these settings, the rest as they are."""
    with tempfile.TemporaryDirectory(prefix="outofsync-sweep-") as folder:
        archives, config, store = (Path(folder) / name for name in ("archives", "config", "store"))
        shutil.copytree(ARCHIVES, archives)
        shutil.copytree(CONFIG, config)
        for change in setting.changes:
            path = (archives if change.file.endswith(".yaml") else config) / change.file
            path.write_text(changed(path.read_text(), change))
        build(CHECKPOINTS, store, settings=archives)
        with served(store, config) as state:
            yield state


def rates(setting: Setting, files: Sequence[Path]) -> Rates:
    """Clips per second; raises RuntimeError where a request fails."""
    with served_with(setting) as state:
        measure(state, files, 2, 4)  # the first requests are slower
        levels = [measure(state, files, clients, requests) for clients, requests in REQUESTS.items()]
    if failures := sum(level.errors for level in levels):
        raise RuntimeError(f"{setting.name}: {failures} requests failed")
    return {level.clients: level.clips_per_s for level in levels}


@dataclass(frozen=True)
class Compared:
    """A setting's rates beside those of the defaults before and after it."""

    setting: str
    rates: Rates
    before: Rates
    after: Rates

    def ratio(self, clients: int) -> float:
        return self.rates[clients] / ((self.before[clients] + self.after[clients]) / 2)

    def noise(self, clients: int) -> float:
        """By what share the defaults differ from themselves."""
        return abs(self.before[clients] - self.after[clients]) / min(
            self.before[clients], self.after[clients]
        )


def sweep(settings: Sequence[Setting], files: Sequence[Path]) -> Iterator[Compared]:
    """Each setting, compared; the defaults are run again after every few."""
    defaults = Setting("defaults", ())
    before = rates(defaults, files)
    for first in range(0, len(settings), BETWEEN):
        group = settings[first : first + BETWEEN]
        found = [rates(setting, files) for setting in group]
        after = rates(defaults, files)
        for setting, rate in zip(group, found, strict=True):
            yield Compared(setting.name, rate, before, after)
        before = after


def main(arguments: Sequence[str] | None = None) -> None:
    options = parser("Compare settings with the defaults, one at a time.")
    options.add_argument(
        "--only", nargs="+", default=[""], help="settings whose name begins with one of these"
    )
    options.add_argument("--seconds", type=float, default=5.0, help="length of the clips")
    chosen = options.parse_args(arguments)
    settings = [setting for setting in SETTINGS if setting.name.startswith(tuple(chosen.only))]
    found = []
    for compared in sweep(settings, clips(chosen.seconds)):
        print(f"{compared.setting}: " + ", ".join(f"{compared.ratio(clients):.2f}" for clients in REQUESTS))
        found.append(compared)
    print_table(
        f"Throughput against the defaults, clips of {chosen.seconds:g} s at 720p",
        ["setting", *(f"x, {clients} cl." for clients in REQUESTS)]
        + [f"clips/s, {clients} cl." for clients in REQUESTS],
        [
            [one.setting, *(f"{one.ratio(clients):.2f}" for clients in REQUESTS), *one.rates.values()]
            for one in found
        ],
    )
    noise = max(one.noise(clients) for one in found for clients in REQUESTS)
    print(f"the defaults differ from themselves by up to {noise:.0%}; less than that is no difference")
    write_json(chosen.json, {"clip_s": chosen.seconds, "settings": [asdict(one) for one in found]})


if __name__ == "__main__":
    main()
