"""How far the answer moves where a video is only written in another way (:mod:`benchmarks.alterations`).

    python -m benchmarks.drift [--clips 20] [--processes 2] [--shared ../shared] [--json FILE]

Every clip is written in every way and judged. What is known is kept, so that a run that is cut off goes on
where it was, and a change of the engine, of the weights or of how videos are written asks for all of it anew.
"""

from __future__ import annotations

import csv
import hashlib
import inspect
import json
import sys
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from functools import lru_cache
from importlib.metadata import version
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import alterations
from benchmarks.alterations import ALTERATIONS, QUALITY, UNCHANGED, Alteration, written
from benchmarks.engine import CHECKPOINTS
from benchmarks.judge import Judge
from benchmarks.load import ROOT
from benchmarks.report import median, parser, print_table, write_json
from outofsync.constants import FRAME_RATE
from training.evaluation import degradations
from training.evaluation.degradations import Footage, read_footage

SECONDS = 5.0  # of each clip
SHORTEST_S = 5.0  # of the clips that are taken
MEDIAN_MOST, LARGEST_MOST = 0.02, 0.10  # change of the probability
UNFIT = 0.5  # of the synchrony part, from which on another voice is likelier
KEPT = ROOT / ".cache" / "drift.jsonl"
LIBRARIES = ("av", "numpy", "onnxruntime", "opencv-python", "torch")


@dataclass(frozen=True)
class Answer:
    """What came of one clip, written in one way."""

    said: str  # the verdict, or the error's code
    probability: float | None = None
    offset: int | None = None
    parts: dict[str, float] | None = None  # probability by each part of the calibration alone

    @property
    def fits(self) -> bool:
        """Whether lips and voice fit at the offset; where they fit nowhere, the best of all is chance."""
        return self.parts is not None and self.parts["synchrony"] < UNFIT

    @classmethod
    def of(cls, result: dict[str, Any]) -> Answer:
        if "error" in result:
            return cls(result["error"]["code"])
        return cls(
            result["verdict"],
            result["probability_fake"],
            result["offset_frames"],
            result.get("parts") or None,
        )


@dataclass(frozen=True)
class Row:
    """One way of writing, over all clips that are judged when they are only coded again."""

    what: str
    changes: tuple[float, ...]  # of the probability
    offset_moved: int  # where lips and voice fit
    not_judged: int

    @property
    def median(self) -> float | None:
        return round(median(self.changes), 4) if self.changes else None

    @property
    def largest(self) -> float | None:
        return round(max(self.changes), 4) if self.changes else None

    @property
    def within(self) -> bool:
        return (
            bool(self.changes)
            and median(self.changes) <= MEDIAN_MOST
            and max(self.changes) <= LARGEST_MOST
            and not self.offset_moved + self.not_judged
        )

    def to_dict(self) -> dict[str, Any]:
        return {
            "what": self.what,
            "clips": len(self.changes),
            "median": self.median,
            "largest": self.largest,
            "offset_moved": self.offset_moved,
            "not_judged": self.not_judged,
            "within": self.within,
        }


Asked = tuple[Path, Alteration]  # a clip, and how it is written


class Drift:
    """Judges clips written in every way, each once for all runs."""

    def __init__(self, checkpoints: Path, kept: Path = KEPT) -> None:
        """``kept`` is a file of what is known, made where it is missing."""
        self._checkpoints = checkpoints
        self._kept = kept
        self._state = _state_of(checkpoints)

    def answers(self, clips: Sequence[Path], processes: int = 1) -> dict[Asked, Answer]:
        """The answer to every clip in every way, from what is known or from processes that judge."""
        known = self._known()
        asked = [(clip, how) for clip in clips for how in (UNCHANGED, *ALTERATIONS)]
        keys = {one: self._key(*one) for one in asked}
        missing = [one for one in asked if keys[one] not in known]
        self._kept.parent.mkdir(parents=True, exist_ok=True)
        with self._kept.open("a", encoding="utf-8") as file:
            file.write("\n")  # what a run that was cut off wrote last may lack its end
            for number, (one, answer) in enumerate(self._judged(missing, processes), start=1):
                known[keys[one]] = answer
                entry = {"key": keys[one], "clip": one[0].name, "what": one[1].name, **asdict(answer)}
                file.write(json.dumps(entry) + "\n")
                file.flush()
                if number % len(ALTERATIONS) == 0:
                    print(f"drift: {number} of {len(missing)}", file=sys.stderr, flush=True)
        return {one: known[key] for one, key in keys.items()}

    def rows(self, clips: Sequence[Path], processes: int = 1) -> list[Row]:
        """A row for each way."""
        return rows_of(self.answers(clips, processes))

    def _known(self) -> dict[str, Answer]:
        if not self._kept.is_file():
            return {}
        found = {}
        for line in self._kept.read_text(encoding="utf-8").splitlines():
            try:
                entry = json.loads(line)
            except ValueError:
                continue  # empty, or cut off in the middle
            names = Answer.__dataclass_fields__
            found[entry["key"]] = Answer(**{name: entry[name] for name in names})
        return found

    def _key(self, clip: Path, how: Alteration) -> str:
        values = {name: getattr(value, "__name__", value) for name, value in vars(how).items()}
        return _sum(self._state, _digest(clip), repr(values), repr(QUALITY[how.video]), repr(SECONDS))

    def _judged(self, asked: Sequence[Asked], processes: int) -> Iterator[tuple[Asked, Answer]]:
        if not asked:
            return
        context = get_context("spawn")
        with context.Pool(min(processes, len(asked)), _begin, (self._checkpoints,)) as pool:
            yield from pool.imap_unordered(_judge, asked)


