"""The published schedule against ours, on one clip, in one run.

    python -m benchmarks.schedule [VIDEO] [--windows 2] [--json FILE]

The published schedule repeats a window's frames for each of its 31 delays, runs the visual encoder once more
for the features, and encodes the sound anew for every window. It is timed on a few windows and scaled to the
clip; ours is timed on the whole clip as often. Both use the same weights, and must agree on those windows.

The floor of ours is the time that its operations would take at the rate of a large matrix product.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
import time
from collections.abc import Callable, Sequence
from copy import deepcopy
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import TypeVar

import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks.matrix_rate import matrix_rate, operations
from benchmarks.report import write_json
from outofsync.constants import (
    DELAYS,
    FACE_SIZE,
    MAX_DELAY,
    MAX_WINDOWS,
    SAMPLES_PER_FRAME,
    WINDOW_FRAMES,
)
from outofsync.frames import RawFrames
from outofsync.limits import Limits
from outofsync.media import Decoder
from outofsync.synchrony.interface import SyncInput, SyncOutput
from outofsync.synchrony.logmel import CHUNK_SAMPLES, LogMel
from outofsync.synchrony.published import PublishedConfig, PublishedModel
from outofsync.synchrony.published.schedule import PublishedNetwork

DEFAULT_VIDEO = Path(__file__).parents[1] / "../shared/parity/published/test.mp4"
AGREEMENT = 1e-3  # largest difference, relative to the largest number

Result = TypeVar("Result")


@dataclass(frozen=True)
class Comparison:
    """Seconds of wall clock for one whole clip."""

    windows: int
    published_seconds: float
    our_seconds: float
    ratio: float
    difference: float  # relative to the largest number
    published_operations: int  # for the whole clip
    our_operations: int
    matrix_rate: float  # operations a second
    floor_seconds: float  # of ours
    floor_share: float  # of our seconds


def read_clip(video: Path | None, windows: int) -> SyncInput:
    """The first windows of a 224×224 video, or noise where there is none (the work does not depend on it)."""
    count = windows + WINDOW_FRAMES - 1
    if video is None:
        rng = np.random.default_rng(0)
        frames = rng.integers(0, 256, (count, FACE_SIZE, FACE_SIZE, 3), np.uint8)
        audio = rng.integers(-3000, 3000, count * SAMPLES_PER_FRAME, np.int16)
        return SyncInput(RawFrames(frames), audio)
    with Decoder(video.read_bytes(), Limits()) as decoder:
        frames = np.concatenate(list(decoder.frames()))
        return SyncInput(RawFrames(frames[:count]), decoder.audio)


def published_schedule(model: PublishedModel, clip: SyncInput, window: int) -> SyncOutput:
    """One window with everything computed anew."""
    silence = np.zeros(MAX_DELAY * SAMPLES_PER_FRAME, np.int16)
    audio = torch.from_numpy(np.concatenate([silence, clip.audio, silence]))
    start = window * SAMPLES_PER_FRAME
    heard = audio[start : start + (DELAYS - 1) * SAMPLES_PER_FRAME + CHUNK_SAMPLES]
    mel = LogMel()(heard.unfold(0, CHUNK_SAMPLES, SAMPLES_PER_FRAME)).unsqueeze(1)
    block = torch.tensor(clip.frames.read(window, window + WINDOW_FRAMES)).float()
    frames = block.permute(3, 0, 1, 2).unsqueeze(0)  # (1, 3, 5, 224, 224)
    logits, _ = model(frames.repeat(DELAYS, 1, 1, 1, 1), mel)
    _, features = model(frames, mel[MAX_DELAY : MAX_DELAY + 1])
    return SyncOutput(logits[None].numpy(), features.numpy())


def timed(function: Callable[[], Result]) -> tuple[float, Result]:
    start = time.perf_counter()
    result = function()
    return time.perf_counter() - start, result


def difference(ours: NDArray[np.float32], published: NDArray[np.float32]) -> float:
    """Largest difference, relative to the largest number."""
    return float(np.abs(ours - published).max() / np.abs(published).max())


@torch.inference_mode()
def compare(clip: SyncInput, rounds: int) -> Comparison:
    """Time both schedules on the published sizes, turn by turn, and keep the fastest round of each.

    Raises RuntimeError where they disagree on a window.
    """
    torch.manual_seed(0)
    model = PublishedModel(PublishedConfig()).eval().requires_grad_(False)  # or operations go uncounted
    network = PublishedNetwork(deepcopy(model))
    counted = operations(lambda: network.evaluate([clip]))  # warms up, too
    window_operations = operations(lambda: published_schedule(model, clip, 0))
    our_seconds, window_seconds, rate, apart = math.inf, math.inf, 0.0, 0.0
    for window in range(rounds):
        rate = max(rate, matrix_rate())
        seconds, ours = timed(lambda: network.evaluate([clip])[0])
        our_seconds = min(our_seconds, seconds)
        seconds, published = timed(partial(published_schedule, model, clip, window))
        window_seconds = min(window_seconds, seconds)
        apart = max(
            apart,
            difference(ours.delays[window], published.delays[0]),
            difference(ours.features[window], published.features[0]),
        )
    if apart > AGREEMENT:
        raise RuntimeError(f"the schedules disagree by {apart:.1e} of the largest number")
    published_seconds = window_seconds * clip.windows
    return Comparison(
        windows=clip.windows,
        published_seconds=published_seconds,
        our_seconds=our_seconds,
        ratio=published_seconds / our_seconds,
        difference=apart,
        published_operations=window_operations * clip.windows,
        our_operations=counted,
        matrix_rate=rate,
        floor_seconds=counted / rate,
        floor_share=counted / rate / our_seconds,
    )


def print_comparison(found: Comparison) -> None:
    print(f"{'schedule':<12}{'s per clip':>12}{'s per window':>14}{'TFLOP per clip':>16}")
    for name, seconds, count in (
        ("published", found.published_seconds, found.published_operations),
        ("ours", found.our_seconds, found.our_operations),
    ):
        print(f"{name:<12}{seconds:>12.2f}{seconds / found.windows:>14.3f}{count / 1e12:>16.3f}")
    print(f"{found.ratio:.1f} times as fast on {found.windows} windows; apart by {found.difference:.1e}")
    print(
        f"matrix rate {found.matrix_rate / 1e9:.0f} GFLOP/s: ours takes at least {found.floor_seconds:.2f} s,"
        f" {found.floor_share:.0%} of what it took"
    )


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description="Time the published schedule against ours.")
    parser.add_argument("video", nargs="?", type=Path, help="a video of 224 by 224 pixels with sound")
    parser.add_argument(
        "--windows", type=int, default=2, help="windows to time the published schedule on, and runs of ours"
    )
    parser.add_argument(
        "--json", metavar="FILE", help="write the numbers there; - for the last line of output"
    )
    chosen = parser.parse_args(arguments)
    video = chosen.video or (DEFAULT_VIDEO if DEFAULT_VIDEO.exists() else None)
    result = compare(read_clip(video, MAX_WINDOWS), chosen.windows)
    print_comparison(result)
    if chosen.json == "-":
        sys.stdout.write(json.dumps(asdict(result)) + "\n")
    elif chosen.json:
        write_json(Path(chosen.json), asdict(result))


if __name__ == "__main__":
    main()
