"""Train the default synchronisation network on real talking faces.

    python -m training.sync --clips .cache/clips --run-dir runs/sync --steps 4000

Contrastive: the sound of the same moment against the sound of other moments of the same clip, frame by frame
and pooled over time, and against the sound of other clips. Interrupted runs resume from ``last.pt``; what
ships is the moving average of the weights, as it was when it did best on ``val`` (``best.safetensors``).
"""

from __future__ import annotations

import argparse
import copy
import json
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from outofsync.checkpoints.store import Checkpoint
from outofsync.constants import MAX_DELAY
from outofsync.synchrony.embedding import EmbeddingConfig, EmbeddingNetwork, pool_over_time
from outofsync.synchrony.senses import MelTrack, level, normalise_pictures
from training.augment import colour_bands, disturb, move, recolour
from training.clips import Sampler, held_out, load_faces, prepared
from training.offsets import offset_report
from training.run_state import ResumableRun

SHORTEST = 28  # frames; from shorter clips, picture and sound could hardly be cut apart


@dataclass(frozen=True)
class SyncTraining:
    """Everything that decides a run but the data."""

    steps: int = 4000
    batch: int = 32
    frames: int = 18  # far less than the shortest clips, so that picture and sound can be cut apart
    rate: float = 1.2e-3
    decay: float = 0.03
    warmup: int = 200
    average: float = 0.998  # decay of the moving average of the weights
    neighbour: float = 0.1  # share of the target that goes to each adjacent frame
    pools: tuple[int, ...] = (3, 12)  # frames on either side over which the pooled losses judge
    clip_weight: float = 0.5
    seed: int = 7
    every: int = 150  # steps between two looks at val


@dataclass(frozen=True)
class Pairs:
    """How every picture of a batch fits every sound of the same clip, and which pairs are true.

    ``fit`` (batch, frames, frames) holds cosines, ``true`` the sound that belongs to each picture,
    ``inside`` whether it lies within the span that was cut.
    """

    fit: Tensor
    true: Tensor  # (batch, frames)
    inside: Tensor  # (batch, frames)

    @classmethod
    def of(cls, visual: Tensor, audio: Tensor, lags: Tensor) -> Pairs:
        frames = visual.shape[1]
        true = torch.arange(frames, device=visual.device) + lags[:, None]
        return cls(torch.einsum("bte,bse->bts", visual, audio), true, (true >= 0) & (true < frames))


def frame_loss(pairs: Pairs, scale: Tensor, neighbour: float) -> Tensor:
    """Each picture must find its own moment among all sounds of its clip, and each sound its picture."""
    frames = pairs.fit.shape[1]
    distance = (torch.arange(frames, device=pairs.true.device) - pairs.true[..., None]).abs()
    target = (distance == 0) * (1 - 2 * neighbour) + (distance == 1) * neighbour
    logits = scale * pairs.fit
    forth, back = logits.log_softmax(2) * target, logits.log_softmax(1) * target
    return -(forth + back)[pairs.inside].sum() / (2 * pairs.inside.sum())


def delay_loss(pairs: Pairs, scale: Tensor, reach: int) -> Tensor:
    """The published question: at which of the 31 delays do lips and voice fit?"""
    frames = pairs.fit.shape[1]
    delays = torch.arange(-MAX_DELAY, MAX_DELAY + 1, device=pairs.true.device)
    position = pairs.true[..., None] + delays  # (batch, frames, 31)
    valid = (position >= 0) & (position < frames)
    similarity = pairs.fit.gather(2, position.clamp(0, frames - 1)) * valid
    logits = scale * pool_over_time(similarity, valid, reach)
    target = torch.full(logits.shape[:2], MAX_DELAY, device=logits.device)
    return F.cross_entropy(logits.flatten(0, 1), target.flatten())


def clip_loss(visual: Tensor, audio: Tensor, pairs: Pairs, scale: Tensor) -> Tensor:
    """Each picture must find its own moment among the sounds of all clips."""
    batch, frames = pairs.true.shape
    logits = scale * visual.flatten(0, 1) @ audio.flatten(0, 1).T
    target = pairs.true + frames * torch.arange(batch, device=logits.device)[:, None]
    inside = pairs.inside.flatten()
    return F.cross_entropy(logits[inside], target.flatten()[inside])


