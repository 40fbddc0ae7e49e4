"""Jobs while processes are killed: ``make bench BENCH=jobs [ARGS="--jobs 10000 --minutes 10"]``.

Callers hand in small files through one gateway on SQLite, then through two on PostgreSQL, while gateways, the
server behind them and the database are killed (SIGKILL) at random moments. A job was accepted where its
caller had 202. Counted are the jobs accepted; those that ended; *lost* ones, which never did; *doubled* ones,
which ended more than once; *mixed* ones, whose result is another file's; those that failed; and files judged
more than once, which costs time and nothing else. The server is a stand-in, as measured is what is before it;
``--real`` adds a round before TorchServe itself, whose Java and workers are killed.
"""

from __future__ import annotations

import hashlib
import json
import random
import sys
import threading
import time
from collections import Counter
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from typing import Any

import httpx

from benchmarks.jobs_scene import Scene, scene
from benchmarks.postgres import missing
from benchmarks.report import machine, parser, print_table, write_json
from benchmarks.stand_in import LOG

ENDED = ("done", "failed", "cancelled")
PAUSE_S = (0.5, 8.0)  # between two kills: a gateway takes seconds to come back
END_S = 600.0  # for what is left, once nobody is killed any more
CALLERS = 8


@dataclass
class Tally:
    """What became of one round's jobs."""

    place: str
    accepted: int = 0
    ended: int = 0
    lost: int = 0
    doubled: int = 0
    mixed: int = 0
    judged_again: int = 0
    failed: int = 0
    kills: dict[str, int] = field(default_factory=dict)
    seconds: float = 0.0

    @property
    def kept_its_word(self) -> bool:
        """Whether every job ended, once, with its own result."""
        return self.accepted == self.ended and not (self.lost or self.doubled or self.mixed)


def round_of(
    *,
    gateways: int,
    postgres: bool,
    jobs: int,
    kill_s: float,
    seed: int,
    seconds: float = 0.02,
    pause_s: tuple[float, float] = PAUSE_S,
    real: bool = False,
) -> Tally:
    """Hand in so many jobs, while processes are killed for ``kill_s`` seconds."""
    place = f"{gateways} gateway{'s' * (gateways > 1)}, {'PostgreSQL' if postgres else 'SQLite'}"
    tally, began = Tally(place + ", TorchServe" * real), time.monotonic()
    with scene(gateways, postgres, seconds, real=real) as stage:
        accepted = _handed_in(stage, jobs, kill_s, pause_s, seed, tally)
        ended = _ended(stage, accepted)
        _count(stage, accepted, ended, tally)
    tally.seconds = round(time.monotonic() - began, 1)
    return tally


def _handed_in(
    stage: Scene, jobs: int, kill_s: float, kills_s: tuple[float, float], seed: int, tally: Tally
) -> dict[str, str]:
    """Jobs that were accepted, with the sums of their files; callers and killer work side by side."""
    accepted: dict[str, str] = {}
    numbers = iter(range(10**9))
    stop = threading.Event()
    pause_s = kill_s / max(1, jobs) * CALLERS  # so that there is work for as long as somebody kills

    def call() -> None:
        with httpx.Client(timeout=30, trust_env=False) as client:
            while not stop.is_set() and len(accepted) < jobs:
                number = next(numbers)
                body = stage.body(b"file %d of %d" % (number, seed))
                with suppress(httpx.TransportError):
                    answer = client.post(stage.urls[number % len(stage.urls)] + "/v1/jobs", content=body)
                    if answer.status_code == 202:
                        accepted[answer.json()["id"]] = hashlib.sha256(body).hexdigest()
                        stop.wait(pause_s)
                        continue
                stop.wait(0.2)

    callers = [threading.Thread(target=call) for _ in range(CALLERS)]
    for caller in callers:
        caller.start()
    chance, deadline = random.Random(seed), time.monotonic() + kill_s
    kills: Counter[str] = Counter()
    while time.monotonic() < deadline:
        time.sleep(chance.uniform(*kills_s))
        name, kill = chance.choice(stage.victims)
        kill()
        kills[name] += 1
    for caller in callers:
        caller.join(timeout=END_S)
    stop.set()
    tally.kills = dict(sorted(kills.items()))
    return accepted


