"""Carry what was measured to a million videos and to a hundred million: ``docs/scale.md`` is made of it.

    python -m benchmarks.scale              write the page's tables anew
    python -m benchmarks.scale --measure    measure the driver's own part first, in a minute

What a catalogue takes is in ``measured/cluster.json`` (``make bench BENCH=cluster``), a long video in
``measured/length.json``, and the driver for each row in ``measured/driver.json``.
"""

from __future__ import annotations

import argparse
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.report import write_json
from outofsync_cluster.blocks import BLOCK_ITEMS
from outofsync_cluster.rows import TABLES
from outofsync_cluster.run import PART_ROWS, PART_S, leg_items

ROOT = Path(__file__).resolve().parent.parent
MEASURED = ROOT / "benchmarks" / "measured"
PAGE = ROOT / "docs" / "scale.md"
MARKS = re.compile(r"(<!-- begin (?P<name>\w+) -->\n).*?(<!-- end -->)", re.DOTALL)

SIZES = (1_000_000, 100_000_000)
VIDEO_S = 30.0
WEEK_S = 7 * 86_400.0
NODE_CORES = 16
FILES_OF_A_PART = 1 + len(TABLES)
REQUESTS_OF_A_FILE = 3  # begin, content, end: how Arrow writes to object storage
REQUESTS_OF_A_VIDEO = 2  # its size, its content (tests/unit/cluster/test_places.py)
LISTED_AT_ONCE = 1000
READ_PRICE, WRITE_PRICE = 0.0004 / 1000, 0.005 / 1000  # dollars; lists are priced as writes
CORE_HOUR_PRICE = 0.04


@dataclass(frozen=True)
class Measured:
    """Of one video of VIDEO_S, and of the driver for each."""

    core_s: float
    video_bytes: float
    result_bytes: float
    start_s: float  # of a run's actors
    driver_s: float
    driver_bytes: float
    engine_bytes: float
    clips: int  # that the figures of a catalogue are of

    @classmethod
    def read(cls, folder: Path = MEASURED) -> Measured:
        """From the files of the benchmarks."""
        catalogue, lengths, driver = (
            json.loads((folder / f"{name}.json").read_text())["results"]
            for name in ("cluster", "length", "driver")
        )
        run, short, long = catalogue["one"], lengths[0], lengths[-1]
        cores = json.loads((folder / "length.json").read_text())["machine"]["cores"]
        second = cores * (long["latency_s"] - short["latency_s"]) / (long["clip_s"] - short["clip_s"])
        clip_core_s = run["cpu_s"] / run["videos"]
        return cls(
            core_s=clip_core_s + second * (VIDEO_S - catalogue["clip_s"]),
            video_bytes=VIDEO_S * 1e6 * long["upload_mb"] / long["clip_s"],
            result_bytes=catalogue["two"]["bytes_written"] / catalogue["two"]["videos"],
            start_s=run["seconds"] - run["videos"] / run["steady_videos_per_s"],
            driver_s=driver["s_per_video"],
            driver_bytes=driver["bytes_per_video"],
            engine_bytes=run["peak_bytes"],
            clips=catalogue["clips"],
        )


