"""Prepared clips in memory: mouth pictures and sound, ready to be cut into training batches."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from outofsync.clip import Clip, FrameStore
from outofsync.constants import SAMPLES_PER_FRAME
from outofsync.synchrony.embedding import STEM_REACH
from outofsync.synchrony.senses import KEPT_SIZE, mouth_pictures
from training.preparation.ledger import Entry, read_ledger
from training.preparation.moving import moved
from training.preparation.shards import read_payload

HELD_OUT_SHARE = 0.15
MOST_LAG = 12  # frames between the cuts of picture and sound in a training batch


@dataclass
class TalkingFace:
    """One prepared clip: uint8 (frames, 80, 80), int16 (640 · frames,) and what its video was."""

    pictures: NDArray[np.uint8]
    audio: NDArray[np.int16]
    file: str
    label: str
    generator: str
    source: str
    identity: str

    def __len__(self) -> int:
        return len(self.pictures)


@dataclass(frozen=True)
class PreparedClip:
    """A clip on disk, in a shard or a file of its own, with its line in the manifest."""

    path: Path
    facts: Entry

    def read(self) -> tuple[FrameStore, NDArray[np.int16]]:
        """Face crops and the sound that goes with them, moved if a check found it out of place."""
        clip = Clip.from_bytes(read_payload(self.path, self.facts))
        track = clip.tracks[0]
        return moved(track.frames, clip.audio, start=track.start, delay=self.facts.get("sound_late", 0))


def prepared(folder: Path, *, split: str, labels: Iterable[str] = ("real",)) -> list[PreparedClip]:
    """Clips of one split, in the order of the ledger."""
    wanted = set(labels)
    return [
        PreparedClip(folder / entry["clip"], entry)
        for entry in read_ledger(folder / "manifest.jsonl")
        if entry["split"] == split and entry["label"] in wanted
    ]


def load_faces(clips: Iterable[PreparedClip], *, shortest: int = 20) -> list[TalkingFace]:
    """Decode clips into memory: 6.4 kB a frame."""
    return list(_faces(clips, shortest))


def _faces(clips: Iterable[PreparedClip], shortest: int) -> Iterator[TalkingFace]:
    for clip in clips:
        frames, audio = clip.read()
        length = min(len(frames), len(audio) // SAMPLES_PER_FRAME)
        if length < shortest:
            continue
        facts = clip.facts
        yield TalkingFace(
            mouth_pictures(frames.read(0, length)),
            audio[: length * SAMPLES_PER_FRAME],
            *(facts[name] for name in ("file", "label", "generator", "source", "identity")),
        )


class Sampler:
    """Random spans of clips; rare sources are drawn more often than their share."""

    def __init__(self, faces: list[TalkingFace], *, frames: int, seed: int, evenness: float = 0.5) -> None:
        self._faces = faces
        self._frames = frames
        self._random = np.random.default_rng(seed)
        seconds: dict[str, float] = {}
        for face in faces:
            seconds[face.source] = seconds.get(face.source, 0.0) + len(face)
        # A source's share of the draws is its share of the footage to the power of (1 − evenness).
        weights = np.array([len(face) * seconds[face.source] ** -evenness for face in faces])
        self._weights = weights / weights.sum()

    def batch(self, size: int) -> tuple[Tensor, Tensor, Tensor]:
        """uint8 (size, frames + 4, 80, 80), int16 (size, 640 · frames) and lags (size,) in frames.

        Picture and sound are cut at different places: picture t belongs to sound t + lag. Every lag is as
        likely as any other, or else a network would match pictures and sounds by their distance from the cut,
        and find whatever is cut alike to be in step. Pictures reach two frames beyond either end (grey
        where the clip ends), as far as the visual stem looks.
        """
        frames, reach = self._frames, STEM_REACH
        pictures = np.full((size, frames + 2 * reach, KEPT_SIZE, KEPT_SIZE), 110, np.uint8)
        audio = np.zeros((size, frames * SAMPLES_PER_FRAME), np.int16)
        lags = np.zeros(size, np.int64)
        for row, index in enumerate(self._random.choice(len(self._faces), size, p=self._weights)):
            face = self._faces[index]
            most = min(len(face) - frames, MOST_LAG)
            lag = int(self._random.integers(-most, most + 1))
            heard = int(self._random.integers(max(0, -lag), len(face) - frames - max(0, lag) + 1))
            seen = heard + lag
            low, high = max(0, seen - reach), min(len(face), seen + frames + reach)
            at = reach - (seen - low)
            pictures[row, at : at + high - low] = face.pictures[low:high]
            audio[row] = face.audio[heard * SAMPLES_PER_FRAME : (heard + frames) * SAMPLES_PER_FRAME]
            lags[row] = lag
        return torch.from_numpy(pictures), torch.from_numpy(audio), torch.from_numpy(lags)


def held_out(clip: PreparedClip) -> bool:
    """Whether a training clip is kept from the synchronisation network, for the regressors to learn from."""
    digest = hashlib.sha256(clip.facts["file"].encode()).digest()
    return digest[0] < HELD_OUT_SHARE * 256
