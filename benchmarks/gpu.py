"""Speed on a graphics card, and what half precision costs in accuracy.

    python -m benchmarks.gpu [--device cuda:0] [--batches 1 8 32] [--json FILE]

One clip is ten seconds of made-up crops and sound. The default network's work is deblurring every crop,
synchrony and scoring; the face network's is every stretch of a track, with what it measures on the processor;
the published one's is its synchrony network, in our schedule and in the published one. Those two take clips
one after another, so that a larger batch would tell nothing new.
Work is counted in floating-point operations and set against what the card does in a plain matrix product of
the same precision. Without a graphics card only the accuracy is measured, on the processor.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from copy import deepcopy
from dataclasses import asdict, dataclass
from functools import partial
from typing import cast

import numpy as np
import torch
from torch import Tensor, nn

from benchmarks.matrix_rate import operations as operations_of
from benchmarks.precision import Difference, checkpoint, differences
from benchmarks.report import parser, print_table, write_json
from benchmarks.schedule import published_schedule
from outofsync.appearance.schedule import FaceJudge
from outofsync.constants import FACE_SIZE, FRAME_RATE, MAX_WINDOWS, SAMPLES_PER_FRAME
from outofsync.deblur.restorer import Restorer
from outofsync.frames import RawFrames
from outofsync.precision import FullFloat32
from outofsync.runner import Precision
from outofsync.scoring.score import Segment, load_scorer
from outofsync.scoring.segments import segment_bounds
from outofsync.synchrony.interface import SyncInput
from outofsync.synchrony.published import PublishedConfig, PublishedModel
from outofsync.synchrony.published.schedule import PublishedNetwork
from outofsync.synchrony.registry import load_sync

BATCHES = (1, 8, 32)
FRAMES = 10 * FRAME_RATE
ROUNDS = 3  # of which the fastest counts
MATRIX_SIDE = 8192

Work = Callable[[Sequence[SyncInput]], object]


@dataclass(frozen=True)
class Speed:
    """How fast one kind of work went."""

    work: str
    precision: str
    batch: int
    clips_per_s: float
    real_time: float  # seconds of video a second
    teraflops: float
    share_of_card: float  # of its rate in matrix products


def made_up_clip(frames: int) -> SyncInput:
    """Noise: the work does not depend on what is seen or heard."""
    random = np.random.default_rng(0)
    crops = random.integers(0, 256, (frames, FACE_SIZE, FACE_SIZE, 3), np.uint8)
    return SyncInput(RawFrames(crops), random.integers(-3000, 3000, frames * SAMPLES_PER_FRAME, np.int16))


def default_work(device: str, precision: Precision) -> Work:
    """What the shipped networks do together for a batch of clips; the face network has rows of its own."""
    restorer = Restorer.from_checkpoint(checkpoint("deblur"), device, precision)
    network = load_sync(checkpoint("sync"), device, precision)
    scorer = load_scorer(checkpoint("scoring"), device)

    def work(clips: Sequence[SyncInput]) -> None:
        restored = restorer.restore_all([clip.frames.read(0, len(clip.frames)) for clip in clips])
        deblurred = [
            SyncInput(RawFrames(crops), clip.audio) for crops, clip in zip(restored, clips, strict=True)
        ]
        for output in network.evaluate(deblurred):
            features = scorer.project(output.features)
            bounds = segment_bounds(len(features), MAX_WINDOWS)
            scorer.score_segments([Segment(output.delays[a:b], features[a:b]) for a, b in bounds])

    return work


def face_work(device: str) -> Work:
    """What the face network does for a batch of clips."""
    judge = FaceJudge.from_checkpoint(checkpoint("face"), device)
    return lambda clips: judge.evaluate([clip.frames for clip in clips])


class _Moved(nn.Module):
    """A model on a device that takes from and gives to main memory."""

    def __init__(self, model: nn.Module, device: str) -> None:
        super().__init__()
        self._model, self._device = model.to(device), device

    def forward(self, frames: Tensor, mel: Tensor) -> tuple[Tensor, ...]:
        # The frames of all delays are the same: one is copied and repeated there, which favours this side.
        repeated = frames[:1].to(self._device).repeat(len(frames), 1, 1, 1, 1)
        return tuple(output.cpu() for output in self._model(repeated, mel.to(self._device)))


def published_works(device: str, config: PublishedConfig) -> tuple[Work, Work]:
    """The published network on the whole of each clip in our schedule, and on one window in its own."""
    model = PublishedModel(config).eval().requires_grad_(False)  # or operations could not be counted
    network = PublishedNetwork(deepcopy(model), device)
    moved = cast(PublishedModel, _Moved(model, device))

    def one_window(clips: Sequence[SyncInput]) -> object:
        return published_schedule(moved, clips[0], 0)

    return network.evaluate, one_window


@torch.inference_mode()
def fastest(work: Callable[[], object], device: str, rounds: int = ROUNDS) -> float:
    """Seconds of the fastest round, after one that loads kernels and records passes."""
    seconds = [_seconds(work, device) for _ in range(rounds + 1)]
    return min(seconds[1:])


def _seconds(work: Callable[[], object], device: str) -> float:
    def settle() -> None:
        if torch.device(device).type == "cuda":
            torch.cuda.synchronize(device)

    settle()
    start = time.perf_counter()
    with FullFloat32():
        work()
        settle()
    return time.perf_counter() - start


def matrix_rate(device: str, dtype: torch.dtype, side: int = MATRIX_SIDE) -> float:
    """Floating-point operations a second in products of two square matrices."""
    one = torch.randn(side, side, device=device, dtype=dtype)
    return 2 * side**3 / fastest(lambda: one @ one, device, 10)


@torch.inference_mode()
def operations(work: Work, clip: SyncInput) -> int:
    """Floating-point operations of one clip; those of replayed passes would not be seen."""
    return operations_of(lambda: work([clip]))


def speeds(
    device: str,
    batches: Sequence[int] = BATCHES,
    frames: int = FRAMES,
    side: int = MATRIX_SIDE,
    config: PublishedConfig | None = None,
) -> Iterator[Speed]:
    """Each kind of work in each batch size."""
    clip = made_up_clip(frames)
    rates: dict[str, float] = {
        "float32": matrix_rate(device, torch.float32, side),
        "half": matrix_rate(device, torch.float16, side),
    }

    def speed(name: str, precision: str, batch: int, seconds: float, count: float) -> Speed:
        rate = batch * count / seconds
        played = batch * frames / FRAME_RATE
        return Speed(
            name, precision, batch, batch / seconds, played / seconds, rate / 1e12, rate / rates[precision]
        )

    count = operations(default_work("cpu", "float32"), clip)
    precisions: tuple[Precision, ...] = ("float32", "half")
    for precision in precisions:
        work = default_work(device, precision)
        for batch in batches:
            seconds = fastest(partial(work, [clip] * batch), device)
            yield speed("default", precision, batch, seconds, count)
    ours, one_window = published_works(device, config or PublishedConfig())
    for name, alone in (("face", face_work(device)), ("published network", ours)):
        seconds, count = fastest(partial(alone, [clip]), device), operations(alone, clip)
        yield speed(name, "float32", 1, seconds, count)
    seconds, count = fastest(partial(one_window, [clip]), device), operations(one_window, clip)
    yield speed("published schedule", "float32", 1, seconds * clip.windows, count * clip.windows)


def show_differences(found: Sequence[Difference], device: str) -> None:
    columns = ("precision", "grey levels", "pixels changed", "delays", "probability", "same verdicts")
    rows = [tuple(asdict(each).values()) for each in found]
    print_table(f"Largest differences from float32 on {device}, samples/", columns, rows)


def main(arguments: Sequence[str] | None = None) -> None:
    command = parser("Measure speed on a graphics card, and what half precision costs in accuracy.")
    command.add_argument("--device", help="the card, if not the first", default="cuda:0")
    command.add_argument("--batches", type=int, nargs="+", default=BATCHES, help="clips taken together")
    chosen = command.parse_args(arguments)
    card = torch.cuda.is_available()
    device = chosen.device if card else "cpu"
    found = differences(device, ("half",) if card else ("bfloat16", "float16"))
    show_differences(found, device)
    measured = list(speeds(device, chosen.batches)) if card else []
    if card:
        columns = ("work", "precision", "batch", "clips/s", "x real time", "TFLOP/s", "of the card")
        rows = [tuple(asdict(each).values()) for each in measured]
        print_table(f"Clips of 10 s on {torch.cuda.get_device_name(device)}", columns, rows)
    else:
        print("\nNo GPU was found, so no speed was measured.")
    results = {
        "device": torch.cuda.get_device_name(device) if card else None,
        "differences": [asdict(each) for each in found],
        "speeds": [asdict(each) for each in measured],
    }
    write_json(chosen.json, results)


if __name__ == "__main__":
    main()