@dataclass(frozen=True)
class Scale:
    """A catalogue of so many videos that is to be scored within a week."""

    videos: int
    of: Measured

    @property
    def core_s(self) -> float:
        return self.videos * self.of.core_s

    @property
    def cores(self) -> float:
        return self.core_s / WEEK_S

    @property
    def parts(self) -> float:
        """A part is written when it is full, or after a while."""
        return max(self.videos / PART_ROWS, WEEK_S / PART_S)

    @property
    def reads(self) -> float:
        return self.videos * REQUESTS_OF_A_VIDEO

    @property
    def writes(self) -> float:
        return self.parts * FILES_OF_A_PART * REQUESTS_OF_A_FILE + self.videos / LISTED_AT_ONCE

    @property
    def rows(self) -> list[tuple[str, str]]:
        """What the page says of it."""
        a_second = self.videos / WEEK_S
        leg_s = leg_items(round(self.cores)) * self.of.core_s / self.cores
        return [
            ("hours of video", _number(self.videos * VIDEO_S / 3600)),
            ("core-hours", _number(self.core_s / 3600)),
            ("cores for a week", _number(self.cores)),
            (f"nodes of {NODE_CORES} cores", _number(-(-self.cores // NODE_CORES))),
            ("price of the cores", f"${_number(self.core_s / 3600 * CORE_HOUR_PRICE)}"),
            ("read from storage", _bytes(self.videos * self.of.video_bytes)),
            ("at a rate of", f"{_bytes(a_second * self.of.video_bytes)} a second"),
            ("reading requests", _number(self.reads)),
            ("writing and listing requests", _number(self.writes)),
            ("price of the requests", f"${_number(self.reads * READ_PRICE + self.writes * WRITE_PRICE)}"),
            ("written", _bytes(self.videos * self.of.result_bytes)),
            ("parts", _number(self.parts)),
            ("rows of a part", _number(self.videos / self.parts)),
            ("a part's size", _bytes(self.videos / self.parts * self.of.result_bytes)),
            ("blocks that Ray hands out", f"{_number(a_second / BLOCK_ITEMS)} a second"),
            ("the driver's work", f"{_number(100 * a_second * self.of.driver_s)} % of a core"),
            ("the driver's memory", _bytes(self.videos * self.of.driver_bytes)),
            (
                "a leg's beginning, of its time",
                f"{_number(100 * self.of.start_s / (self.of.start_s + leg_s))} %",
            ),
        ]


def tables(measured: Measured) -> dict[str, str]:
    """The page's tables, by the names of their marks."""
    scales = [Scale(videos, measured) for videos in SIZES]
    header = ["", *(f"{_number(scale.videos)} videos" for scale in scales)]
    columns = [dict(scale.rows) for scale in scales]
    one = [
        ("a core's time", f"{measured.core_s:.1f} s"),
        ("its size", _bytes(measured.video_bytes)),
        ("its results", _bytes(measured.result_bytes)),
        ("the driver's time", f"{1000 * measured.driver_s:.2f} ms"),
        ("the driver's memory", f"{measured.driver_bytes:.0f} bytes"),
        ("memory of an engine", _bytes(measured.engine_bytes)),
        ("clips of the catalogue that was measured", _number(measured.clips)),
    ]
    return {
        "measured": _table([f"one video of {VIDEO_S:.0f} seconds", ""], one),
        "scales": _table(header, [(name, *(column[name] for column in columns)) for name in columns[0]]),
    }


def page(text: str, made: dict[str, str]) -> str:
    """A page with its tables put between their marks."""
    return MARKS.sub(lambda found: found[1] + made[found["name"]] + found[3], text)


def _table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [header, ["---", *["---:"] * (len(header) - 1)], *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def _number(value: float) -> str:
    """Three figures, with words for the large ones."""
    for unit, name in ((1e9, " billion"), (1e6, " million")):
        if value >= unit:
            return f"{value / unit:.3g}{name}"
    return f"{round(value, 3 - len(str(int(value)))):,.0f}" if value >= 100 else f"{value:.2g}"


def _bytes(value: float) -> str:
    for unit, name in ((1e15, "PB"), (1e12, "TB"), (1e9, "GB"), (1e6, "MB"), (1e3, "kB")):
        if value >= unit:
            return f"{value / unit:.3g} {name}"
    return f"{value:.0f} B"


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description="Carry what was measured to millions of videos.")
    parser.add_argument("--measure", action="store_true", help="measure the driver's own part first")
    chosen = parser.parse_args(arguments)
    if chosen.measure:
        from benchmarks.driver import measured_driver

        write_json(MEASURED / "driver.json", measured_driver())
    made: dict[str, Any] = tables(Measured.read())
    PAGE.write_text(page(PAGE.read_text(), made))
    print("\n".join(made.values()))


if __name__ == "__main__":
    main()
