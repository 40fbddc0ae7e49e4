"""Make the checkpoints that ship anew: the commands that their cards name, one after another.

    python -m training.reproduce
    python -m training.reproduce --only face scoring
    python -m training.reproduce --scale 0.01 --output-dir /tmp/rehearsal

A command that ended well leaves a note, so an interrupted chain goes on with the one that was interrupted,
and that one from where it was if it can. Networks of parts that are not made are those of ``--checkpoints``,
which are never written to. ``--scale`` rehearses the chain in a folder of its own: fewer videos, minutes and
steps, and networks that fit together and are good for nothing. Minutes are those of a graphics card, but for
the last of the face network: a processor wants more of them, a scale above 1.
"""

from __future__ import annotations

import argparse
import csv
import os
import shlex
import shutil
import subprocess
import sys
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from training.clips import is_held_out
from training.preparation.sources import listed
from training.regressors import RegressorTraining

ROOT = Path(__file__).parents[1]
CLIPS, SYNC, FACE, DEBLUR, SCORING = PARTS = ("clips", "sync", "face", "deblur", "scoring")
FEWEST = 12  # videos of one split and label that a rehearsal keeps, and of those held out
NEWS_ANCHORS = "LRW-AR / LRC-AR (Al Jazeera Arabic news anchors)=0.875"  # frames late as a whole
# What the cards of both networks found best; their sizes and times are in the commands below.
SYNC_RECIPE = shlex.split(
    "--steps 100000 --blocks 5 --rate 1.5e-3 --dropout 0.2 --every 600 --patience 99 --seed 7"
)
DEBLUR_RECIPE = shlex.split("--rate 2e-3 --seed 12 --widths 40 64 96 128")


@dataclass(frozen=True)
class Command:
    """A module with its arguments, and the file it leaves that is a checkpoint."""

    part: str
    module: str
    arguments: tuple[str, ...]
    leaves: Path | None = None

    @property
    def line(self) -> str:
        return shlex.join(["python", "-m", self.module, *self.arguments])


@dataclass(frozen=True)
class Plan:
    """Where everything lies, and how much of it is done."""

    output: Path
    videos: Path
    clips: Path | None  # prepared already
    checkpoints: Path  # of parts that are not made
    parts: frozenset[str]
    scale: float
    workers: int

    @property
    def prepared(self) -> Path:
        return self.clips or self.output / "clips"

    def made(self, part: str) -> Path:
        return self.output / f"{part}.safetensors"

    def network(self, part: str) -> Path:
        """The network of a part that others build on."""
        there = part in self.parts or self.made(part).exists()
        return self.made(part) if there else self.checkpoints / f"{part}.safetensors"

    def minutes(self, whole: float) -> str:
        return f"{whole * self.scale:g}"

    def count(self, whole: int, least: int) -> str:
        """Steps or clips: no more than ship, however long a run, and in a rehearsal enough to work at all."""
        return str(max(least, min(whole, round(whole * self.scale))))

    def commands(self) -> Iterator[Command]:
        """Everything that is to be done, in order."""
        makers = {
            CLIPS: self._clips,
            SYNC: self._sync,
            FACE: self._face,
            DEBLUR: self._deblur,
            SCORING: self._scoring,
        }
        for part, make in makers.items():
            if part in self.parts:
                for module, arguments, leaves in make():
                    yield Command(part, f"training.{module}", tuple(map(str, arguments)), leaves)

    def _clips(self) -> Iterator[tuple[str, list[object], Path | None]]:
        to: list[object] = ["--output-dir", self.prepared]
        list_of = self.videos if self.scale >= 1 else self.output / "videos.csv"
        network = self.checkpoints / "sync.safetensors"  # the rule beside the code belongs to it
        yield "prepare", ["--list", list_of, *to, "--workers", self.workers], None
        yield "prepare", [*to, "--set-late", NEWS_ANCHORS], None
        yield "prepare", [*to, "--check", network, "--workers", self.workers], None

    def _sync(self) -> Iterator[tuple[str, list[object], Path | None]]:
        pack, run = self.output / "packed" / "mouths", self.output / "runs" / SYNC
        yield "packed", ["--clips", self.prepared, "--output-dir", pack], None
        sizes = ["--batch", self.count(96, 4), "--first-phase", self.count(300, 1)]
        learn = ["--packed", pack, *SYNC_RECIPE, *sizes, "--minutes", self.minutes(8), "--run-dir", run]
        yield "sync", learn, run / "best.safetensors"

    def _face(self) -> Iterator[tuple[str, list[object], Path | None]]:
        pack, runs = self.output / "packed" / "faces", self.output / "runs"
        yield "packed", ["--clips", self.prepared, "--faces", "--output-dir", pack], None
        common = ["--packed", pack, "--workers", self.workers]
        moved, looked = runs / FACE, runs / "face_detail"
        fronts = ["--front", self.network(SYNC), "--minutes", self.minutes(7), "--run-dir", moved]
        yield "face_network", [*common, *fronts], None
        onward = ["--networks", moved / "networks.safetensors", "--minutes", self.minutes(75)]
        yield "face_detail", [*common, *onward, "--run-dir", looked], None
        whole = ["--networks", looked / "networks.safetensors", "--output", self.made(FACE)]
        measured = ["--faces", self.output / "faces", "--workers", self.workers]
        yield "face", ["--clips", self.prepared, *measured, *whole], self.made(FACE)

    def _deblur(self) -> Iterator[tuple[str, list[object], Path | None]]:
        pack, run = self.output / "packed" / "frames.safetensors", self.output / "runs" / DEBLUR
        yield "frame_pack", ["--clips", self.prepared, "--output", pack], None
        learn = ["--pack", pack, *DEBLUR_RECIPE, "--batch", self.count(48, 2), "--run-dir", run]
        yield "deblur", [*learn, "--minutes", self.minutes(6.5)], run / "best.safetensors"

    def _scoring(self) -> Iterator[tuple[str, list[object], Path | None]]:
        networks = ["--sync", self.network(SYNC), "--face", self.network(FACE)]
        steps = ["--steps", self.count(RegressorTraining.steps, 10), "--workers", self.workers]
        written = ["--output", self.made(SCORING)]
        yield "regressors", ["--clips", self.prepared, *networks, *steps, *written], self.made(SCORING)