def _ended(stage: Scene, accepted: dict[str, str]) -> dict[str, dict[str, Any]]:
    """The jobs that have ended, once all have, or the time is over."""
    ended: dict[str, dict[str, Any]] = {}
    with httpx.Client(timeout=30, trust_env=False) as client:
        deadline = time.monotonic() + END_S
        while len(ended) < len(accepted) and time.monotonic() < deadline:
            for id in [one for one in accepted if one not in ended]:
                with suppress(httpx.TransportError):
                    answer = client.get(f"{stage.urls[0]}/v1/jobs/{id}", headers={"Prefer": "wait=10"})
                    if answer.status_code == 200 and answer.json()["state"] in ENDED:
                        ended[id] = answer.json()
    return ended


def _count(stage: Scene, accepted: dict[str, str], ended: dict[str, dict[str, Any]], tally: Tally) -> None:
    endings: Counter[str] = Counter()
    for log in stage.logs:
        for line in log.read_text(errors="replace").splitlines():
            with suppress(ValueError):
                entry = json.loads(line)
                if entry.get("event") == "job" and entry["state"] in ENDED:
                    endings[entry["job"]] += 1
    judged = Counter() if stage.real else Counter((stage.state / LOG).read_text().split())
    tally.accepted, tally.ended = len(accepted), len(ended)
    tally.lost = len(accepted) - len(ended)
    tally.doubled = sum(endings[id] > 1 for id in accepted)
    tally.failed = sum(job["state"] != "done" for job in ended.values())
    tally.mixed = sum(
        job["state"] == "done" and job["result"]["id"] != accepted[id] for id, job in ended.items()
    )
    tally.judged_again = sum(judged[digest] > 1 for digest in accepted.values())
    if stage.real:
        tally.judged_again = sum(job["attempts"] > 1 for job in ended.values())


def main() -> int:
    options_of = parser(__doc__ or "")
    options_of.add_argument("--jobs", type=int, default=1000, help="in each round")
    options_of.add_argument("--minutes", type=float, default=1.0, help="of killing, in each round")
    options_of.add_argument("--seed", type=int, default=1)
    options_of.add_argument(
        "--real", type=int, metavar="JOBS", help="a round of so many before TorchServe, too"
    )
    options = options_of.parse_args()
    places = [(1, False, options.jobs, False)]
    if reason := missing():
        print(f"without PostgreSQL: {reason}")
    else:
        places.append((2, True, options.jobs, False))
    if options.real:
        places.append((1, False, options.real, True))
    tallies: list[Tally] = []
    for gateways, postgres, jobs, real in places:
        tallies.append(
            round_of(
                gateways=gateways,
                postgres=postgres,
                jobs=jobs,
                kill_s=options.minutes * 60,
                seed=options.seed,
                real=real,
            )
        )
        if options.json:  # what a round has found is kept, whatever becomes of the next
            write_json(options.json, {"machine": machine(), "rounds": [asdict(tally) for tally in tallies]})
    columns = ["", "accepted", "ended", "lost", "doubled", "mixed", "failed", "judged again", "kills", "s"]
    rows = [
        [
            t.place,
            t.accepted,
            t.ended,
            t.lost,
            t.doubled,
            t.mixed,
            t.failed,
            t.judged_again,
            sum(t.kills.values()),
            t.seconds,
        ]
        for t in tallies
    ]
    print_table("Jobs while processes are killed", columns, rows)
    return 0 if all(tally.kept_its_word for tally in tallies) else 1


if __name__ == "__main__":
    sys.exit(main())
