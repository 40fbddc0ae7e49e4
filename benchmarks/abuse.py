"""What others notice while somebody abuses the service: their p95, during each kind of abuse and after it.

    python -m benchmarks.abuse [--seconds 20] [--rounds 3] [--kinds slow-uploads …] [--without-turns]

A server, a gateway and nginx on this machine. Four callers send a sample each, one after the other, with keys
and addresses of their own; one more with a key of its own abuses the service as hard as it can from another
address (:mod:`benchmarks.abusers`). Calm and abuse take turns, for a machine may be busier by and by, and for
each the processor time of nginx, gateway, Java and workers is told. The aim: p95 of the others at most
doubles, and is back as soon as the abuse ends. The abuser's own share of this machine is in that;
``processor-alone`` shows it by itself.
"""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import psutil

from archives.build import build
from benchmarks.abusers import KINDS, SECONDS, Site, abused, short
from benchmarks.engine import CHECKPOINTS
from benchmarks.ports import free_port
from benchmarks.report import parser, percentile, print_table, write_json
from gateway import keys
from outofsync_client.protocol import LOOPBACK
from serving.edge.__main__ import start, stop
from serving.edge.settings import EdgeSettings
from serving.lifecycle import running
from serving.settings import ROOT, ServerSettings

OTHERS = 4
FEWEST = 5  # answers of each of the others in all rounds, or a percentile says nothing
MOST = 2.0  # times the others' p95 without abuse
SETTLE_S = 2.0  # before what the others notice of an abuse is counted
NO_SHARE = (
    1_000_000  # places for callers that share them: more than there are, so that nobody waits for his turn
)
START_S = 30.0


@dataclass(frozen=True)
class Service:
    """What is deployed: what the others call, what the abuser does, and where it all lies."""

    others: list[Site]
    abuser: Site
    folder: Path

    def processor_s(self) -> dict[str, float]:
        """Seconds of processor time that each part has used so far."""
        used: dict[str, float] = defaultdict(float)
        for process in self._processes():
            try:
                times, part = process.cpu_times(), _part(process)
            except psutil.Error:
                continue  # it has ended meanwhile
            used[part] += times.user + times.system + times.children_user + times.children_system
        return used

    def _processes(self) -> set[psutil.Process]:
        found = set[psutil.Process]()
        for process in psutil.process_iter():
            try:
                if str(self.folder) in " ".join(process.cmdline()):
                    found |= {process, *process.children(recursive=True)}
            except psutil.Error:
                continue
        return found


def _part(process: psutil.Process) -> str:
    name, words = process.name(), " ".join(process.cmdline())
    if name.startswith("nginx") or name == "java":
        return name.partition(":")[0]
    if "-m gateway" in words:
        return "gateway"
    parent = process.parent()
    return "workers" if parent is not None and parent.name() == "java" else "other"


