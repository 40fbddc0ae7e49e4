"""Train the default synchronisation network on real talking faces.

    python -m training.sync --clips .cache/clips --run-dir runs/sync --steps 1500
    torchrun --nproc-per-node 4 -m training.sync --device cuda --run-dir runs/sync --steps 20000
    tensorboard --logdir runs

Contrastive, in two phases: first the sounds of other clips are the negatives, then other moments of the same
clip as well, frame by frame and pooled over time. Interrupted runs resume from ``last.pt``; what ships is the
moving average of the weights, as it was when it did best on ``val`` (``best.safetensors``). A run ends
early when ``val`` has not improved for a while.
"""

from __future__ import annotations

import argparse
import copy
import json
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from torch import nn
from torch.utils.tensorboard import SummaryWriter

from outofsync.checkpoints.store import Checkpoint
from outofsync.synchrony.embedding import EmbeddingConfig, EmbeddingNetwork
from outofsync.synchrony.senses import level, normalise_pictures
from training.augment import WarpedMelTrack, colour_bands, disturb, move, recolour
from training.clips import Sampler, TalkingFace, held_out, load_faces, prepared
from training.contrastive import Pairs, clip_loss, delay_loss, frame_loss
from training.distributed import Team, team
from training.offsets import merit, offset_report
from training.run_state import ResumableRun

# Of the command line.
SETTINGS = ("steps", "first_phase", "frames", "batch", "rate", "seed", "every", "patience")
MARGIN = 10  # frames that a clip must last beyond a span, so that picture and sound can be cut apart


@dataclass(frozen=True)
class SyncTraining:
    """Everything that decides a run but the data."""

    steps: int = 1500
    first_phase: int = 100  # steps in which only the sounds of other clips are negatives
    batch: int = 32  # clips of the shortest spans in a step; of longer ones as many as make the same frames
    frames: tuple[int, ...] = (18, 40)  # lengths of spans, in turn: one that all clips have, one as served
    rate: float = 1.2e-3
    decay: float = 0.03
    warmup: int = 200
    average: float = 0.998  # decay of the moving average of the weights
    neighbour: float = 0.1  # share of the target that goes to each adjacent frame
    pools: tuple[int, ...] = (3, 12)  # frames on either side over which the pooled losses judge
    clip_weight: float = 0.5
    seed: int = 7
    every: int = 100  # steps between two looks at val
    patience: int = 8  # looks without a gain after which a run ends


