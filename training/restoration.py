"""What deblurring gains: pictures, curves and figures, against doing nothing and classical remedies."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from outofsync.deblur.restorer import Restorer
from outofsync.deblur.sharpness import blurry_frames, sharpness
from training.blur import (
    BlurSettings,
    Frame,
    Random,
    blur,
    defocus,
    from_light,
    gauss,
    motion,
    shake,
    to_light,
)
from training.pairs import Pair, planes

if TYPE_CHECKING:  # reading clips takes libraries that a machine with only a pack may lack
    from training.clips import PreparedClip

Frames = NDArray[np.uint8]  # (frames, height, width, 3) RGB
MIXTURE = "mixture with noise and compression"
HELD_OUT_SEED = 20_000  # of the blur on val frames
CLEARLY_LARGE_PX = 180  # faces that auto must leave alone when sharp
MAX_DB = 60.0  # what equal pictures count as: their PSNR would have no end
ALWAYS_BLURRED = BlurSettings(sharp_share=0.0)

KINDS: dict[str, Callable[[Frame, Random], Frame]] = {
    "motion": lambda frame, random: from_light(motion(to_light(frame), random, ALWAYS_BLURRED)),
    "defocus": lambda frame, random: from_light(defocus(to_light(frame), random, ALWAYS_BLURRED)),
    "Gaussian": lambda frame, random: from_light(gauss(to_light(frame), random, ALWAYS_BLURRED)),
    "turning head": lambda frame, random: from_light(shake(to_light(frame), random, ALWAYS_BLURRED)),
    MIXTURE: lambda frame, random: blur(frame, random, ALWAYS_BLURRED),
}


@dataclass(frozen=True)
class Fidelity:
    """How close pictures are to the sharp ones: mean PSNR (dB) and mean SSIM."""

    psnr: float
    ssim: float


# scikit-image is imported where it is used: only those who compare need it, not those who train.


def psnr(picture: Frame, truth: Frame) -> float:
    """Peak signal-to-noise ratio in dB, of two pictures (height, width, 3) RGB."""
    from skimage.metrics import peak_signal_noise_ratio

    with np.errstate(divide="ignore"):  # equal pictures
        ratio = float(peak_signal_noise_ratio(truth, picture, data_range=255))  # type: ignore[no-untyped-call]
    return min(MAX_DB, ratio)


def ssim(picture: Frame, truth: Frame) -> float:
    """Structural similarity of the grey pictures (Wang et al. 2004: Gaussian window of 1.5 px).

    Averaged over all of the picture, its edges continued by mirroring: a mouth may lie there.
    """
    from skimage.metrics import structural_similarity

    grey = (cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY) for frame in (truth, picture))
    _, local = structural_similarity(  # type: ignore[no-untyped-call]
        *grey, gaussian_weights=True, sigma=1.5, use_sample_covariance=False, data_range=255, full=True
    )
    return float(local.mean())


def fidelity(pictures: Frames, truth: Frames) -> Fidelity:
    """Means over pictures (frames, height, width, 3) and the sharp ones in the same order."""
    pairs = list(zip(pictures, truth, strict=True))
    return Fidelity(
        float(np.mean([psnr(*pair) for pair in pairs])), float(np.mean([ssim(*pair) for pair in pairs]))
    )


def unsharp_mask(frames: Frames, sigma: float = 1.5, amount: float = 0.7) -> Frames:
    """The classical remedy to compare with: (frames, height, width, 3) → the same."""
    sharpened = [
        cv2.addWeighted(frame, 1 + amount, cv2.GaussianBlur(frame, (0, 0), sigma), -amount, 0)
        for frame in frames
    ]
    return np.asarray(sharpened, np.uint8)


RL_PADDING = 16  # px that a picture is continued by on each side, so that its edges do not ring
RL_SIGMA = 1.0  # px; with the iterations the best of a grid on blurred frames of people trained on
RL_ITERATIONS = 8


def richardson_lucy(frames: Frames, sigma: float = RL_SIGMA, iterations: int = RL_ITERATIONS) -> Frames:
    """Richardson-Lucy deconvolution of (frames, height, width, 3) in linear light, for one Gaussian.

    Nobody tells a restorer which blur it meets; one kernel for all kinds is what this method can be given.
    """
    from skimage.restoration import richardson_lucy as deconvolve

    side = 2 * math.ceil(3 * sigma) + 1
    line = cv2.getGaussianKernel(side, sigma)
    kernel = (line @ line.T).astype(np.float32)
    pad = RL_PADDING
    restored = []
    for frame in frames:
        light = cv2.copyMakeBorder(to_light(frame), pad, pad, pad, pad, cv2.BORDER_REFLECT_101)
        planes = [
            deconvolve(np.asarray(plane), kernel, num_iter=iterations, clip=True)  # type: ignore[no-untyped-call]
            for plane in cv2.split(light)
        ]
        restored.append(from_light(np.stack(planes, -1)[pad:-pad, pad:-pad].astype(np.float32)))
    return np.stack(restored)


def held_out(frames: Sequence[Frame], kind: str, seed: int) -> tuple[Frames, Frames]:
    """The frames blurred in one way with a fixed seed: (blurred, sharp)."""
    random = np.random.default_rng(seed)
    return np.stack([KINDS[kind](frame, random) for frame in frames]), np.stack(frames)


class Look:
    """The gain on held-out pairs, as :func:`fidelity` has it, measured where the network learns."""

    def __init__(self, pairs: Sequence[Pair], device: torch.device) -> None:
        blurred, sharp = zip(*pairs, strict=True)
        self._blurred, self._sharp = (planes(side).to(device).float() for side in (blurred, sharp))
        self._before = self._psnr(self._blurred)

    @torch.no_grad()
    def gain(self, network: nn.Module) -> float:
        """Mean PSNR won over doing nothing (dB)."""
        restored = [network(some / 255) for some in torch.split(self._blurred, 16)]
        return self._psnr(torch.cat(restored).mul(255).round().clamp(0, 255)) - self._before

    def _psnr(self, pictures: Tensor) -> float:
        error = (pictures - self._sharp).square().mean((1, 2, 3)).clamp_min(1e-9)
        return float((10 * torch.log10(255**2 / error)).clamp_max(MAX_DB).mean())


def figures(restorer: Restorer, frames: Sequence[Frame], seed: int) -> list[str]:
    """The model card's table: one line for each kind of blur, then sharp frames left in and speed."""
    lines = [
        "| blur | as it is | unsharp mask | network |",
        "|---|---|---|---|",
    ]
    for kind in KINDS:
        blurred, sharp = held_out(frames, kind, seed)
        results = [
            fidelity(each, sharp) for each in (blurred, unsharp_mask(blurred), restorer.restore(blurred))
        ]
        cells = [f"{result.psnr:.2f} dB, {result.ssim:.3f}" for result in results]
        lines.append(f"| {kind} | {' | '.join(cells)} |")
    sharp = np.stack(frames)
    result = fidelity(restorer.restore(sharp), sharp)
    lines.append(f"| none (sharp frames) | unchanged | | {result.psnr:.2f} dB, {result.ssim:.3f} |")
    return lines


