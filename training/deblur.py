"""Train the deblurring network on sharp faces that are blurred here, or on pairs of pictures.

    python -m training.deblur --clips .cache/clips --run-dir runs/deblur
    python -m training.deblur --pack runs/frames.safetensors --minutes 6.5 --run-dir runs/deblur
    python -m training.deblur --blurred pairs/blurred --sharp pairs/sharp --run-dir runs/pairs
    python -m training.deblur --evaluate checkpoints/deblur.safetensors --clips .cache/clips

A graphics card blurs as well as learns (:mod:`training.pairs`), and is done in minutes; a pack
(:mod:`training.frame_pack`) spares its machine the clips and what reads them. The loss is what the network is
judged by, the mean PSNR. A run ends after so many steps, or minutes if these are over first, with the rate
fallen to nothing; interrupted ones resume from ``last.pt``. What ships is the moving average of the weights,
as it was when it gained most on ``val`` (``best.safetensors``).
"""

from __future__ import annotations

import argparse
import copy
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from outofsync.checkpoints.store import Checkpoint
from outofsync.deblur.residual import ARCHITECTURE, WIDTHS, ResidualUNet, load_residual
from outofsync.deblur.restorer import Restorer
from outofsync.deblur.sharpness import BLURRY_BELOW
from training.blur import BlurSettings
from training.distributed import ProcessGroup
from training.frame_pack import VAL_FRAMES, read_pack, selected, val_frames
from training.pairs import BlurredFrames, Pair, PairedFolders, PairSource, read_pairs
from training.restoration import (
    CLEARLY_LARGE_PX,
    HELD_OUT_SEED,
    MIXTURE,
    Look,
    RunFolder,
    figures,
    found,
    frames_per_second,
    held_out,
    touched,
)
from training.run_state import ResumableRun
from training.schedule import OneCycle

EQUAL = 1e-5  # squared error (50 dB) below which little is left to gain, so that sharp frames do not rule
ABOUT = {
    "data": "talking faces of public research pages (see the model card), blurred by training.blur_batches",
    "licence": "weights only; the footage belongs to others and is not part of the project",
    "card": "checkpoints/deblur.md",
}
# Of the command line.
SETTINGS = ("steps", "minutes", "batch", "rate", "seed")


@dataclass(frozen=True)
class DeblurTraining:
    """Everything that decides a run but the data."""

    steps: int = 20_000  # about what one H200 does in seven minutes
    minutes: float = 240.0  # after which a run ends, however many steps a processor leaves undone
    batch: int = 48
    cut: int = 192  # px, side of the batches that are not whole frames
    rate: float = 2e-3  # at its highest
    warmup: float = 0.03  # share of the run in which the rate rises
    decay: float = 1e-4
    average: float = 0.999  # decay of the moving average of the weights
    settled: float = 0.75  # share of the run after which norms stay as they will be in use
    sharp_share: float = 0.1  # of a batch, left as it is
    seed: int = 11
    look: float = 30.0  # seconds between two looks at val


def fidelity_loss(restored: Tensor, sharp: Tensor) -> Tensor:
    """The mean logarithm of each picture's squared error: PSNR but for its sign and unit.

    Pictures (batch, 3, side, side) of 0 … 1 → ().
    """
    return (restored - sharp).square().mean((1, 2, 3)).add(EQUAL).log().mean()


def settle(network: nn.Module) -> None:
    """Have norms use the statistics they will have in use, for the weights to be fitted to those."""
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.eval()


