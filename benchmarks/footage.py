"""Footage to measure with: the rendered head of ``samples/`` in a 720p picture, of any length.

    python -m benchmarks.footage 60 minute.mp4

Nobody's likeness is in it. The head is played forwards, then backwards, so that one shot and one face last
from end to end; its voice goes on and starts again every seven seconds. One such cycle is encoded and its
packets are repeated, so that every length has the same bit rate and ten minutes take seconds to make. Without
B-frames, as telephones record, the packets may end at any frame.
"""

from __future__ import annotations

import argparse
import hashlib
import os
from collections.abc import Iterator, Sequence
from fractions import Fraction
from itertools import islice
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
from av.packet import Packet
from numpy.typing import NDArray

from outofsync.constants import FRAME_RATE, SAMPLE_RATE, SAMPLES_PER_FRAME
from outofsync.limits import Limits
from outofsync.media import Decoder

ROOT = Path(__file__).resolve().parent.parent
HEAD = ROOT / "samples" / "synchronised.mp4"
CACHE = ROOT / ".cache" / "bench"
VIDEO_BITS_PER_S = 850_000
STEADY_RATE = {"maxrate": str(VIDEO_BITS_PER_S), "bufsize": str(VIDEO_BITS_PER_S)}  # over a second
PAN = 40  # pixels the background wanders to either side
NOISE = 3.0  # standard deviation, of 255 grey levels

Picture = NDArray[np.uint8]


def footage(seconds: float, width: int = 1280, height: int = 720, *, still: bool = False) -> bytes:
    """An mp4 (H.264, AAC 16 kHz mono, 25 frames/s) with one head in it; a ``still`` picture if so asked."""
    return stored(seconds, width, height, still=still).read_bytes()


def stored(seconds: float, width: int = 1280, height: int = 720, *, still: bool = False) -> Path:
    """The file with such footage: it is made once and kept under ``.cache/bench``."""
    frames = round(seconds * FRAME_RATE)
    path = CACHE / f"{frames}-{width}x{height}{'-still' * still}-{_fingerprint()}.mp4"
    if not path.exists():
        with Decoder(HEAD.read_bytes(), Limits()) as decoder:
            head, sound = np.concatenate(list(decoder.frames())), decoder.audio
        CACHE.mkdir(parents=True, exist_ok=True)
        partial = path.with_suffix(f".{os.getpid()}")
        _write(partial, _cycle(head[:1] if still else head, width, height), sound, frames)
        partial.replace(path)
    return path


def _fingerprint() -> str:
    """Footage that this module or the head no longer makes is not taken from the cache."""
    return hashlib.sha256(Path(__file__).read_bytes() + HEAD.read_bytes()).hexdigest()[:12]


def _cycle(head: Picture, width: int, height: int) -> Iterator[Picture]:
    """Pictures (height, width, 3): the head (frames, side, side, 3) there and back, before a wall."""
    random = np.random.default_rng(0)
    coarse = random.integers(90, 150, (height // 80 + 1, (width + 2 * PAN) // 80 + 1, 1), np.uint8).repeat(
        3, 2
    )
    wall = cv2.resize(coarse, (width + 2 * PAN, height), interpolation=cv2.INTER_CUBIC)
    side = min(head.shape[1], height, width)
    top, left = (height - side) // 2, (width - side) // 2
    rounds = max(2 * len(head), 2 * FRAME_RATE)  # a still head, too, gets whole seconds
    for number in range(rounds):
        shift = 0 if len(head) == 1 else round(PAN * np.sin(2 * np.pi * number / rounds))
        picture = wall[:, PAN + shift : PAN + shift + width].astype(np.float32)
        picture += random.normal(0, NOISE, (height, width, 1)).astype(np.float32)
        shown = head[min(number % (2 * len(head)), 2 * len(head) - 1 - number % (2 * len(head)))]
        picture[top : top + side, left : left + side] = cv2.resize(shown, (side, side))
        yield np.clip(picture, 0, 255).astype(np.uint8)


def _write(path: Path, cycle: Iterator[Picture], sound: NDArray[np.int16], frames: int) -> None:
    """``frames`` frames of the cycle, again and again, with as much sound."""
    first = next(cycle)
    with av.open(str(path), "w", format="mp4", options={"movflags": "+faststart"}) as container:
        video = container.add_stream("libx264", rate=FRAME_RATE)
        video.height, video.width = first.shape[:2]
        video.pix_fmt = "yuv420p"
        video.bit_rate = VIDEO_BITS_PER_S
        video.options = {"preset": "veryfast", "bf": "0", "g": str(2 * FRAME_RATE), **STEADY_RATE}
        audio = container.add_stream("aac", rate=SAMPLE_RATE, layout="mono")
        encoded = [
            packet
            for picture in (first, *islice(cycle, frames - 1))
            for packet in video.encode(av.VideoFrame.from_ndarray(picture, format="rgb24"))
        ] + video.encode(None)
        heard = np.resize(sound, (1, frames * SAMPLES_PER_FRAME))  # numpy repeats it
        samples = av.AudioFrame.from_ndarray(heard, format="s16", layout="mono")
        samples.sample_rate, samples.time_base, samples.pts = SAMPLE_RATE, Fraction(1, SAMPLE_RATE), 0
        packets = [*_repeated(encoded, frames), *audio.encode(samples), *audio.encode(None)]
        for packet in sorted(packets, key=lambda packet: (packet.dts or 0) * (packet.time_base or 0)):
            container.mux(packet)


def _repeated(encoded: Sequence[Packet[Any]], frames: int) -> Iterator[Packet[Any]]:
    """A copy of the packets, which hold a frame each, until there are ``frames``."""
    for number in range(frames):
        source = encoded[number % len(encoded)]
        packet: Packet[Any] = Packet(bytes(source))
        packet.stream, packet.time_base = source.stream, Fraction(1, FRAME_RATE)
        packet.pts = packet.dts = number
        packet.duration = 1
        packet.is_keyframe = source.is_keyframe
        yield packet


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description="Make footage to measure with.")
    parser.add_argument("seconds", type=float)
    parser.add_argument("output", type=Path)
    parser.add_argument("--width", type=int, default=1280)
    parser.add_argument("--height", type=int, default=720)
    parser.add_argument("--still", action="store_true")
    chosen = parser.parse_args(arguments)
    chosen.output.write_bytes(footage(chosen.seconds, chosen.width, chosen.height, still=chosen.still))


if __name__ == "__main__":
    main()
