"""How right the time is that jobs say they still take: ``make bench BENCH=remaining [ARGS="--seconds 60"]``.

A job of a video goes through a gateway that has answered nothing before, and then once more. Whenever it says
something new, that is kept; once it has ended, what was said is compared with what was left. Printed are the
errors along the job, as shares of the time that was left, and what a frame took in each step: the figures in
gateway/pace.py are those of the first job.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from benchmarks.footage import stored
from benchmarks.jobs_cost import gateway
from benchmarks.report import parser, print_table, write_json
from benchmarks.server import served_from
from outofsync.progress import FILE_BYTES, Amount, Step, amounts_of
from outofsync_client.protocol import PROGRESS_FOLDER

LOOK_S = 0.5
TENTHS = 10
GOAL = 0.2  # of the time that is left, once a tenth has passed
SETTLED_S = 2.0  # before the end: less than that is told a look late


@dataclass(frozen=True)
class Said:
    """What a job said at a moment, in seconds from when it began."""

    at: float
    stage: str
    remaining_s: float | None
    segments: int


@dataclass
class Told:
    """All that one job said, and how long it took."""

    name: str
    said: list[Said] = field(default_factory=list)
    seconds: float = 0.0
    amounts: dict[Step, Amount] = field(default_factory=dict)

    def error(self, one: Said) -> float | None:
        """Of the time that was left, positive where too much was said; None where nothing was."""
        left = self.seconds - one.at
        return None if one.remaining_s is None else (one.remaining_s - left) / left

    def worst(self) -> float:
        """The largest error from the first tenth on; one where nothing was said."""
        judged = [one for one in self.said if 0.1 * self.seconds <= one.at < self.seconds - SETTLED_S]
        return max((1.0 if (e := self.error(one)) is None else abs(e) for one in judged), default=1.0)


def follow(url: str, state: Path, video: Path, options: str, name: str) -> Told:
    """Hand a video in, and keep what is said of it until its end; raises RuntimeError where it fails."""
    told = Told(name)
    with httpx.Client(base_url=url, timeout=60, trust_env=False) as client:
        form = {"data": ("video", video.read_bytes()), "options": (None, options.encode())}
        answer = client.post("/v1/jobs?fresh=true", files=form).raise_for_status()
        place, began = answer.headers["Location"], None
        while True:
            job: dict[str, Any] = client.get(place).raise_for_status().json()
            now = time.monotonic()
            if job["ended"]:
                break
            if job["state"] == "running":
                began = began or now
                stage = (job["progress"] or {}).get("stage", "")
                count = len(job.get("segments") or ())
                told.said.append(Said(now - began, stage, job["remaining_s"], count))
                told.amounts |= _amounts(state)
            time.sleep(LOOK_S)
        if job["state"] != "done" or began is None:
            raise RuntimeError(f"the job is {job['state']}: {job['failure']}")
        told.seconds = now - began
    return told


def _amounts(state: Path) -> dict[Step, Amount]:
    """What the server tells of the one request that it is at."""
    found: dict[Step, Amount] = {}
    for path in (state / PROGRESS_FOLDER).iterdir():
        with suppress(OSError):
            found |= amounts_of(path.read_bytes()[:FILE_BYTES])
    return found


def print_told(jobs: Sequence[Told]) -> None:
    """A row for each tenth of each job, and one for each step."""
    rows: list[list[object]] = []
    for told in jobs:
        for tenth in range(1, TENTHS):
            at = told.seconds * tenth / TENTHS
            one = min(told.said, key=lambda said: abs(said.at - at))
            error = told.error(one)
            words = None if error is None else f"{error:+.1%}"
            rows.append(
                [
                    told.name,
                    f"{tenth}/10",
                    one.stage,
                    one.remaining_s,
                    told.seconds - one.at,
                    words,
                    one.segments,
                ]
            )
    print_table(
        "What was said along the way", ["job", "", "stage", "said s", "left s", "error", "segments"], rows
    )
    costs = [
        [told.name, step, amount.done, amount.spent_s, 1000 * amount.spent_s / amount.done]
        for told in jobs
        for step, amount in told.amounts.items()
        if amount.done
    ]
    print_table("What steps took", ["job", "step", "frames", "s", "ms a frame"], costs)
    for told in jobs:
        worst = told.worst()
        print(f"{told.name}: {told.seconds:.0f} s; largest error after a tenth {worst:.1%} (goal {GOAL:.0%})")


def main(arguments: Sequence[str] | None = None) -> int:
    options_of = parser(__doc__ or "")
    options_of.add_argument("--seconds", type=float, default=600.0, help="length of the video")
    options_of.add_argument("--jobs", type=int, default=2, help="one after another")
    options_of.add_argument("--video", type=Path, help="this one instead")
    options_of.add_argument("--options", default="{}", help="of the job, as JSON")
    options = options_of.parse_args(arguments)
    video = options.video or stored(options.seconds)
    with served_from() as (state, _), gateway(state) as url:
        jobs = []
        for number in range(1, options.jobs + 1):
            jobs.append(follow(url, state, video, options.options, f"job {number}"))
            print(f"job {number}: {jobs[-1].seconds:.0f} s", flush=True)
    print_told(jobs)
    write_json(
        options.json,
        [
            {"seconds": told.seconds, "worst": told.worst(), "said": [vars(one) for one in told.said]}
            for told in jobs
        ],
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
