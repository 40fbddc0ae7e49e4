"""Train the default synchronisation network on real talking faces.

    python -m training.sync --clips .cache/clips --run-dir runs/sync --steps 1500
    torchrun --nproc-per-node 4 -m training.sync --device cuda --run-dir runs/sync --steps 20000
    python -m training.sync --packed packed/mouths --device cuda --steps 100000 --minutes 8
    tensorboard --logdir runs

Contrastive, in two phases: first the sounds of other clips are the negatives, then other moments of the same
clip as well, frame by frame and pooled over time. Interrupted runs resume from ``last.pt``; what ships is the
moving average of the weights, as it was when it did best on ``val`` (``best.safetensors``); how it was at the
end is kept too (``last.safetensors``). A run ends early when ``val`` has not improved for a while, and, with
``--minutes``, when its time is up.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import torch
from torch.utils.tensorboard import SummaryWriter

from outofsync.checkpoints.store import Checkpoint
from outofsync.synchrony.embedding import EmbeddingConfig
from training.clips import TalkingFace, held_out, load_faces, prepared
from training.distributed import ProcessGroup, process_group
from training.offsets import offset_report, selection_metric
from training.packed import unpacked
from training.sync_trainer import MARGIN, SyncTrainer, SyncTraining

# Of the command line.
SETTINGS = ("steps", "minutes", "first_phase", "frames", "batch", "rate", "seed", "every", "patience")


class RunFolder:
    """What a run leaves behind: a log for people and one for TensorBoard, the best network and the last."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.best, self.last = folder / "best.safetensors", folder / "last.safetensors"
        self._log = folder / "log.jsonl"
        self._board = SummaryWriter(str(folder))

    def report(self, entry: dict[str, float]) -> None:
        print(json.dumps(entry), flush=True)
        with self._log.open("a") as file:
            file.write(json.dumps(entry) + "\n")
        for name, value in entry.items():
            if name != "step":
                self._board.add_scalar(name, value, int(entry["step"]))
        self._board.flush()


def train(
    trainer: SyncTrainer,
    settings: SyncTraining,
    watched: list[TalkingFace],
    folder: RunFolder | None,
    state: Path,
) -> None:
    """Run to the end or until ``watched`` has not improved for long; the main process has a folder.

    ``state`` is where every look at ``watched`` leaves what resuming needs.
    """
    if trainer.over or trainer.idle >= settings.patience:  # it had ended before it was resumed
        return
    sums, since = dict[str, float](), 0
    while trainer.step < settings.steps:
        for name, value in trainer.train_step().items():
            sums[name] = sums.get(name, 0.0) + value
        since += 1
        # Clocks differ between processes, so several of them end together only where they look at val.
        ended = trainer.over and (trainer.group.world_size == 1 or trainer.step == settings.steps)
        if trainer.step % settings.every and not ended:
            continue
        if folder is not None:
            report = offset_report(trainer.average, watched)
            entry: dict[str, float] = {"step": trainer.step}
            entry["minutes"] = round(trainer.minutes, 1)
            entry |= {name: round(value / since, 3) for name, value in sums.items()}
            folder.report(entry | report)
            trainer.idle += 1
            checkpoint = trainer.checkpoint(
                {"settings": asdict(settings), "step": trainer.step, "val": report}
            )
            if selection_metric(report) > trainer.best:
                trainer.best, trainer.idle = selection_metric(report), 0
                checkpoint.save(folder.best)
            checkpoint.save(folder.last)
        trainer.save(state)
        sums, since = {}, 0
        if trainer.group.broadcast(trainer.idle >= settings.patience or trainer.over):
            return


def training_faces(
    clips: Path, more: Sequence[Path], sources: Sequence[str], *, shortest: int
) -> list[TalkingFace]:
    """Every genuine training clip that is not held out; only of some sources where any are named."""
    learnt = [clip for clip in prepared(clips, split="train") if not held_out(clip)]
    for folder in more:
        learnt += prepared(folder, split="train")
    wanted = [clip for clip in learnt if not sources or clip.facts["source"] in sources]
    return load_faces(wanted, shortest=shortest)


