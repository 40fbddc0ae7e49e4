"""Train the deblurring network on sharp faces that are blurred here, or on pairs of pictures.

    python -m training.deblur --clips .cache/clips --run-dir runs/deblur
    python -m training.deblur --blurred pairs/blurred --sharp pairs/sharp --run-dir runs/pairs
    python -m training.deblur --evaluate checkpoints/deblur.safetensors --clips .cache/clips

Loss as published: L1 + 0.1 · MSE, the rate halved on a plateau (METHOD: Deblurring network), and with
--frequency the distance of spectra. Interrupted runs resume from ``last.pt``; what ships is the moving
average of the weights, as it was when it gained most on ``val`` (``best.safetensors``).
"""

from __future__ import annotations

import argparse
import copy
import json
import time
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import matplotlib
import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from outofsync.checkpoints.store import Checkpoint
from outofsync.deblur.residual import ARCHITECTURE, WIDTHS, ResidualUNet
from outofsync.deblur.restorer import Restorer
from outofsync.deblur.sharpness import BLURRY_BELOW
from training.blur import BlurSettings, Frame
from training.clips import PreparedClip, prepared
from training.restoration import figures, found, frames_per_second, gain, held_out, save_samples, touched
from training.run_state import ResumableRun
from training.sharp_frames import Pair, PairedFolders, PairSource, SyntheticPairs, read_pairs, sharp_frames

matplotlib.use("Agg")
from matplotlib import pyplot as plt

MIXTURE = "mixture with noise and compression"
HELD_OUT_SEED = 20_000  # of the blur on val frames
ABOUT = {
    "data": "talking faces of public research pages (see the model card), blurred by training.blur",
    "licence": "weights only; the footage belongs to others and is not part of the project",
    "card": "checkpoints/deblur.md",
}
CLEARLY_LARGE_PX = 180  # faces that auto must leave alone when sharp


@dataclass(frozen=True)
class DeblurTraining:
    """Everything that decides a run but the data."""

    steps: int = 6000
    batch: int = 16
    side: int = 96  # px of a training patch
    rate: float = 1e-3
    decay: float = 1e-4
    frequency: float = 0.0  # weight of the L1 distance of spectra
    patience: int = 4  # looks at val without a gain before the rate is halved
    average: float = 0.998  # decay of the moving average of the weights
    seed: int = 11
    every: int = 100  # steps between two looks at val
    val_frames: int = 48


def batch_of(
    source: PairSource, random: np.random.Generator, settings: DeblurTraining
) -> tuple[Tensor, Tensor]:
    """Blurred and sharp patches in 0 … 1, each (batch, 3, side, side)."""
    pairs = [source.draw(random, settings.side) for _ in range(settings.batch)]
    blurred, sharp = (
        torch.from_numpy(np.stack(side)).permute(0, 3, 1, 2).float() / 255
        for side in zip(*pairs, strict=True)
    )
    return blurred, sharp


def restoration_loss(restored: Tensor, sharp: Tensor, frequency: float) -> Tensor:
    """L1 + 0.1 · MSE as published, and a share of the L1 distance between spectra (Cho et al. 2021)."""
    loss = F.l1_loss(restored, sharp) + 0.1 * F.mse_loss(restored, sharp)
    if not frequency:
        return loss
    missing: Tensor = torch.fft.rfft2(restored - sharp, norm="ortho")
    return loss + frequency * torch.view_as_real(missing).abs().mean()