@contextmanager
def deployed(store: Path | None = None, *, turns: bool = True) -> Iterator[Service]:
    """The whole service; without turns, whoever comes first is served first."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that all of it is stopped then, too
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="outofsync-abuse-")))
        if store is None:
            store = folder / "model_store"
            build(CHECKPOINTS, store)
        state = folder / "state"
        edge = EdgeSettings(states=(state,), port=free_port())
        stack.enter_context(running(ServerSettings(state=state, model_store=store, plain_models=False)))
        names = (*(f"other-{number}" for number in range(OTHERS)), "abuser")
        edge.folder.mkdir(parents=True, exist_ok=True)
        known = [keys.add(edge.key_file, name) for name in names]
        if not turns:
            edge = EdgeSettings(
                states=(state,), port=edge.port, gateways=(stack.enter_context(_gateway(edge)),)
            )
        stack.callback(stop, edge)
        start(edge)
        sites = [Site(edge.port, edge.folder / "development.crt", key) for key in known]
        yield Service(sites[:-1], sites[-1], folder)


@contextmanager
def _gateway(edge: EdgeSettings) -> Iterator[str]:
    """A gateway whose callers do not wait for each other; its address."""
    port = free_port()
    words = ["--state", str(edge.states[0]), "--keys", str(edge.key_file), "--port", str(port)]
    words += ["--shared", str(NO_SHARE)]
    with (edge.states[0] / "gateway.log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "gateway", *words], cwd=ROOT, stdout=log, stderr=log
        )
    try:
        deadline = time.monotonic() + START_S
        while not _listens(port):
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"the gateway did not start; its log is {log.name}")
            time.sleep(0.1)
        yield f"{LOOPBACK}:{port}"
    finally:
        process.terminate()
        process.wait()


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex((LOOPBACK, port)) == 0


@dataclass
class Phase:
    """What the others noticed for some time, and what the parts of the service used meanwhile."""

    took_s: list[float] = field(default_factory=list)
    failed: int = 0
    seconds: float = 0.0
    used_s: dict[str, float] = field(default_factory=lambda: defaultdict(float))

    def add(self, service: Service, seconds: float, fewest: int = 1) -> None:
        """Let the others ask for so long, or for a few answers each."""
        before, began = service.processor_s(), time.monotonic()
        took, failed = asked(service.others, seconds, fewest)
        self.seconds += time.monotonic() - began
        for part, used in service.processor_s().items():
            self.used_s[part] += used - before.get(part, 0.0)
        self.took_s += took
        self.failed += failed

    @property
    def p95_s(self) -> float:
        return percentile(self.took_s, 0.95) if self.took_s else float("inf")

    @property
    def cores(self) -> dict[str, float]:
        """How many cores each part kept busy."""
        return {part: round(used / self.seconds, 3) for part, used in sorted(self.used_s.items())}


def asked(sites: Sequence[Site], seconds: float, fewest: int = 1) -> tuple[list[float], int]:
    """How long each answer took; how many were no verdict."""
    video = short(SECONDS)
    ends = time.monotonic() + seconds

    def ask(number: int) -> list[float]:
        took = list[float]()
        with sites[number].client(f"127.0.0.{number + 2}") as client:
            while time.monotonic() < ends or len(took) < fewest:
                began = time.monotonic()
                answer = client.post("/v1/detect", content=video)
                took.append(time.monotonic() - began if answer.status_code == 200 else -1.0)
        return took

    with ThreadPoolExecutor(len(sites)) as pool:
        all_took = [one for took in pool.map(ask, range(len(sites))) for one in took]
    return [one for one in all_took if one >= 0], sum(one < 0 for one in all_took)


@dataclass(frozen=True)
class Row:
    """One kind of abuse: the others' p95 in seconds without it, and times that during and after it."""

    kind: str
    answers: int  # during
    failed: int
    calm_s: float
    during: float
    after: float
    calm_cores: dict[str, float]
    during_cores: dict[str, float]

    @classmethod
    def of(cls, kind: str, calm: Phase, during: Phase, after: Phase) -> Row:
        ratios = [round(phase.p95_s / calm.p95_s, 2) for phase in (during, after)]
        failed = calm.failed + during.failed + after.failed
        return cls(
            kind, len(during.took_s), failed, calm.p95_s, ratios[0], ratios[1], calm.cores, during.cores
        )

    @property
    def within(self) -> bool:
        return self.failed == 0 and self.during <= MOST and self.after <= MOST


def measured(
    kinds: Sequence[str], seconds: float, store: Path | None = None, *, rounds: int = 3, turns: bool = True
) -> list[Row]:
    """A row for each kind of abuse; ``seconds`` of it in all, and as many without."""
    rows, share = [], seconds / rounds
    fewest = -(-FEWEST // rounds)
    with deployed(store, turns=turns) as service:
        asked(service.others, 0.0, 2)  # caches fill
        for kind in kinds:
            calm, during, after = Phase(), Phase(), Phase()
            for _ in range(rounds):
                calm.add(service, share, fewest)
                with abused(kind, service.abuser):
                    time.sleep(SETTLE_S)
                    during.add(service, share, fewest)
                after.add(service, share / 2)
            rows.append(Row.of(kind, calm, during, after))
            print(f"{kind}: others' p95 is {rows[-1].during} times what it was", file=sys.stderr, flush=True)
    return rows


def show(rows: Sequence[Row]) -> None:
    """Print what came out."""
    print_table(
        f"abuse, and the p95 of {OTHERS} others: seconds without it, times that during and after; cores that "
        "nginx keeps busy",
        ("abuse", "answers", "failed", "calm s", "during", "after", "nginx calm", "nginx", "within"),
        [
            (
                one.kind,
                one.answers,
                one.failed,
                one.calm_s,
                one.during,
                one.after,
                one.calm_cores.get("nginx", 0.0),
                one.during_cores.get("nginx", 0.0),
                "yes" if one.within else "NO",
            )
            for one in rows
        ],
    )


def as_dicts(rows: Sequence[Row]) -> list[dict[str, Any]]:
    return [{**asdict(row), "within": row.within} for row in rows]


def main() -> int:
    words = parser(__doc__ or "")
    words.add_argument("--seconds", type=float, default=20.0, help="of each kind of abuse")
    words.add_argument("--rounds", type=int, default=3, help="in which calm and abuse take turns")
    words.add_argument("--kinds", nargs="+", choices=KINDS, default=list(KINDS))
    words.add_argument("--without-turns", action="store_true", help="to see what the turns gain")
    chosen = words.parse_args()
    rows = measured(chosen.kinds, chosen.seconds, rounds=chosen.rounds, turns=not chosen.without_turns)
    show(rows)
    write_json(chosen.json, {"rows": as_dicts(rows), "turns": not chosen.without_turns})
    return 0 if all(row.within for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