def touched(clips: Iterable[PreparedClip], blurry_below: float) -> tuple[int, int]:
    """Frames that ``deblur=auto`` would restore, of all."""
    restored = total = 0
    for clip in clips:
        store, _ = clip.read()
        blurry = blurry_frames(sharpness(store.read(0, len(store))), blurry_below)
        restored, total = restored + int(blurry.sum()), total + len(blurry)
    return restored, total


def found(frames: Sequence[Frame], blurry_below: float, seed: int) -> dict[str, float]:
    """Share of frames blurred in each way that fall below the threshold."""
    return {kind: float((sharpness(held_out(frames, kind, seed)[0]) < blurry_below).mean()) for kind in KINDS}


def frames_per_second(restorer: Restorer, frames: Frames) -> float:
    """Restoring speed of (frames, height, width, 3), best of three."""
    restorer.restore(frames)
    times = []
    for _ in range(3):
        begin = time.perf_counter()
        restorer.restore(frames)
        times.append(time.perf_counter() - begin)
    return len(frames) / min(times)


class RunFolder:
    """What a run leaves behind: log, loss curve, sample pictures, best and last state."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.last, self.best = folder / "last.pt", folder / "best.safetensors"
        self._samples, self._curve = folder / "samples.png", folder / "loss.png"
        self._log = folder / "log.jsonl"

    def report(self, entry: dict[str, float]) -> None:
        """One more look, printed, logged and drawn."""
        print(json.dumps(entry), flush=True)
        with self._log.open("a") as file:
            file.write(json.dumps(entry) + "\n")
        self._plot([json.loads(line) for line in self._log.read_text().splitlines()])

    def _plot(self, entries: list[dict[str, float]]) -> None:
        try:
            from matplotlib.figure import Figure
        except ImportError:  # a machine that only trains need not have it: the log says the same
            return
        figure = Figure(figsize=(9, 3))
        for axis, name in zip(figure.subplots(1, 2), ("loss", "gain_db"), strict=True):
            axis.plot([each["step"] for each in entries], [each[name] for each in entries])
            axis.set(xlabel="step", title=name)
        figure.savefig(self._curve)

    def show(self, restorer: Restorer, pairs: Sequence[Pair]) -> None:
        """Rows of blurred, restored, sharp."""
        blurred, sharp = (np.stack(side) for side in zip(*pairs, strict=True))
        columns = [np.concatenate(list(pictures)) for pictures in (blurred, restorer.restore(blurred), sharp)]
        cv2.imwrite(str(self._samples), cv2.cvtColor(np.concatenate(columns, 1), cv2.COLOR_RGB2BGR))