class DeblurTrainer(ResumableRun):
    """One run: state that is saved, and one step after another."""

    network: ResidualUNet
    average: ResidualUNet
    _schedule: torch.optim.lr_scheduler.ReduceLROnPlateau
    _device: torch.device

    def __init__(self, settings: DeblurTraining, source: PairSource, device: str) -> None:
        torch.manual_seed(settings.seed)
        self._settings = settings
        self._source = source
        self._device = torch.device(device)
        self.network = ResidualUNet().to(self._device)
        self.average = copy.deepcopy(self.network).eval()
        self._optimiser = torch.optim.AdamW(
            self.network.parameters(), lr=settings.rate, weight_decay=settings.decay
        )
        self._schedule = torch.optim.lr_scheduler.ReduceLROnPlateau(
            self._optimiser, mode="max", factor=0.5, patience=settings.patience
        )
        self.step = 0
        self.best = float("-inf")

    def train_step(self) -> float:
        """One batch; returns its loss. Each step has its own seed: a resumed run goes on unchanged."""
        random = np.random.default_rng((self._settings.seed, self.step))
        blurred, sharp = (side.to(self._device) for side in batch_of(self._source, random, self._settings))
        self.network.train()
        with torch.autocast(self._device.type, torch.bfloat16):
            restored = self.network(blurred)
        loss = restoration_loss(restored.float(), sharp, self._settings.frequency)
        self._optimiser.zero_grad(set_to_none=True)
        torch.autograd.backward(loss)
        torch.nn.utils.clip_grad_norm_(self.network.parameters(), 1.0)
        self._optimiser.step()
        self.step += 1
        self._update_average(min(self._settings.average, self.step / (self.step + 10)))
        return float(loss.detach())

    def judge(self, gain_db: float) -> bool:
        """Take note of a look at val: slow down on a plateau; whether this was the best so far."""
        self._schedule.step(gain_db)
        better = gain_db > self.best
        self.best = max(self.best, gain_db)
        return better

    def start_from(self, checkpoint: Checkpoint) -> None:
        """Begin with the weights of an earlier run instead of random ones."""
        self.network.load_state_dict(checkpoint.tensors)
        self.average.load_state_dict(checkpoint.tensors)

    def restorer(self) -> Restorer:
        """The averaged network at work."""
        return Restorer(copy.deepcopy(self.average), device=self._device)

    def checkpoint(self, about: dict[str, object]) -> Checkpoint:
        """The averaged network, ready to be served."""
        config = {"widths": list(WIDTHS), "blurry_below": BLURRY_BELOW}
        return Checkpoint("deblur", ARCHITECTURE, config, dict(self.average.state_dict()), about=about)


