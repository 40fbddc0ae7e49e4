"""Measure quality on people that no network was trained on.

    python -m benchmarks.quality --clips .cache/clips --output-dir results/quality

Prints tables and writes them as ``tables.md``, ``quality.json`` and pictures: ``figures`` (what a release is
held to, and the tables behind it), ``robustness`` (videos copied, compressed, re-timed or made quieter),
``deblurring`` and, where asked for, ``blur`` (detection in blurred videos, deblurred or not). ``val`` is for
choosing; ``test`` has to be named, and is looked at once. Splits that are not prepared yet are prepared
first, from the videos of ``--videos``.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from outofsync.checkpoints.store import Checkpoint
from outofsync.runner import PRECISIONS
from outofsync_cluster.errors import ClusterError
from outofsync_cluster.layouts import LAYOUTS, Listed, listed
from training.clips import prepared
from training.evaluation.judging import workers
from training.evaluation.quality import LABELS, Quality

TABLES = ("figures", "robustness", "deblurring", "blur")
USUAL = TABLES[:3]
DEFAULT_VIDEOS = Path(__file__).parents[1] / "../shared/clips/clips.csv"


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--splits", nargs="+", default=["val"])
    parser.add_argument("--clips", type=Path, default=Path(".cache/clips"), help="prepared clips")
    parser.add_argument("--videos", type=Path, default=DEFAULT_VIDEOS, help="a CSV that lists their videos")
    parser.add_argument("--checkpoints", type=Path, default=Path("checkpoints"))
    parser.add_argument("--precision", choices=PRECISIONS, default="float32", help="of both networks")
    parser.add_argument("--output-dir", type=Path, default=Path("results/quality"))
    parser.add_argument("--only", nargs="+", choices=TABLES, default=list(USUAL), help="tables to make")
    for name in LAYOUTS:
        parser.add_argument(
            f"--{name}", type=Path, help="the folder of this collection, as its makers lay it out"
        )
    parser.add_argument("--resamples", type=int, default=1000, help="of the bootstrap")
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1, help="processes")
    parser.add_argument("--quick", action="store_true", help="a few clips only: a smoke test, no measurement")
    return parser.parse_args(arguments)


def prepare_missing(clips: Path, videos: Path, splits: Sequence[str]) -> None:
    """Prepare the splits of which there is no clip yet."""
    missing = [split for split in splits if not prepared(clips, split=split, labels=LABELS)]
    if not missing:
        return
    if not videos.exists():
        raise SystemExit(f"{clips} holds no clip of {', '.join(missing)}, and {videos} is not there")
    print(f"preparing {', '.join(missing)} from {videos}", flush=True)
    wanted = [f"{split}/{label}" for split in missing for label in LABELS]
    command = [sys.executable, "-m", "training.prepare", "--list", str(videos), "--output-dir", str(clips)]
    subprocess.run([*command, "--only", *wanted], check=True)


def collections_of(chosen: argparse.Namespace) -> list[tuple[str, list[Listed]]]:
    """The public collections that the command line names, with their videos."""
    folders = {name: getattr(chosen, name.replace("-", "_")) for name in LAYOUTS}
    try:
        return [(name, listed(name, folder)) for name, folder in folders.items() if folder]
    except ClusterError as error:
        raise SystemExit(str(error)) from None


def main(arguments: Sequence[str] | None = None) -> None:
    chosen = parse(arguments)
    collections = collections_of(chosen)
    prepare_missing(chosen.clips, chosen.videos, chosen.splits)
    chosen.output_dir.mkdir(parents=True, exist_ok=True)
    checkpoints = {
        kind: Checkpoint.load(chosen.checkpoints / f"{kind}.safetensors", kind=kind)
        for kind in ("sync", "scoring", "deblur")
    }
    facts = {
        "checkpoints": {kind: checkpoint.sha256 for kind, checkpoint in checkpoints.items()},
        "precision": chosen.precision,
        "resamples": chosen.resamples,
        "quick": chosen.quick,
    }
    calibration = checkpoints["scoring"].config.get("calibration") or {}
    with workers(chosen.checkpoints, chosen.workers, chosen.precision) as pool:
        quality = Quality(
            pool,
            chosen.clips,
            chosen.videos,
            chosen.output_dir,
            chosen.resamples,
            frozenset(chosen.only),
            calibration.get("promise") or {},
            chosen.quick,
        )
        for split in chosen.splits:
            quality.split(split)
        for name, videos in collections:
            quality.collection(name, videos)
        quality.finish(facts)
    print(f"{chosen.output_dir}/tables.md, quality.json and pictures written")


if __name__ == "__main__":
    main()
