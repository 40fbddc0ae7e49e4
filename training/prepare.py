"""Videos → clips of face crops and sound, the same format that flows between the served nodes.

    python -m training.prepare --list ../shared/clips/clips.csv --output-dir .cache/clips
    python -m training.prepare --folder my_videos --split train --output-dir .cache/clips

Resumable: what is done is skipped. ``manifest.jsonl`` has a line for each clip, ``skipped.jsonl`` one for
each video that could not be used, with the reason.
"""

from __future__ import annotations

import argparse
import csv
import hashlib
import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from outofsync.clip import Clip, Track
from outofsync.errors import OutOfSyncError
from outofsync.faces import RetinaFaceDetector
from outofsync.limits import Limits
from outofsync.options import Options
from outofsync.preparation import prepare

VIDEO_SUFFIXES = {".mp4", ".mov", ".mkv", ".webm", ".avi", ".mpg", ".mpeg", ".m4v"}


@dataclass(frozen=True)
class Source:
    """One video and what is known about it."""

    path: Path
    split: str
    label: str = "real"
    generator: str = ""
    identity: str = ""
    source: str = ""


def listed(table: Path) -> Iterator[Source]:
    """Videos named in a CSV with the columns file, split, label, generator, identity, source."""
    with table.open(newline="") as file:
        for row in csv.DictReader(file):
            path = table.parent / row["file"]
            yield Source(path, row["split"], row["label"], row["generator"], row["identity"], row["source"])


def in_folder(folder: Path, split: str) -> Iterator[Source]:
    """Every video below a folder, taken to be real; its own folder names the identity."""
    for path in sorted(folder.rglob("*")):
        if path.suffix.lower() in VIDEO_SUFFIXES:
            yield Source(path, split, identity=path.parent.name, source=folder.name)


def largest_track(clip: Clip) -> Track | None:
    """The face that fills most of the video: in the sources used here, the speaker."""
    if not clip.tracks:
        return None
    return max(clip.tracks, key=lambda track: float(((track.boxes[:, 2] - track.boxes[:, 0]) ** 2).sum()))


class UnusableError(Exception):
    """A readable video that is no use for training."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


class Preparation:
    """Writes clips below ``output`` and keeps the two ledgers."""

    def __init__(self, output: Path) -> None:
        self._output = output
        self._detector = RetinaFaceDetector()
        self._manifest = output / "manifest.jsonl"
        self._skipped = output / "skipped.jsonl"
        output.mkdir(parents=True, exist_ok=True)
        self._done = {
            entry["file"] for ledger in (self._manifest, self._skipped) for entry in read_ledger(ledger)
        }

    def run(self, sources: Iterator[Source]) -> tuple[int, int]:
        """Prepare every source not yet done; returns how many were written and skipped."""
        written = skipped = 0
        for source in sources:
            name = f"{source.path.parent.name}/{source.path.name}"
            if name in self._done:
                continue
            facts = {key: value for key, value in asdict(source).items() if key != "path"} | {"file": name}
            try:
                facts |= self._write(source.path)
            except (OutOfSyncError, UnusableError) as error:
                _append(self._skipped, facts | {"code": str(error.code), "message": error.message})
                skipped += 1
                continue
            _append(self._manifest, facts)
            written += 1
            if written % 100 == 0:
                print(f"{written} clips written, {skipped} skipped", flush=True)
        return written, skipped

    def _write(self, path: Path) -> dict[str, Any]:
        data = path.read_bytes()
        clip = prepare(data, Options(deblur="never"), Limits(), self._detector)
        track = largest_track(clip)
        if track is None:
            raise UnusableError("no_face", "no face stays in view")
        clip.tracks = [track]
        stem = hashlib.sha256(data).hexdigest()[:16]
        (self._output / f"{stem}.clip").write_bytes(clip.to_bytes())
        height = float((track.boxes[:, 3] - track.boxes[:, 1]).mean())
        return {"clip": f"{stem}.clip", "frames": len(track.frames), "face_px": round(height, 1)}


def read_ledger(path: Path) -> list[dict[str, Any]]:
    """The lines of a JSON-lines file; an absent file has none."""
    if not path.exists():
        return []
    return [json.loads(line) for line in path.read_text().splitlines()]


def _append(path: Path, entry: dict[str, Any]) -> None:
    with path.open("a") as file:
        file.write(json.dumps(entry) + "\n")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--list", type=Path, help="a CSV of videos")
    parser.add_argument("--folder", type=Path, help="a folder of real videos")
    parser.add_argument("--split", default="train", help="the split of --folder's videos")
    parser.add_argument(
        "--only", nargs="*", default=[], help="of --list, only these split/label pairs, e.g. train/real"
    )
    parser.add_argument("--output-dir", type=Path, default=Path(".cache/clips"))
    arguments = parser.parse_args()
    if (arguments.list is None) == (arguments.folder is None):
        parser.error("give either --list or --folder")
    sources = listed(arguments.list) if arguments.list else in_folder(arguments.folder, arguments.split)
    if arguments.only:
        wanted = set(arguments.only)
        sources = (source for source in sources if f"{source.split}/{source.label}" in wanted)
    written, skipped = Preparation(arguments.output_dir).run(sources)
    print(f"{written} clips written, {skipped} skipped; ledgers in {arguments.output_dir}")


if __name__ == "__main__":
    main()