class SyncTrainer(ResumableRun):
    """One run: state that is saved, and one step after another."""

    network: EmbeddingNetwork
    average: EmbeddingNetwork
    _device: str

    def __init__(
        self, settings: SyncTraining, config: EmbeddingConfig, sampler: Sampler, device: str
    ) -> None:
        torch.manual_seed(settings.seed)
        self._settings = settings
        self._sampler = sampler
        self._device = device
        self.network = EmbeddingNetwork(config).to(device)
        self.average = copy.deepcopy(self.network).eval()
        self._mel = MelTrack().to(device)
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
        pictures, audio, lags = (part.to(self._device) for part in self._sampler.batch(settings.batch))
        with torch.no_grad():
            size = self.network.config.picture
            pictures = normalise_pictures(recolour(move(pictures.float(), size)))
            mel = colour_bands(self._mel(disturb(level(audio))))
        self.network.train()
        with torch.autocast(torch.device(self._device).type, torch.bfloat16):
            visual, sound = self.network.embed(pictures, mel)
        visual, sound = visual.float(), sound.float()
        scale = self.network.log_scale.exp().clamp(max=100.0)
        pairs = Pairs.of(visual, sound, lags)
        parts = {"frame": frame_loss(pairs, scale, settings.neighbour)}
        for reach in settings.pools:
            parts[f"delay{reach}"] = delay_loss(pairs, scale, reach)
        parts["clip"] = settings.clip_weight * clip_loss(visual, sound, pairs, scale)
        loss = torch.stack(list(parts.values())).sum()
        self._optimiser.zero_grad(set_to_none=True)
        torch.autograd.backward(loss)
        nn.utils.clip_grad_norm_(self.network.parameters(), 2.0)
        self._optimiser.step()
        self._schedule.step()
        self.step += 1
        self._update_average()
        return {name: float(part.detach()) for name, part in parts.items()}

    @torch.no_grad()
    def _update_average(self) -> None:
        keep = min(self._settings.average, self.step / (self.step + 10))
        for mean, value in zip(
            self.average.state_dict().values(), self.network.state_dict().values(), strict=True
        ):
            if mean.dtype.is_floating_point:
                mean.lerp_(value, 1 - keep)
            else:
                mean.copy_(value)

    def start_from(self, checkpoint: Checkpoint) -> None:
        """Begin with the weights of an earlier run instead of random ones."""
        self.network.load_state_dict(checkpoint.tensors)
        self.average.load_state_dict(checkpoint.tensors)

    def checkpoint(self, about: dict[str, object]) -> Checkpoint:
        """The averaged network, ready to be served."""
        config = asdict(self.network.config)
        return Checkpoint("sync", "embedding", config, dict(self.average.state_dict()), about=about)


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
    parser.add_argument("--run-dir", type=Path, default=Path("runs/sync"))
    parser.add_argument("--start", type=Path, help="a checkpoint whose weights a new run begins with")
    parser.add_argument("--steps", type=int, default=SyncTraining.steps)
    parser.add_argument("--rate", type=float, default=SyncTraining.rate, help="highest learning rate")
    parser.add_argument("--dropout", type=float, default=EmbeddingConfig().dropout)
    parser.add_argument("--batch", type=int, default=SyncTraining.batch)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    arguments = parser.parse_args()
    settings = SyncTraining(steps=arguments.steps, batch=arguments.batch, rate=arguments.rate)
    learnt = [clip for clip in prepared(arguments.clips, split="train") if not held_out(clip)]
    for folder in arguments.more_clips:
        learnt += prepared(folder, split="train")
    faces = load_faces(learnt, shortest=SHORTEST)
    watched = load_faces(prepared(arguments.clips, split="val"), shortest=24)
    print(
        f"{len(faces)} clips to train on, {sum(map(len, faces)) / 1500:.1f} min; {len(watched)} to look at",
        flush=True,
    )
    arguments.run_dir.mkdir(parents=True, exist_ok=True)
    trainer = SyncTrainer(
        settings,
        EmbeddingConfig(dropout=arguments.dropout),
        Sampler(faces, frames=settings.frames, seed=settings.seed),
        arguments.device,
    )
    last = arguments.run_dir / "last.pt"
    if last.exists():
        trainer.resume(last)
        print(f"resumed at step {trainer.step}", flush=True)
    elif arguments.start:
        trainer.start_from(Checkpoint.load(arguments.start, kind="sync"))
    begin, sums = time.monotonic(), dict[str, float]()
    while trainer.step < settings.steps:
        for name, value in trainer.train_step().items():
            sums[name] = sums.get(name, 0.0) + value
        if trainer.step % settings.every == 0 or trainer.step == settings.steps:
            report = offset_report(trainer.average, watched)
            entry = {"step": trainer.step, "minutes": round((time.monotonic() - begin) / 60, 1)}
            entry |= {name: round(value / settings.every, 3) for name, value in sums.items()}
            entry |= report
            print(json.dumps(entry), flush=True)
            with (arguments.run_dir / "log.jsonl").open("a") as file:
                file.write(json.dumps(entry) + "\n")
            sums = {}
            merit = report["within_1"] + report["auc_shifted"] + report["auc_swapped"]
            if merit > trainer.best:
                trainer.best = merit
                about = {"settings": asdict(settings), "step": trainer.step, "val": report}
                trainer.checkpoint(about).save(arguments.run_dir / "best.safetensors")
            trainer.save(last)


if __name__ == "__main__":
    main()
