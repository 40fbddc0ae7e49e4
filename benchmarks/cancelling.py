"""How soon a worker is free once its job is cancelled: ``make bench BENCH=cancelling [ARGS="--seconds 60"]``.

A job of a video, every frame of it restored, is cancelled as soon as the server says that it is at a step,
and at some share of it. Printed is how long it takes, from the caller's DELETE, until no worker is at
anything.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import httpx

from benchmarks.footage import stored
from benchmarks.jobs_cost import gateway
from benchmarks.report import parser, print_table, write_json
from benchmarks.server import served_from
from outofsync.progress import FILE_BYTES, Step, parse
from outofsync_client.protocol import PROGRESS_FOLDER
from serving.state import StateFolder
from serving.torchserve.draining import is_at_work

GOAL_S = 2.0
LOOK_S = 0.002
SHARES = (0.0, 0.6)
OPTIONS = '{"deblur": "always"}'


def stage_of(state: Path) -> tuple[str, float]:
    """What the server is at with the request that it told of last, and how much of that is done."""
    found = []
    for path in (state / PROGRESS_FOLDER).iterdir():
        with suppress(OSError):
            found.append((path.stat().st_mtime_ns, parse(path.read_bytes()[:FILE_BYTES])))
    told = [one for _, one in sorted(found, key=lambda pair: pair[0]) if one is not None]
    return (told[-1][0], told[-1][1] or 0.0) if told else ("", 0.0)


def seconds_until_free(url: str, state: Path, video: bytes, step: Step, share: float) -> float | None:
    """From the DELETE on; None where the job was through the step before anybody could look."""
    folder = StateFolder(state)
    form = {"data": ("video", video), "options": (None, OPTIONS.encode())}
    with httpx.Client(base_url=url, timeout=120, trust_env=False) as client:
        place = client.post("/v1/jobs?fresh=true", files=form).raise_for_status().headers["Location"]
        while (now := stage_of(state))[0] != step or now[1] < share:
            if client.get(place).json()["ended"] or (
                now[0] and list(Step).index(Step(now[0])) > list(Step).index(step)
            ):
                client.delete(place)
                return None
            time.sleep(LOOK_S)
        start = time.perf_counter()
        client.delete(place).raise_for_status()
        while is_at_work(folder.temporary_link):
            time.sleep(LOOK_S)
        return time.perf_counter() - start


def main(arguments: Sequence[str] | None = None) -> int:
    options_of = parser(__doc__ or "")
    options_of.add_argument("--seconds", type=float, default=60.0, help="length of the video")
    options = options_of.parse_args(arguments)
    video = stored(options.seconds).read_bytes()
    rows: list[list[object]] = []
    with served_from() as (state, _), gateway(state) as url:
        for step in Step:
            for share in SHARES if step is not Step.DECODE else SHARES[:1]:
                seconds = seconds_until_free(url, state, video, step, share)
                rows.append([step, share, seconds])
                print(
                    f"{step} at {share:.0%}: {'missed' if seconds is None else f'{seconds:.2f} s'}",
                    flush=True,
                )
    print_table(
        f"A job of {options.seconds:g} s is cancelled (goal {GOAL_S:g} s)",
        ["step", "share", "free after s"],
        rows,
    )
    write_json(options.json, [dict(zip(("step", "share", "seconds"), row, strict=True)) for row in rows])
    return 0


if __name__ == "__main__":
    sys.exit(main())