class RunFolder:
    """What a run leaves behind: log, loss curve, sample pictures, best and last state."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.last, self.best = folder / "last.pt", folder / "best.safetensors"
        self.samples, self._curve, self._log = (
            folder / "samples.png",
            folder / "loss.png",
            folder / "log.jsonl",
        )

    def report(self, entry: dict[str, float]) -> None:
        print(json.dumps(entry), flush=True)
        with self._log.open("a") as file:
            file.write(json.dumps(entry) + "\n")
        entries = [json.loads(line) for line in self._log.read_text().splitlines()]
        figure, axes = plt.subplots(1, 2, figsize=(9, 3))
        for axis, name in zip(axes, ("loss", "gain_db"), strict=True):
            axis.plot([each["step"] for each in entries], [each[name] for each in entries])
            axis.set(xlabel="step", title=name)
        figure.savefig(self._curve)
        plt.close(figure)


def train(
    trainer: DeblurTrainer,
    settings: DeblurTraining,
    held: list[Pair],
    folder: RunFolder,
    about: Mapping[str, object],
) -> None:
    """Run to the last step, looking at ``held`` now and then and keeping the best, with what it is about."""
    if folder.last.exists():
        trainer.resume(folder.last)
        print(f"resumed at step {trainer.step}", flush=True)
    begin, losses = time.monotonic(), list[float]()
    while trainer.step < settings.steps:
        losses.append(trainer.train_step())
        if trainer.step % settings.every and trainer.step != settings.steps:
            continue
        restorer = trainer.restorer()
        entry = {
            "step": trainer.step,
            "minutes": round((time.monotonic() - begin) / 60, 1),
            "loss": round(float(np.mean(losses)), 5),
            "gain_db": round(gain(restorer, held), 3),
        }
        losses = []
        folder.report(entry)
        if trainer.judge(entry["gain_db"]):
            trainer.checkpoint({**about, "settings": asdict(settings), "val": entry}).save(folder.best)
            save_samples(restorer, held[:6], folder.samples)
        trainer.save(folder.last)


def val_frames(clips: Iterable[PreparedClip], count: int) -> list[Frame]:
    """Sharp frames of unseen people, no more than an eighth of them from any one source."""
    frames = sharp_frames(clips, each=2, most=max(2, count // 8))
    return [frame.picture for frame in frames][:count]


def evaluate(path: Path, clips: Path, settings: DeblurTraining) -> None:
    """Print what the model card states."""
    restorer = Restorer.from_checkpoint(Checkpoint.load(path, kind="deblur"))
    val = prepared(clips, split="val")
    frames = val_frames(val, settings.val_frames)
    print(f"{len(frames)} val frames\n" + "\n".join(figures(restorer, frames, HELD_OUT_SEED)))
    large = [clip for clip in val if float(clip.facts["face_px"]) >= CLEARLY_LARGE_PX]
    restored, total = touched(large, restorer.blurry_below)
    print(
        f"auto touches {restored} of {total} frames of {len(large)} unblurred clips (≥ {CLEARLY_LARGE_PX} px)"
    )
    for kind, share in found(frames, restorer.blurry_below, HELD_OUT_SEED).items():
        print(f"auto finds {share:.2f} of the frames with blur: {kind}")
    print(f"{frames_per_second(restorer, np.stack(frames)):.0f} frames/s, {torch.get_num_threads()} threads")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--clips", type=Path, default=Path(".cache/clips"), help="what training.prepare wrote"
    )
    parser.add_argument("--blurred", type=Path, help="a folder of blurred pictures, instead of --clips")
    parser.add_argument("--sharp", type=Path, help="a folder of the same pictures, sharp")
    parser.add_argument("--run-dir", type=Path, default=Path("runs/deblur"))
    parser.add_argument("--steps", type=int, default=DeblurTraining.steps)
    parser.add_argument("--rate", type=float, default=DeblurTraining.rate, help="first learning rate")
    parser.add_argument("--frequency", type=float, default=0.0, help="weight of the distance of spectra")
    parser.add_argument("--start", type=Path, help="a checkpoint whose weights a new run begins with")
    parser.add_argument("--batch", type=int, default=DeblurTraining.batch)
    parser.add_argument("--threads", type=int, default=2, help="of the processor")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--evaluate", type=Path, help="a checkpoint to measure; nothing is trained")
    arguments = parser.parse_args()
    if (arguments.blurred is None) != (arguments.sharp is None):
        parser.error("give --blurred and --sharp together")
    torch.set_num_threads(arguments.threads)
    settings = DeblurTraining(
        steps=arguments.steps, batch=arguments.batch, rate=arguments.rate, frequency=arguments.frequency
    )
    if arguments.evaluate:
        evaluate(arguments.evaluate, arguments.clips, settings)
        return
    source: PairSource
    if arguments.blurred:
        pairs = read_pairs(arguments.blurred, arguments.sharp)
        kept = max(1, len(pairs) // 10)
        source, held = PairedFolders(pairs[:-kept]), pairs[-kept:]
        about = {"data": f"pairs of {arguments.blurred} and {arguments.sharp}"}
        print(f"{len(pairs) - kept} pairs to train on; {kept} to look at", flush=True)
    else:
        sharp = sharp_frames(prepared(arguments.clips, split="train"))
        source, about = SyntheticPairs(sharp, BlurSettings()), ABOUT
        looked_at = val_frames(prepared(arguments.clips, split="val"), settings.val_frames)
        held = list(zip(*held_out(looked_at, MIXTURE, HELD_OUT_SEED), strict=True))
        print(f"{len(sharp)} sharp frames to train on; {len(held)} to look at", flush=True)
    trainer = DeblurTrainer(settings, source, arguments.device)
    if arguments.start:
        trainer.start_from(Checkpoint.load(arguments.start, kind="deblur"))
    train(trainer, settings, held, RunFolder(arguments.run_dir), about)


if __name__ == "__main__":
    main()
