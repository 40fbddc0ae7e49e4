"""A long video across restarts: ``make bench BENCH=long_job [ARGS="--seconds 600 --postgres"]``.

A video is judged as a job by a server that is left alone. Then it is handed in again, and while it is
worked on the gateway is killed, the database stopped and started, TorchServe stopped and started as
``make stop`` and ``make serve`` do, and at last its Java and a worker are killed. Both results have to be the
same, but for their times.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from benchmarks.cancelling import stage_of
from benchmarks.footage import stored
from benchmarks.jobs_scene import Killable, gateway_words
from benchmarks.ports import free_port
from benchmarks.postgres import PostgresServer, missing, postgres_server
from benchmarks.real_server import RealServer
from benchmarks.report import parser, print_table, write_json
from outofsync.progress import Step

LOOK_S = 0.01
TIMES = ("timing_ms",)


@dataclass
class Scene:
    """A real server behind a gateway."""

    server: RealServer
    url: str
    gateway: Killable
    postgres: PostgresServer | None

    @property
    def state(self) -> Path:
        return self.server.state

    def restart_database(self) -> None:
        assert self.postgres is not None
        self.postgres.stop()
        self.postgres.start()


@dataclass
class Outcome:
    """What became of the video, left alone and not."""

    seconds: float = 0.0  # left alone
    disturbed_s: float = 0.0
    attempts: int = 0
    disturbances: list[str] = field(default_factory=list)  # what was done at which step
    same: bool = False


@contextmanager
def scene(store: Path | None, postgres: bool) -> Iterator[Scene]:
    """All of it, while the block lasts."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="outofsync-long-")))
        database = stack.enter_context(postgres_server()) if postgres else None
        server = RealServer(folder, store)
        stack.callback(server.end)
        server.start()
        port = free_port()
        gateway = Killable("gateway", gateway_words(server.state, port, database), folder / "gateway.log")
        stack.callback(gateway.end)
        yield Scene(server, f"http://127.0.0.1:{port}", gateway, database)


def across(seconds: float, *, postgres: bool, store: Path | None = None) -> Outcome:
    """Judge so much video twice, the second time with all that can be restarted restarted."""
    video, outcome = stored(seconds, 640, 480).read_bytes(), Outcome()
    with scene(store, postgres) as made:
        began = time.monotonic()
        alone = _ended(made, _handed_in(made, video))
        outcome.seconds = round(time.monotonic() - began, 1)
        plan: list[tuple[Step, float, str, Callable[[], object]]] = [
            (Step.FACES, 0.2, "the gateway is killed", made.gateway.kill),
            (Step.FACES, 0.5, "TorchServe is stopped and started", made.server.restart),
            (Step.COMPARE, 0.0, "Java is killed", made.server.kill_java),
            (Step.SCORE, 0.0, "a worker is killed", made.server.kill_worker),
        ]
        if postgres:
            plan.insert(1, (Step.FACES, 0.3, "the database is stopped and started", made.restart_database))
        began = time.monotonic()
        place = _handed_in(made, video)
        for step, share, words, disturb in plan:
            _reach(made, place, step, share)
            disturb()
            outcome.disturbances.append(f"{words} ({step})")
            print(f"{time.monotonic() - began:.0f} s: {words} at {step}", flush=True)
        found = _ended(made, place)
        outcome.disturbed_s = round(time.monotonic() - began, 1)
        outcome.attempts = found["attempts"]
        outcome.same = _without_times(found["result"]) == _without_times(alone["result"])
    return outcome


def _handed_in(made: Scene, video: bytes) -> str:
    while True:
        with suppress(httpx.TransportError):
            answer = httpx.post(f"{made.url}/v1/jobs?fresh=true", content=video, timeout=60, trust_env=False)
            if answer.status_code == 202:
                return str(answer.headers["Location"])
        time.sleep(LOOK_S)


def _asked(made: Scene, place: str) -> dict[str, Any] | None:
    """The job, None where nobody can be asked for now."""
    with suppress(httpx.TransportError):
        answer = httpx.get(made.url + place, timeout=60, trust_env=False)
        if answer.status_code == 200:
            values: dict[str, Any] = answer.json()
            return values
    return None


def _reach(made: Scene, place: str, step: Step, share: float) -> None:
    """Wait until the server is at a step, at which it may be for the second time."""
    while stage_of(made.state)[0] != step or stage_of(made.state)[1] < share:
        time.sleep(LOOK_S)
        job = _asked(made, place)
        if job is not None and job["ended"]:
            raise RuntimeError(f"the job was {job['state']} before {step}: {job['failure']}")


def _ended(made: Scene, place: str) -> dict[str, Any]:
    while (job := _asked(made, place)) is None or not job["ended"]:
        time.sleep(0.2)
    if job["state"] != "done":
        raise RuntimeError(f"the job is {job['state']}: {job['failure']}")
    return job


def _without_times(result: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in result.items() if name not in TIMES}


def main(arguments: Sequence[str] | None = None) -> int:
    options_of = parser(__doc__ or "")
    options_of.add_argument("--seconds", type=float, default=600.0, help="length of the video")
    options_of.add_argument("--postgres", action="store_true", help="with PostgreSQL, in place of SQLite")
    options = options_of.parse_args(arguments)
    if options.postgres and (reason := missing()):
        sys.exit(reason)
    outcome = across(options.seconds, postgres=options.postgres)
    rows: list[list[object]] = [
        ["left alone, s", outcome.seconds],
        ["disturbed, s", outcome.disturbed_s],
        ["attempts", outcome.attempts],
        ["results are the same", "yes" if outcome.same else "NO"],
    ]
    print_table(
        f"A video of {options.seconds:g} s across {len(outcome.disturbances)} restarts", ["", ""], rows
    )
    write_json(options.json, vars(outcome))
    return 0 if outcome.same else 1


if __name__ == "__main__":
    sys.exit(main())