_own: list[Judge] = []  # of a process that judges


def _begin(checkpoints: Path) -> None:
    _own.append(Judge(checkpoints))


def _judge(asked: Asked) -> tuple[Asked, Answer]:
    clip, how = asked
    return asked, Answer.of(_own[0].result(written(_footage(clip), how)))


@lru_cache(maxsize=1)
def _footage(clip: Path) -> Footage:
    return on_grid(read_footage(clip.read_bytes(), SECONDS))


def on_grid(footage: Footage) -> Footage:
    """The same at 25 pictures a second, the nearest each: other rates then show the same pictures.

    From a video of 30 a second, 29.97 would show others than 25 does, which is no matter of reading.
    """
    times = np.array(footage.times)
    grid = [number / FRAME_RATE for number in range(int((times[-1] + 1e-6) * FRAME_RATE) + 1)]
    pictures = [footage.pictures[int(np.argmin(np.abs(times - time)))] for time in grid]
    return replace(footage, pictures=pictures, times=grid)


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _sum(*parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:24]


def _state_of(checkpoints: Path) -> str:
    """All that an answer depends on beside the clip and how it is written: programs, weights, libraries."""
    files = [
        *sorted((ROOT / "handlers" / "outofsync").rglob("*.py")),
        *sorted(checkpoints.glob("*.safetensors")),
    ]
    writing = [inspect.getsource(on_grid)]
    writing += [
        inspect.getsource(function)
        for module in (alterations, degradations)
        for _, function in inspect.getmembers(module, inspect.isfunction)
    ]
    return _sum(*map(_digest, files), *writing, *map(version, LIBRARIES))


def rows_of(answers: dict[Asked, Answer]) -> list[Row]:
    """Compare every way with the clip that is only coded again."""
    changes: dict[str, list[float]] = defaultdict(list)
    moved: dict[str, int] = defaultdict(int)
    lost: dict[str, int] = defaultdict(int)
    for (clip, how), answer in answers.items():
        base = answers[clip, UNCHANGED]
        if how == UNCHANGED or base.probability is None:
            continue
        if answer.probability is None:
            lost[how.name] += 1
            continue
        changes[how.name].append(abs(answer.probability - base.probability))
        moved[how.name] += base.fits and answer.offset != base.offset
    return [Row(how.name, tuple(changes[how.name]), moved[how.name], lost[how.name]) for how in ALTERATIONS]


def clips_of(shared: Path, most: int) -> list[Path]:
    """Our samples, then genuine and made clips of the split ``val`` in turn; ``test`` is not looked at.

    Sources and generators take turns, so that a few clips are of as many kinds as there are.
    """
    found = sorted((ROOT / "samples").glob("*.mp4"))
    listed = shared / "clips" / "clips.csv"
    if listed.is_file():
        with listed.open(encoding="utf-8") as stream:
            rows = [row for row in csv.DictReader(stream) if row["split"] == "val"]
        rows = [row for row in rows if float(row["seconds"] or 0) >= SHORTEST_S]
        real = _in_turn([row for row in rows if row["label"] == "real"], "source")
        made = _in_turn([row for row in rows if row["label"] == "fake"], "generator")
        found += [shared / "clips" / row["file"] for pair in zip(real, made, strict=False) for row in pair]
    return [path for path in found if path.is_file()][:most]


def _in_turn(rows: Sequence[dict[str, str]], kind: str) -> list[dict[str, str]]:
    """The first of each kind, then the second of each, and so on."""
    seen: dict[str, int] = defaultdict(int)
    ranked = []
    for row in rows:
        ranked.append((seen[row[kind]], row[kind], row))
        seen[row[kind]] += 1
    return [row for *_, row in sorted(ranked, key=lambda one: one[:2])]


def show(rows: Sequence[Row]) -> None:
    """Print the table."""
    print_table(
        f"what must not matter: offset the same, probability within {MEDIAN_MOST:g} (median) and "
        f"{LARGEST_MOST:g} (largest)",
        ("what changes", "clips", "median", "largest", "offset moved", "not judged", "within"),
        [
            (
                row.what,
                len(row.changes),
                row.median,
                row.largest,
                row.offset_moved,
                row.not_judged,
                "yes" if row.within else "NO",
            )
            for row in rows
        ],
    )


def main() -> int:
    words = parser((__doc__ or "").splitlines()[0])
    words.add_argument("--clips", type=int, default=20)
    words.add_argument("--processes", type=int, default=2, help="that judge")
    words.add_argument("--shared", type=Path, default=ROOT.parent / "shared")
    words.add_argument("--checkpoints", type=Path, default=CHECKPOINTS)
    words.add_argument("--kept", type=Path, default=KEPT, help="what is known already, and will be")
    chosen = words.parse_args()
    rows = Drift(chosen.checkpoints, chosen.kept).rows(
        clips_of(chosen.shared, chosen.clips), chosen.processes
    )
    show(rows)
    write_json(chosen.json, [row.to_dict() for row in rows])
    return 0 if all(row.within for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
