"""Prepared clips small enough to be sent elsewhere: one coded video, one coded sound and an index for all.

    python -m training.packed --clips .cache/clips --output-dir packed/mouths
    python -m training.packed --clips .cache/clips --output-dir packed/faces --faces

A machine with a GPU is often at hand for minutes only, and far from the clips. What the trainings look at is
forty times smaller than what they are prepared from: mouths of 80 px for synchronisation, faces of 144 px for
the face network. It is read again without FFmpeg's libraries: OpenCV decodes HEVC, libsndfile Opus.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from outofsync.appearance.texture import SIDE, small
from outofsync.constants import FRAME_RATE, SAMPLE_RATE, SAMPLES_PER_FRAME
from outofsync.synchrony.embedding.inputs import KEPT_SIZE, mouth_pictures
from training.clips import PreparedClip, held_out, prepared
from training.face_clips import NEWS, NEWS_KEPT, SHORTEST
from training.preparation.ledger import Entry, read_ledger, rewrite

NAMES = ("file", "split", "label", "generator", "source", "identity", "sha256")
MOUTH_QUALITY, FACE_QUALITY = 22, 17  # constant rate factors of HEVC: less is better
SOUND_RATE = 20_000  # bits a second
LOOKED_AT = 56  # frames of a clip that the face network is trained on
WATCHED_FRAMES = 250  # of a clip of ``val``: no look at it takes more


@dataclass(frozen=True)
class PackedClip:
    """One clip: uint8 pictures (frames, side, side, 3), int16 sound (640 · frames,) and its line of facts."""

    pictures: NDArray[np.uint8]
    audio: NDArray[np.int16]
    facts: Entry


class PackWriter:
    """Appends clips to one video and one sound."""

    def __init__(self, folder: Path, side: int, quality: int) -> None:
        import av  # not needed where packs are read

        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._entries: list[Entry] = []
        self._video = av.open(str(folder / "pictures.mp4"), "w")
        self._pictures = self._video.add_stream("libx265", Fraction(FRAME_RATE))
        self._pictures.width = self._pictures.height = side
        self._pictures.pix_fmt = "yuv420p"
        self._pictures.options = {
            "preset": "medium",
            "x265-params": f"crf={quality}:keyint=1000:log-level=error",
        }
        self._audio = av.open(str(folder / "sound.ogg"), "w", format="ogg")
        self._sound = self._audio.add_stream("libopus", SAMPLE_RATE)
        self._sound.layout = "mono"
        self._sound.bit_rate = SOUND_RATE

    def add(self, pictures: NDArray[np.uint8], audio: NDArray[np.int16], facts: Entry) -> None:
        """One clip: pictures (frames, side, side, 3) RGB, int16 sound (640 · frames,)."""
        import av

        for picture in pictures:
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), format="rgb24")
            self._video.mux(self._pictures.encode(frame))
        heard = np.ascontiguousarray(audio[: len(pictures) * SAMPLES_PER_FRAME])
        block = av.AudioFrame.from_ndarray(heard[None], format="s16", layout="mono")
        block.sample_rate = SAMPLE_RATE
        self._audio.mux(self._sound.encode(block))
        self._entries.append({name: facts[name] for name in NAMES} | {"frames": len(pictures)})

    def close(self) -> None:
        for container, stream in ((self._video, self._pictures), (self._audio, self._sound)):
            container.mux(stream.encode(None))
            container.close()
        rewrite(self._folder / "index.jsonl", self._entries)


def unpacked(folder: Path) -> Iterator[PackedClip]:
    """The clips of a pack, in the order in which they went in."""
    import soundfile

    sound, rate = soundfile.read(folder / "sound.ogg", dtype="int16")
    if rate != SAMPLE_RATE:
        raise ValueError(f"{folder}: sound at {rate} Hz, not {SAMPLE_RATE}")
    video = cv2.VideoCapture(str(folder / "pictures.mp4"))
    first = 0
    for facts in read_ledger(folder / "index.jsonl"):
        frames = int(facts["frames"])
        pictures = np.stack([_next(video, folder) for _ in range(frames)])
        audio = sound[first * SAMPLES_PER_FRAME : (first + frames) * SAMPLES_PER_FRAME]
        yield PackedClip(pictures, audio, facts)
        first += frames


def _next(video: cv2.VideoCapture, folder: Path) -> NDArray[np.uint8]:
    found, picture = video.read()
    if not found:
        raise ValueError(f"{folder}: the video ends before the index does")
    return np.asarray(cv2.cvtColor(picture, cv2.COLOR_BGR2RGB), np.uint8)


def pack_mouths(clips: Iterable[PreparedClip], folder: Path, quality: int = MOUTH_QUALITY) -> None:
    """What synchronisation learns from and is watched by."""
    writer = PackWriter(folder, KEPT_SIZE, quality)
    for clip in clips:
        frames, audio = clip.read()
        length = min(len(frames), audio.size // SAMPLES_PER_FRAME)
        if clip.facts["split"] != "train":
            length = min(length, WATCHED_FRAMES)
        if length:
            grey = mouth_pictures(frames.read(0, length))
            writer.add(np.repeat(grey[..., None], 3, -1), audio, clip.facts)
    writer.close()


def pack_faces(
    clips: Iterable[PreparedClip], folder: Path, quality: int = FACE_QUALITY, max_frames: int = LOOKED_AT
) -> None:
    """What the face network learns from and is watched by; of news one clip in so many."""
    writer = PackWriter(folder, SIDE, quality)
    for number, clip in enumerate(clips):
        if clip.facts["source"].startswith(NEWS) and number % NEWS_KEPT:
            continue
        frames, audio = clip.read()
        length = min(len(frames), audio.size // SAMPLES_PER_FRAME, max_frames)
        if length >= SHORTEST:
            writer.add(small(frames.read(0, length)), audio, clip.facts)
    writer.close()


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--clips", type=Path, default=Path(".cache/clips"))
    parser.add_argument("--output-dir", type=Path, required=True)
    parser.add_argument("--faces", action="store_true", help="for the face network, not for synchronisation")
    arguments = parser.parse_args()
    sides = {
        split: prepared(arguments.clips, split=split, labels=("real", "fake")) for split in ("train", "val")
    }
    if arguments.faces:
        pack_faces([*sides["train"], *sides["val"]], arguments.output_dir)
        return
    learnt = [clip for clip in sides["train"] if clip.facts["label"] == "fake" or not held_out(clip)]
    watched = [clip for clip in sides["val"] if clip.facts["label"] == "real"]
    pack_mouths([*learnt, *watched], arguments.output_dir)


if __name__ == "__main__":
    main()
