"""Videos → clips of face crops and sound, the same format that flows between the served nodes.

    python -m training.prepare --list ../shared/clips/clips.csv --output-dir .cache/clips
    python -m training.prepare --folder my_videos --split auto --workers 4 --output-dir .cache/mine
    python -m training.prepare --output-dir .cache/mine --check checkpoints/sync.safetensors
    python -m training.prepare --output-dir .cache/clips --set-late "news anchors=0.875"
    python -m training.prepare --folder /shared/videos --ray 10.0.0.1:6379 --output-dir /shared/clips
    python -m training.prepare --heads 150 --seed 1000 --output-dir .cache/heads

Resumable: what is done is skipped, a run killed at any moment loses the clips in work and no other. Clips lie
in shards; ``manifest.jsonl`` has a line for each, ``skipped.jsonl`` one for each video that could not be
used, with the reason. The same content under two names is used once. With --ray, a cluster works: its nodes
need this repository and the videos at the same paths, and what is written is the same.

With --check, a synchronisation network moves sound that comes early or late, and drops genuine clips whose
lips and voice fit nowhere (training.preparation.agreement says by which rule). Without a source of videos,
what is already there is checked. --refit fits the rule to another network. --set-late notes that all sound of
a source comes late, by a part of a frame too: train on that source alone, and ``peak`` in the log says how
early the sound of val then seems.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from outofsync.checkpoints.store import CheckpointError
from outofsync_cluster.errors import ClusterError
from samples.speech.espeak import EspeakMissingError
from training.preparation.agreement import Rule, RuleError
from training.preparation.check import ScoreCache, check, note_set
from training.preparation.heads import heads, render_heads
from training.preparation.run import BusyError, Preparation
from training.preparation.sources import AUTO, SHARES, Defaults, Source, SourceError, in_folder, listed
from training.preparation.summary import summary
from training.preparation.workers import Over, processes

RULE = Path(__file__).parent / "preparation" / "rule.json"


def main() -> int:
    """The command line; returns its exit status."""
    parser = _parser()
    options = parser.parse_args()
    named = [options.list, options.folder, options.heads]
    if sum(value is not None for value in named) > 1:
        parser.error("give one of --list, --folder and --heads")
    if not any(value is not None for value in named) and options.check is None and not options.set_late:
        parser.error("give --list, --folder or --heads, or --check or --set-late for what is there")
    if options.refit and options.check is None:
        parser.error("--refit needs the network to fit the rule to: --check")
    try:
        with whoever_works(options) as over:
            run(options, over)
    except (BusyError, CheckpointError, ClusterError, EspeakMissingError, RuleError, SourceError) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


@contextmanager
def whoever_works(options: argparse.Namespace) -> Iterator[Over]:
    """Processes of this machine, or a Ray cluster. Raises :class:`ClusterError` where there is none."""
    if options.ray is None:
        yield processes(options.workers)
        return
    from training.preparation.on_ray import over_cluster  # Ray takes a second to import

    with over_cluster(options.ray, options.workers if options.workers > 1 else None) as over:
        yield over


def run(options: argparse.Namespace, over: Over) -> None:
    """Prepare, then check, then say what is there."""
    sources = sources_of(options)
    if sources is not None:
        preparation = Preparation(options.output_dir, over=over)
        written, skipped = preparation.run(sources, retry=options.retry)
        print(f"{written} clips written, {skipped} skipped; ledgers in {options.output_dir}")
    for source, late in options.set_late:
        print(f"{note_set(options.output_dir, source, late)} clips of {source}: sound {late} frames late")
    if options.refit:
        from training.preparation.refit import refit  # reads clips the way training does

        refit(options.output_dir, options.check).save(options.rule)
        print(f"{options.rule} written")
    elif options.check is not None:
        scores = ScoreCache(options.output_dir, options.check, over=over)
        rule = Rule.load(options.rule, scores.sha256)
        check(options.output_dir, scores, rule, splits=options.check_splits)
    print(summary(options.output_dir))


def sources_of(options: argparse.Namespace) -> Iterable[Source] | None:
    """The videos that the command line names; None if it names none."""
    defaults = Defaults(options.split, options.label, options.generator)
    if options.heads is not None:
        seeds = range(options.seed, options.seed + options.heads)
        folder = options.output_dir / "videos"
        paths = render_heads(folder, seeds, seconds=options.seconds, workers=options.workers)
        return heads(paths, defaults)
    if options.list is not None:
        wanted = set(options.only)
        videos = listed(options.list, defaults, identity_column=options.identity_column)
        return (video for video in videos if not wanted or f"{video.split}/{video.label}" in wanted)
    return in_folder(options.folder, defaults) if options.folder is not None else None


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--list", type=Path, help="a CSV of videos, or a text file with one path a line")
    parser.add_argument("--folder", type=Path, help="a folder of videos")
    parser.add_argument("--heads", type=int, help="how many talking heads to render (needs espeak-ng)")
    parser.add_argument("--seed", type=int, default=0, help="of the first head; the next ones count on")
    parser.add_argument("--seconds", type=float, default=6.0, help="length of a head")
    parser.add_argument(
        "--split",
        choices=[*SHARES, AUTO],
        default="train",
        help="the split of videos of which none is told; auto: by identity, 80/10/10 %%",
    )
    parser.add_argument("--label", default="real", help="the label of videos of which none is told")
    parser.add_argument("--generator", default="", help="what made them, if they are fakes")
    parser.add_argument("--identity-column", help="of a CSV, the column that names who is seen")
    parser.add_argument(
        "--only", nargs="*", default=[], help="of --list, only these split/label pairs, e.g. train/real"
    )
    parser.add_argument("--workers", type=int, default=1, help="processes; each wants a core and 1 GB")
    parser.add_argument(
        "--ray",
        nargs="?",
        const="",
        metavar="ADDRESS",
        help="work on a Ray cluster: the one at ADDRESS, or one of this machine",
    )
    parser.add_argument(
        "--retry", nargs="*", default=[], metavar="CODE", help="try videos skipped with these codes again"
    )
    parser.add_argument("--check", type=Path, metavar="CHECKPOINT", help="a synchronisation network")
    parser.add_argument(
        "--check-splits", nargs="*", default=["train"], help="splits whose genuine clips are checked"
    )
    parser.add_argument(
        "--set-late",
        type=source_and_frames,
        nargs="*",
        default=[],
        metavar="SOURCE=FRAMES",
        help="how late all sound of a source comes",
    )
    parser.add_argument("--rule", type=Path, default=RULE, help="the rule of the check")
    parser.add_argument("--refit", action="store_true", help="fit the rule to --check's network instead")
    parser.add_argument("--output-dir", type=Path, default=Path(".cache/clips"))
    return parser


def source_and_frames(text: str) -> tuple[str, float]:
    """``SOURCE=FRAMES`` of the command line."""
    source, _, late = text.rpartition("=")
    if not source:
        raise argparse.ArgumentTypeError(f"{text} is not SOURCE=FRAMES")
    return source, float(late)


if __name__ == "__main__":
    sys.exit(main())
