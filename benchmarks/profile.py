"""Where the time of one request goes: ten seconds of 720p through the server, stage by stage.

    python -m benchmarks.profile [--seconds 10] [--json FILE] [--picture FILE]

Stages are those of the result's ``timing_ms``, where the Python client tells upload from queueing. What they
leave of the latency that a client sees is the server: the answer's way back, and what no stage covers.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from matplotlib.figure import Figure

from benchmarks.footage import ROOT, stored
from benchmarks.report import median, parser, print_table, write_json
from benchmarks.server import served
from outofsync_client import Client, DeblurChoice
from serving.state import ServerState

CASES: dict[str, DeblurChoice] = {
    "blurry faces deblurred (auto)": "auto",
    "every face deblurred (always)": "always",
}
PICTURE = ROOT / "results" / "bench" / "profile.png"
OTHERS, REST = "other stages", "not accounted for"
# Ten colours that people who see colours otherwise tell apart, too (Paul Tol, muted).
COLOURS = (
    *("#332288", "#88CCEE", "#44AA99", "#117733", "#DDCC77"),
    *("#CC6677", "#AA4499", "#882255", "#999933", "#661100"),
)
OTHERS_COLOUR, REST_COLOUR = "#999999", "#DDDDDD"


@dataclass(frozen=True)
class Profile:
    """Median milliseconds of one case's requests."""

    case: str
    clip_s: float
    latency_ms: float
    stages_ms: dict[str, float]

    @property
    def parts(self) -> dict[str, float]:
        """Stages, the longest first, and the rest; below zero where stages overlap."""
        longest = sorted(self.stages_ms.items(), key=lambda stage: -stage[1])
        return {**dict(longest), REST: self.latency_ms - sum(self.stages_ms.values())}

    def shown(self, name: str, names: Sequence[str]) -> float:
        """A part's milliseconds in a picture that shows these stages one by one."""
        if name == OTHERS:
            return sum(ms for stage, ms in self.stages_ms.items() if stage not in names)
        return self.parts.get(name, 0.0)


def profile(state: ServerState, case: str, file: Path, clip_s: float, rounds: int) -> Profile:
    """One request after another, as the Python client makes them: it tells upload and queueing apart."""
    latencies_ms, timings = [], []
    with Client(state.url, token=state.token) as client:
        client.detect(file, deblur=CASES[case])  # the first is slower
        for _ in range(rounds):
            start = time.perf_counter()
            result = client.detect(file, deblur=CASES[case])
            latencies_ms.append(1e3 * (time.perf_counter() - start))
            timings.append(result.timing_ms)
    stages = {
        name: median([timing.get(name, 0.0) for timing in timings])
        for name in dict.fromkeys(name for timing in timings for name in timing)
    }
    return Profile(case, clip_s, median(latencies_ms), stages)


def print_profile(found: Profile) -> None:
    rows: list[list[object]] = [
        [name, f"{ms:.0f}", f"{ms / found.latency_ms:.1%}"] for name, ms in found.parts.items()
    ]
    rows.append(["a client waits", f"{found.latency_ms:.0f}", "100%"])
    print_table(found.case, ["stage", "ms", "share"], rows)
    print(f"{found.clip_s:g} s of video in {found.latency_ms / 1e3:.2f} s: {_speed(found):.1f} x real time")


def _speed(found: Profile) -> float:
    return 1e3 * found.clip_s / found.latency_ms


def longest(profiles: Sequence[Profile], count: int) -> list[str]:
    """The stages that take longest in any case, at most ``count``."""
    peaks = {name: 0.0 for found in profiles for name in found.stages_ms}
    for name in peaks:
        peaks[name] = max(found.stages_ms.get(name, 0.0) for found in profiles)
    return sorted(peaks, key=lambda name: -peaks[name])[:count]


def draw(profiles: Sequence[Profile], picture: Path) -> None:
    """A bar for each case, its stages side by side in one order and one colour each."""
    names = longest(profiles, len(COLOURS))
    colours = {**dict(zip(names, COLOURS, strict=False)), OTHERS: OTHERS_COLOUR, REST: REST_COLOUR}
    figure = Figure(figsize=(10, 1.9 + 0.9 * len(profiles)), layout="constrained")
    axes = figure.subplots()
    for row, found in enumerate(profiles):
        left = 0.0
        for name in colours:
            seconds = max(0.0, found.shown(name, names)) / 1e3
            label = name if row == 0 else None
            axes.barh(
                row, seconds, left=left, height=0.6, color=colours[name], label=label, edgecolor="white"
            )
            left += seconds
        axes.text(
            left, row, f"  {found.latency_ms / 1e3:.1f} s, {_speed(found):.1f} x real time", va="center"
        )
    axes.set_yticks(range(len(profiles)), [found.case for found in profiles])
    axes.invert_yaxis()
    axes.set_xlim(0.0, 1.3 * max(found.latency_ms for found in profiles) / 1e3)
    axes.set_xlabel(f"seconds for {profiles[0].clip_s:g} s of 720p")
    axes.spines[["top", "right"]].set_visible(False)
    figure.legend(loc="outside lower center", ncols=6, frameon=False)
    picture.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(picture, dpi=150)


def main(arguments: Sequence[str] | None = None) -> None:
    options = parser("Show where the time of one request goes.")
    options.add_argument("--picture", type=Path, help="default: beside the numbers, or in results/bench")
    options.add_argument("--seconds", type=float, default=10.0, help="length of the clip")
    options.add_argument("--rounds", type=int, default=5)
    chosen = options.parse_args(arguments)
    picture = chosen.picture or (chosen.json.with_suffix(".png") if chosen.json else PICTURE)
    file = stored(chosen.seconds)
    with served() as state:
        profiles = [profile(state, case, file, chosen.seconds, chosen.rounds) for case in CASES]
    for found in profiles:
        print_profile(found)
    draw(profiles, picture)
    print(f"\nbars: {picture}")
    write_json(chosen.json, [asdict(found) for found in profiles])


if __name__ == "__main__":
    main()