class DeblurTrainer(ResumableRun):
    """One run: state that is saved, and one step after another."""

    network: ResidualUNet
    average: ResidualUNet

    def __init__(
        self, network: ResidualUNet, settings: DeblurTraining, source: PairSource, device: torch.device
    ) -> None:
        self._settings, self._source, self._device = settings, source, device
        self.group = ProcessGroup(0, 1, str(device))
        self.network = network.to(device).train()
        for value in self.network.parameters():  # in the layout of tensor cores
            if value.dim() == 4:
                value.data = value.data.contiguous(memory_format=torch.channels_last)
        self.average = copy.deepcopy(self.network).eval()
        self._optimiser = torch.optim.AdamW(
            self.network.parameters(),
            lr=settings.rate,
            betas=(0.9, 0.99),
            weight_decay=settings.decay,
            fused=device.type == "cuda",
        )
        self._schedule = OneCycle(
            self._optimiser,
            settings.rate,
            steps=settings.steps,
            warmup=settings.warmup,
            minutes=settings.minutes,
        )
        self.step = 0
        self.best = float("-inf")

    def train_step(self) -> Tensor:
        """One batch; returns its loss (), which a card may still be computing."""
        if self.progress >= self._settings.settled:
            settle(self.network)
        blurred, sharp = self._source.draw(self.step)
        with torch.autocast(self._device.type, torch.bfloat16):
            restored = self.network(blurred)
        loss = fidelity_loss(restored.float(), sharp)
        self._optimiser.zero_grad(set_to_none=True)
        torch.autograd.backward(loss)
        torch.nn.utils.clip_grad_norm_(self.network.parameters(), 1.0)
        self._optimiser.step()
        self._schedule.step()
        self.step += 1
        self._update_average(self._settings.average)
        return loss.detach()

    def judge(self, gain_db: float) -> bool:
        """Take note of a look at val; whether this was the best so far."""
        better = gain_db > self.best
        self.best = max(self.best, gain_db)
        return better

    def restorer(self) -> Restorer:
        """The averaged network at work on the processor, where it disturbs no training."""
        return Restorer(copy.deepcopy(self.average).cpu())

    def checkpoint(self, about: dict[str, object]) -> Checkpoint:
        """The averaged network, ready to be served, at half its size."""
        config = {"widths": list(self.average.widths), "blurry_below": BLURRY_BELOW}
        tensors = dict(self.average.state_dict())
        return Checkpoint("deblur", ARCHITECTURE, config, tensors, about=about).halved()


def train(
    trainer: DeblurTrainer,
    settings: DeblurTraining,
    held: Sequence[Pair],
    folder: RunFolder,
    about: dict[str, str],
    device: torch.device,
) -> None:
    """Run to the end, looking at ``held`` now and then and keeping the best, with what it is about."""
    if folder.last.exists():
        trainer.resume(folder.last)
        print(f"resumed at step {trainer.step}", flush=True)
    look, losses = Look(held, device), list[Tensor]()
    print(f"before: {look.gain(trainer.average):.3f} dB", flush=True)
    looked = time.monotonic()
    while trainer.progress < 1:
        losses.append(trainer.train_step())
        if trainer.progress < 1 and time.monotonic() - looked < settings.look:
            continue
        entry = {
            "step": trainer.step,
            "minutes": round(trainer.minutes, 2),
            "loss": round(float(torch.stack(losses).mean()), 4),
            "gain_db": round(look.gain(trainer.average), 3),
        }
        looked, losses = time.monotonic(), []
        folder.report(entry)
        if trainer.judge(entry["gain_db"]):
            trainer.checkpoint({**about, "settings": asdict(settings), "val": entry}).save(folder.best)
            folder.show(trainer.restorer(), held[:6])
        trainer.save(folder.last)


def evaluate(path: Path, clips: Path) -> None:
    """Print what the model card states."""
    from training.clips import prepared  # takes libraries that a machine with only a pack may lack

    restorer = Restorer.from_checkpoint(Checkpoint.load(path, kind="deblur"))
    val = prepared(clips, split="val")
    frames = val_frames(val, VAL_FRAMES)
    print(f"{len(frames)} val frames\n" + "\n".join(figures(restorer, frames, HELD_OUT_SEED)))
    large = [clip for clip in val if float(clip.facts["face_px"]) >= CLEARLY_LARGE_PX]
    restored, total = touched(large, restorer.blurry_below)
    print(
        f"auto touches {restored} of {total} frames of {len(large)} unblurred clips (≥ {CLEARLY_LARGE_PX} px)"
    )
    for kind, share in found(frames, restorer.blurry_below, HELD_OUT_SEED).items():
        print(f"auto finds {share:.2f} of the frames with blur: {kind}")
    print(f"{frames_per_second(restorer, np.stack(frames)):.0f} frames/s, {torch.get_num_threads()} threads")