def reproduce(plan: Plan) -> None:
    """Run what was not run yet; raises :class:`subprocess.CalledProcessError` where a command fails."""
    notes = plan.output / "done"
    notes.mkdir(parents=True, exist_ok=True)
    counted = Counter[str]()
    if CLIPS in plan.parts and plan.scale < 1:
        write_some(plan.videos, plan.output / "videos.csv", plan.scale)
    for command in plan.commands():
        counted[command.part] += 1
        note = notes / f"{command.part}-{counted[command.part]}"
        if done(command, note):
            print(f"done before: {command.line}", flush=True)
            continue
        print(command.line, flush=True)
        environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
        words = [sys.executable, "-m", command.module, *command.arguments]
        subprocess.run(words, check=True, env=environment)
        if command.leaves not in (None, plan.made(command.part)):
            shutil.copyfile(command.leaves, plan.made(command.part))
        note.write_text(command.line)


def done(command: Command, note: Path) -> bool:
    """Whether this command ended well, and no file that it reads was made anew since."""
    if not note.exists() or note.read_text() != command.line:
        return False
    files = [Path(word) for word in command.arguments if Path(word).is_file()]
    return all(file.stat().st_mtime <= note.stat().st_mtime for file in files)


def write_some(videos: Path, to: Path, scale: float) -> None:
    """A list of some of the videos to learn from and to choose by, spread over each split and label.

    Those kept from the synchronisation network are a kind of their own: the regressors need some.
    """
    if to.exists():
        return
    with videos.open(newline="") as file:
        rows = list(csv.DictReader(file))
    groups = defaultdict[tuple[str, str, bool], list[dict[str, str]]](list)
    for row, video in zip(rows, listed(videos), strict=True):
        if video.split != "test":
            kept_apart = video.split == "train" and is_held_out(video.file)
            groups[video.split, video.label, kept_apart].append(row | {"file": str(video.path.resolve())})
    with to.open("w", newline="") as file:
        table = csv.DictWriter(file, rows[0].keys())
        table.writeheader()
        for group in groups.values():
            kept = min(len(group), max(FEWEST, round(len(group) * scale)))
            for place in range(kept):
                table.writerow(group[place * len(group) // kept])


def parse(arguments: Sequence[str] | None) -> Plan:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--output-dir", type=Path, default=Path("runs/shipped"))
    parser.add_argument("--videos", type=Path, default=ROOT / "../shared/clips/clips.csv", help="a CSV")
    parser.add_argument("--clips", type=Path, help="what training.prepare wrote, instead of --videos")
    parser.add_argument("--checkpoints", type=Path, default=Path("checkpoints"))
    parser.add_argument("--only", nargs="+", choices=PARTS[1:], default=list(PARTS[1:]), metavar="PART")
    parser.add_argument("--scale", type=float, default=1.0, help="share of all videos, minutes and steps")
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1, help="processes")
    chosen = parser.parse_args(arguments)
    parts = frozenset(chosen.only) | (set() if chosen.clips else {CLIPS})
    output = chosen.output_dir
    if output.resolve() == chosen.checkpoints.resolve():
        parser.error("what is made goes into a folder of its own, not over the checkpoints it starts from")
    return Plan(output, chosen.videos, chosen.clips, chosen.checkpoints, parts, chosen.scale, chosen.workers)


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line; returns the exit status, that of the command that failed."""
    plan = parse(arguments)
    try:
        reproduce(plan)
    except subprocess.CalledProcessError as error:
        print(f"stopped: {shlex.join(error.cmd[1:])}; the same command goes on from here", file=sys.stderr)
        return int(error.returncode)
    made = ", ".join(str(plan.made(part)) for part in PARTS[1:] if part in plan.parts)
    print(f"written: {made}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
