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
from outofsync.synchrony.embedding import EmbeddingConfig, EmbeddingNetwork, delay_similarity, pool_over_time
from outofsync.synchrony.senses import MelTrack, level, normalise_pictures
from training.augment import colour_bands, disturb, move, recolour
from training.clips import Sampler, load_faces, prepared
from training.offsets import offset_report


@dataclass(frozen=True)
class SyncTraining:
    """Everything that decides a run but the data."""

    steps: int = 4000
    batch: int = 20
    frames: int = 28  # a little less than the shortest clips, so that a span can start anywhere in them
    rate: float = 1.2e-3
    decay: float = 0.03
    warmup: int = 200
    average: float = 0.998  # decay of the moving average of the weights
    neighbour: float = 0.1  # share of the target that goes to each adjacent frame
    pools: tuple[int, ...] = (2, 12)  # frames on either side over which the pooled losses judge
    clip_weight: float = 0.3
    seed: int = 7
    every: int = 200  # steps between two looks at val


def frame_loss(visual: Tensor, audio: Tensor, scale: Tensor, neighbour: float) -> Tensor:
    """Each frame must find its own moment among all of its clip, and each sound its own frame."""
    logits = scale * torch.einsum("bte,bse->bts", visual, audio)
    frames = logits.shape[1]
    near = torch.eye(frames, device=logits.device)
    target = (1 - 2 * neighbour) * near + neighbour * (near.roll(1, 1).triu() + near.roll(-1, 1).tril())
    target = (target / target.sum(1, keepdim=True)).expand_as(logits)
    forth = F.cross_entropy(logits.flatten(0, 1), target.flatten(0, 1))
    back = F.cross_entropy(logits.transpose(1, 2).flatten(0, 1), target.flatten(0, 1))
    return (forth + back) / 2


def delay_loss(visual: Tensor, audio: Tensor, scale: Tensor, reach: int) -> Tensor:
    """The published question: at which of the 31 delays do lips and voice fit?"""
    similarity, valid = delay_similarity(visual, audio, MAX_DELAY)
    logits = scale * pool_over_time(similarity, valid, reach)
    target = torch.full(logits.shape[:2], MAX_DELAY, device=logits.device)
    return F.cross_entropy(logits.flatten(0, 1), target.flatten())


def clip_loss(visual: Tensor, audio: Tensor, scale: Tensor) -> Tensor:
    """Which of the batch's voices belongs to which face?"""
    logits = scale * torch.einsum("bte,cte->bc", visual, audio) / visual.shape[1]
    target = torch.arange(len(logits), device=logits.device)
    return (F.cross_entropy(logits, target) + F.cross_entropy(logits.T, target)) / 2


class SyncTrainer:
    """One run: state that is saved, and one step after another."""

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
            self._optimiser, settings.rate, settings.steps, pct_start=settings.warmup / settings.steps
        )
        self.step = 0
        self.best = -1.0

    def train_step(self) -> dict[str, float]:
        """One batch; returns the parts of the loss."""
        settings = self._settings
        pictures, audio = self._sampler.batch(settings.batch)
        pictures, audio = pictures.to(self._device), audio.to(self._device)
        with torch.no_grad():
            size = self.network.config.picture
            pictures = normalise_pictures(recolour(move(pictures.float(), size)))
            mel = colour_bands(self._mel(disturb(level(audio))))
        self.network.train()
        with torch.autocast(torch.device(self._device).type, torch.bfloat16):
            visual, sound = self.network.embed(pictures, mel)
        visual, sound = visual.float(), sound.float()
        scale = self.network.log_scale.exp().clamp(max=100.0)
        parts = {"frame": frame_loss(visual, sound, scale, settings.neighbour)}
        for reach in settings.pools:
            parts[f"delay{reach}"] = delay_loss(visual, sound, scale, reach)
        parts["clip"] = settings.clip_weight * clip_loss(visual, sound, scale)
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

    def save(self, path: Path) -> None:
        """Everything that resuming needs."""
        state = {
            "network": self.network.state_dict(),
            "average": self.average.state_dict(),
            "optimiser": self._optimiser.state_dict(),
            "schedule": self._schedule.state_dict(),
            "step": self.step,
            "best": self.best,
        }
        torch.save(state, path.with_suffix(".partial"))
        path.with_suffix(".partial").replace(path)

    def resume(self, path: Path) -> None:
        """Go on where :meth:`save` left off."""
        state = torch.load(path, map_location=self._device, weights_only=True)
        self.network.load_state_dict(state["network"])
        self.average.load_state_dict(state["average"])
        self._optimiser.load_state_dict(state["optimiser"])
        self._schedule.load_state_dict(state["schedule"])
        self.step, self.best = state["step"], state["best"]

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
    parser.add_argument("--steps", type=int, default=SyncTraining.steps)
    parser.add_argument("--batch", type=int, default=SyncTraining.batch)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    arguments = parser.parse_args()
    settings = SyncTraining(steps=arguments.steps, batch=arguments.batch)
    faces = load_faces(prepared(arguments.clips, split="train"), shortest=settings.frames)
    for folder in arguments.more_clips:
        faces += load_faces(prepared(folder, split="train"), shortest=settings.frames)
    held_out = load_faces(prepared(arguments.clips, split="val"), shortest=24)
    print(
        f"{len(faces)} clips to train on, {sum(map(len, faces)) / 1500:.1f} min; {len(held_out)} to look at",
        flush=True,
    )
    arguments.run_dir.mkdir(parents=True, exist_ok=True)
    trainer = SyncTrainer(
        settings,
        EmbeddingConfig(),
        Sampler(faces, frames=settings.frames, seed=settings.seed),
        arguments.device,
    )
    last = arguments.run_dir / "last.pt"
    if last.exists():
        trainer.resume(last)
        print(f"resumed at step {trainer.step}", flush=True)
    begin, sums = time.monotonic(), dict[str, float]()
    while trainer.step < settings.steps:
        for name, value in trainer.train_step().items():
            sums[name] = sums.get(name, 0.0) + value
        if trainer.step % settings.every == 0 or trainer.step == settings.steps:
            report = offset_report(trainer.average, held_out)
            entry = {"step": trainer.step, "minutes": round((time.monotonic() - begin) / 60, 1)}
            entry |= {name: round(value / settings.every, 3) for name, value in sums.items()}
            entry |= report
            print(json.dumps(entry), flush=True)
            with (arguments.run_dir / "log.jsonl").open("a") as file:
                file.write(json.dumps(entry) + "\n")
            sums = {}
            if report["within_1"] + report["auc_shifted"] > trainer.best:
                trainer.best = report["within_1"] + report["auc_shifted"]
                about = {"settings": asdict(settings), "step": trainer.step, "val": report}
                trainer.checkpoint(about).save(arguments.run_dir / "best.safetensors")
            trainer.save(last)


if __name__ == "__main__":
    main()