def begun(start: Path | None, widths: Sequence[int]) -> ResidualUNet:
    """The network a run begins with: an earlier one or a new one."""
    if not start:
        return ResidualUNet(widths=widths)
    checkpoint = Checkpoint.load(start, kind="deblur")
    return load_residual(replace(checkpoint, config={"widths": checkpoint.config["widths"]}))


def main() -> None:
    defaults = DeblurTraining()
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--clips", type=Path, default=Path(".cache/clips"), help="what training.prepare wrote"
    )
    parser.add_argument("--pack", type=Path, help="what training.frame_pack wrote, instead of --clips")
    parser.add_argument("--blurred", type=Path, help="a folder of blurred pictures, instead of --clips")
    parser.add_argument("--sharp", type=Path, help="a folder of the same pictures, sharp")
    parser.add_argument("--run-dir", type=Path, default=Path("runs/deblur"))
    parser.add_argument("--steps", type=int, default=defaults.steps)
    parser.add_argument(
        "--minutes",
        type=float,
        default=defaults.minutes,
        help="after which the run ends, if its steps do not",
    )
    parser.add_argument("--batch", type=int, default=defaults.batch)
    parser.add_argument("--rate", type=float, default=defaults.rate, help="highest learning rate")
    parser.add_argument("--start", type=Path, help="a checkpoint whose weights a new run begins with")
    parser.add_argument("--widths", type=int, nargs=4, default=list(WIDTHS), help="of a new network")
    parser.add_argument("--seed", type=int, default=defaults.seed)
    parser.add_argument("--threads", type=int, default=2, help="of the processor")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--evaluate", type=Path, help="a checkpoint to measure; nothing is trained")
    arguments = parser.parse_args()
    if (arguments.blurred is None) != (arguments.sharp is None):
        parser.error("give --blurred and --sharp together")
    torch.set_num_threads(arguments.threads)
    torch.manual_seed(arguments.seed)
    torch.backends.cudnn.benchmark = True  # two sizes of frames come over and over
    if arguments.evaluate:
        evaluate(arguments.evaluate, arguments.clips)
        return
    device = torch.device(arguments.device)
    settings = replace(defaults, **{name: getattr(arguments, name) for name in SETTINGS})
    drawing = {"batch": settings.batch, "cut": settings.cut, "seed": settings.seed}
    source: PairSource
    if arguments.blurred:
        pairs = read_pairs(arguments.blurred, arguments.sharp)
        kept = max(1, len(pairs) // 10)
        source, held = PairedFolders(pairs[:-kept], device, **drawing), pairs[-kept:]
        about = {"data": f"pairs of {arguments.blurred} and {arguments.sharp}"}
        print(f"{len(pairs) - kept} pairs to train on; {kept} to look at", flush=True)
    else:
        packed, val = (
            [read_pack(arguments.pack, split=split) for split in ("train", "val")]
            if arguments.pack
            else selected(arguments.clips)
        )
        about, blur = ABOUT, BlurSettings(sharp_share=settings.sharp_share)
        source = BlurredFrames(packed, blur, device, **drawing)
        looked_at = [frame.picture() for frame in val]
        held = list(zip(*held_out(looked_at, MIXTURE, HELD_OUT_SEED), strict=True))
        print(f"{len(packed)} sharp frames to train on; {len(held)} to look at", flush=True)
    trainer = DeblurTrainer(begun(arguments.start, arguments.widths), settings, source, device)
    train(trainer, settings, held, RunFolder(arguments.run_dir), about, device)


if __name__ == "__main__":
    main()