def packed_faces(folder: Path, split: str, labels: Sequence[str]) -> list[TalkingFace]:
    """Clips of a pack, which holds none that are held out."""
    return [
        TalkingFace(
            clip.pictures[..., 0],
            clip.audio,
            *(clip.facts[name] for name in ("file", "label", "generator", "source", "identity")),
        )
        for clip in unpacked(folder)
        if clip.facts["split"] == split and clip.facts["label"] in labels
    ]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--clips", type=Path, default=Path(".cache/clips"), help="what training.prepare wrote"
    )
    parser.add_argument("--packed", type=Path, help="what training.packed wrote, instead of --clips")
    parser.add_argument(
        "--generated", action="store_true", help="learn from generated clips of a pack as well"
    )
    parser.add_argument(
        "--more-clips",
        type=Path,
        nargs="*",
        default=[],
        help="further prepared folders, all used for training",
    )
    parser.add_argument("--sources", nargs="*", default=[], help="train on these sources alone")
    parser.add_argument("--run-dir", type=Path, default=Path("runs/sync"))
    parser.add_argument("--start", type=Path, help="a checkpoint whose weights a new run begins with")
    parser.add_argument("--steps", type=int, default=SyncTraining.steps)
    parser.add_argument("--minutes", type=float, help="end in time, whatever steps are left")
    parser.add_argument("--first-phase", type=int, default=SyncTraining.first_phase)
    parser.add_argument("--rate", type=float, default=SyncTraining.rate, help="highest learning rate")
    parser.add_argument("--dropout", type=float, default=EmbeddingConfig().dropout)
    parser.add_argument("--width", type=int, default=EmbeddingConfig().width, help="channels of the encoders")
    parser.add_argument(
        "--blocks", type=int, default=EmbeddingConfig().blocks, help="temporal blocks of each"
    )
    parser.add_argument("--frames", type=int, nargs="+", default=SyncTraining.frames, help="lengths of spans")
    parser.add_argument("--batch", type=int, default=SyncTraining.batch, help="clips a step and process")
    parser.add_argument("--every", type=int, default=SyncTraining.every, help="steps between looks at val")
    parser.add_argument("--patience", type=int, default=SyncTraining.patience)
    parser.add_argument("--seed", type=int, default=SyncTraining.seed)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    arguments = parser.parse_args()
    with process_group(arguments.device) as group:
        run(arguments, group)


def run(arguments: argparse.Namespace, group: ProcessGroup) -> None:
    """Load clips, begin or go on, train."""
    settings = SyncTraining(
        **{name: getattr(arguments, name) for name in SETTINGS} | {"frames": tuple(arguments.frames)},
    )
    torch.backends.cudnn.benchmark = True  # there are as many shapes as lengths of spans
    if arguments.packed:
        labels = ("real", "fake") if arguments.generated else ("real",)
        faces = packed_faces(arguments.packed, "train", labels)
        watched = packed_faces(arguments.packed, "val", ("real",))
    else:
        shortest = min(settings.frames) + MARGIN
        faces = training_faces(arguments.clips, arguments.more_clips, arguments.sources, shortest=shortest)
        watched = load_faces(prepared(arguments.clips, split="val"), shortest=24)
    trainer = SyncTrainer(
        settings,
        EmbeddingConfig(
            dropout=arguments.dropout,
            width=arguments.width,
            blocks=arguments.blocks,
        ),
        faces,
        group,
    )
    last = arguments.run_dir / "last.pt"
    if last.exists():
        trainer.resume(last)
    elif arguments.start:
        trainer.start_from(Checkpoint.load(arguments.start, kind="sync"))
    if not group.is_main:
        train(trainer, settings, [], None, last)
        return
    minutes = sum(map(len, faces)) / 1500
    print(f"{len(faces)} clips to train on, {minutes:.1f} min; {len(watched)} to look at", flush=True)
    print(f"at step {trainer.step} of {settings.steps}, {group.world_size} process(es)", flush=True)
    train(trainer, settings, watched, RunFolder(arguments.run_dir), last)


if __name__ == "__main__":
    main()