class SyncTrainer(ResumableRun):
    """One run: state that is saved, and one step after another."""

    network: EmbeddingNetwork
    average: EmbeddingNetwork
    _device: str

    def __init__(
        self, settings: SyncTraining, config: EmbeddingConfig, faces: list[TalkingFace], company: Team
    ) -> None:
        torch.manual_seed(settings.seed)
        self._settings = settings
        self._samplers = []
        for frames in settings.frames:
            if lasting := [face for face in faces if len(face) >= frames + MARGIN]:
                sampler = Sampler(lasting, frames=frames, seed=settings.seed + company.rank)
                self._samplers.append((sampler, settings.batch * min(settings.frames) // frames))
        if not self._samplers:
            raise ValueError(f"no clip lasts {min(settings.frames) + MARGIN} frames")
        self._device = company.device
        self.network = EmbeddingNetwork(config).to(self._device)
        self.average = copy.deepcopy(self.network).eval()
        self._shared = company.share(self.network)
        torch.manual_seed(settings.seed + company.rank)  # of augmentation
        self._mel = WarpedMelTrack().to(self._device)
        decayed = [p for p in self.network.parameters() if p.ndim > 1]
        plain = [p for p in self.network.parameters() if p.ndim <= 1]
        self._optimiser = torch.optim.AdamW(
            [{"params": decayed, "weight_decay": settings.decay}, {"params": plain, "weight_decay": 0.0}],
            lr=settings.rate,
            betas=(0.9, 0.98),
        )
        self._schedule = torch.optim.lr_scheduler.OneCycleLR(
            self._optimiser,
            settings.rate,
            settings.steps,
            pct_start=min(0.3, settings.warmup / settings.steps),
        )
        self.step = 0
        self.best = -1.0

    def train_step(self) -> dict[str, float]:
        """One batch; returns the parts of the loss."""
        settings = self._settings
        sampler, clips = self._samplers[self.step % len(self._samplers)]
        pictures, audio, lags = (part.to(self._device) for part in sampler.batch(clips))
        with torch.no_grad():
            size = self.network.config.picture
            pictures = normalise_pictures(recolour(move(pictures.float(), size)))
            mel = colour_bands(self._mel(disturb(level(audio))))
        self._shared.train()
        with torch.autocast(torch.device(self._device).type, torch.bfloat16):
            visual, sound = self._shared(pictures, mel)
        visual, sound = visual.float(), sound.float()
        scale = self.network.log_scale.exp().clamp(max=100.0)
        pairs = Pairs.of(visual, sound, lags)
        parts = {"clip": settings.clip_weight * clip_loss(visual, sound, pairs, scale)}
        if self.step >= settings.first_phase:
            parts["frame"] = frame_loss(pairs, scale, settings.neighbour)
            for reach in settings.pools:
                parts[f"delay{reach}"] = delay_loss(pairs, scale, reach)
        loss = torch.stack(list(parts.values())).sum()
        self._optimiser.zero_grad(set_to_none=True)
        torch.autograd.backward(loss)
        nn.utils.clip_grad_norm_(self.network.parameters(), 2.0)
        self._optimiser.step()
        self._schedule.step()
        self.step += 1
        self._update_average(min(self._settings.average, self.step / (self.step + 10)))
        return {name: float(part.detach()) for name, part in parts.items()}

    def start_from(self, checkpoint: Checkpoint) -> None:
        """Begin with the weights of an earlier run instead of random ones; gates may be new."""
        tensors = self.network.state_dict() | checkpoint.tensors
        self.network.load_state_dict(tensors)
        self.average.load_state_dict(tensors)

    def checkpoint(self, about: dict[str, object]) -> Checkpoint:
        """The averaged network, ready to be served."""
        config = asdict(self.network.config)
        return Checkpoint("sync", "embedding", config, dict(self.average.state_dict()), about=about).halved()


class RunFolder:
    """What a run leaves behind: a log for people and one for TensorBoard, the best and the last state."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.last, self.best = folder / "last.pt", folder / "best.safetensors"
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
    company: Team,
) -> None:
    """Run to the last step or until ``watched`` has not improved for long; the leader has a folder."""
    begin, sums, idle = time.monotonic(), dict[str, float](), 0
    while trainer.step < settings.steps:
        for name, value in trainer.train_step().items():
            sums[name] = sums.get(name, 0.0) + value
        if trainer.step % settings.every and trainer.step != settings.steps:
            continue
        if folder is not None:
            report = offset_report(trainer.average, watched)
            entry: dict[str, float] = {"step": trainer.step}
            entry["minutes"] = round((time.monotonic() - begin) / 60, 1)
            entry |= {name: round(value / settings.every, 3) for name, value in sums.items()}
            folder.report(entry | report)
            idle += 1
            if merit(report) > trainer.best:
                trainer.best, idle = merit(report), 0
                about = {"settings": asdict(settings), "step": trainer.step, "val": report}
                trainer.checkpoint(about).save(folder.best)
            trainer.save(folder.last)
        sums = {}
        if company.agree(idle >= settings.patience):
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


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--clips", type=Path, default=Path(".cache/clips"), help="what training.prepare wrote"
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
    parser.add_argument("--first-phase", type=int, default=SyncTraining.first_phase)
    parser.add_argument("--rate", type=float, default=SyncTraining.rate, help="highest learning rate")
    parser.add_argument("--dropout", type=float, default=EmbeddingConfig().dropout)
    parser.add_argument("--width", type=int, default=EmbeddingConfig().width, help="channels of the encoders")
    parser.add_argument("--frames", type=int, nargs="+", default=SyncTraining.frames, help="lengths of spans")
    parser.add_argument("--gated", action="store_true", help="let silence and hidden lips weigh little")
    parser.add_argument("--batch", type=int, default=SyncTraining.batch, help="clips a step and process")
    parser.add_argument("--every", type=int, default=SyncTraining.every, help="steps between looks at val")
    parser.add_argument("--patience", type=int, default=SyncTraining.patience)
    parser.add_argument("--seed", type=int, default=SyncTraining.seed)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    arguments = parser.parse_args()
    with team(arguments.device) as company:
        run(arguments, company)


def run(arguments: argparse.Namespace, company: Team) -> None:
    """Load clips, begin or go on, train."""
    settings = SyncTraining(
        **{name: getattr(arguments, name) for name in SETTINGS} | {"frames": tuple(arguments.frames)},
    )
    shortest = min(settings.frames) + MARGIN
    faces = training_faces(arguments.clips, arguments.more_clips, arguments.sources, shortest=shortest)
    trainer = SyncTrainer(
        settings,
        EmbeddingConfig(dropout=arguments.dropout, width=arguments.width, gated=arguments.gated),
        faces,
        company,
    )
    last = arguments.run_dir / "last.pt"
    if last.exists():
        trainer.resume(last)
    elif arguments.start:
        trainer.start_from(Checkpoint.load(arguments.start, kind="sync"))
    if not company.leads:
        train(trainer, settings, [], None, company)
        return
    watched = load_faces(prepared(arguments.clips, split="val"), shortest=24)
    minutes = sum(map(len, faces)) / 1500
    print(f"{len(faces)} clips to train on, {minutes:.1f} min; {len(watched)} to look at", flush=True)
    print(f"at step {trainer.step} of {settings.steps}, {company.size} process(es)", flush=True)
    train(trainer, settings, watched, RunFolder(arguments.run_dir), company)


if __name__ == "__main__":
    main()
