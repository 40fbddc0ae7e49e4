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

from outofsync.clip import Clip
from outofsync.constants import SAMPLES_PER_FRAME
from outofsync.frames import FrameStore
from outofsync.synchrony.embedding import STEM_REACH
from outofsync.synchrony.senses import KEPT_SIZE, mouth_pictures
from training.preparation.ledger import Entry, read_ledger
from training.preparation.moving import lateness, moved
from training.preparation.shards import read_payload

HELD_OUT_SHARE = 0.15
MOST_LAG = 12  # frames between the cuts of picture and sound in a training batch
MOST_PACE = 1.22  # how much faster or slower than recorded a span is played
PACED_SHARE = 0.7  # of spans played at another pace than their own
GREY = 110


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
        return moved(track.frames, clip.audio, start=track.start, delay=lateness(self.facts))


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

    def __init__(
        self,
        faces: list[TalkingFace],
        *,
        frames: int,
        seed: int,
        evenness: float = 0.5,
        most_pace: float = MOST_PACE,
    ) -> None:
        self._faces = faces
        self._frames = frames
        self._most_pace = most_pace
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
        where the clip ends), as far as the visual stem looks. Most spans are played faster or slower, which
        makes other voices and other speech of those that are there.
        """
        frames, reach = self._frames, STEM_REACH
        pictures = np.empty((size, frames + 2 * reach, KEPT_SIZE, KEPT_SIZE), np.uint8)
        audio = np.empty((size, frames * SAMPLES_PER_FRAME), np.int16)
        lags = np.zeros(size, np.int64)
        for row, index in enumerate(self._random.choice(len(self._faces), size, p=self._weights)):
            face, pace = self._faces[index], self._pace(len(self._faces[index]))
            length = (frames - 1) * pace + 1  # frames of the clip that a span takes
            most = int(min((len(face) - length) / pace, MOST_LAG))
            lag = int(self._random.integers(-most, most + 1))
            heard = self._start(max(0, -lag) * pace, len(face) - length - max(0, lag) * pace, pace)
            seen = heard + lag * pace
            pictures[row] = pictures_at(face.pictures, seen + pace * np.arange(-reach, frames + reach))
            audio[row] = audio_at(face.audio, heard, pace, frames)
            lags[row] = lag
        return torch.from_numpy(pictures), torch.from_numpy(audio), torch.from_numpy(lags)

    def _pace(self, available: int) -> float:
        """Frames of the clip for each frame of a span; never more than the clip has."""
        if self._most_pace == 1 or self._random.uniform() >= PACED_SHARE:
            return 1.0
        reach = np.log(self._most_pace)
        return min(float(np.exp(self._random.uniform(-reach, reach))), (available - 1) / (self._frames - 1))

    def _start(self, first: float, last: float, pace: float) -> float:
        """A place between two; at the clip's own pace, a whole frame."""
        if pace == 1:
            return float(self._random.integers(round(first), round(last) + 1))
        return float(self._random.uniform(first, max(first, last)))


def pictures_at(pictures: NDArray[np.uint8], times: NDArray[np.floating]) -> NDArray[np.uint8]:
    """Pictures at times in frames, blended from the two nearest; grey beyond either end."""
    last = len(pictures) - 1
    inside = np.clip(times, 0, last)
    before = np.floor(inside).astype(int)
    share = (inside - before).astype(np.float32)[:, None, None]
    found: NDArray[np.uint8] = pictures[before]
    if share.any():
        found = np.rint(found * (1 - share) + pictures[np.minimum(before + 1, last)] * share).astype(np.uint8)
    found[(times < -0.5) | (times > last + 0.5)] = GREY
    return found


def audio_at(audio: NDArray[np.int16], start: float, pace: float, frames: int) -> NDArray[np.int16]:
    """The sound of ``frames`` frames from ``start`` (frames) on, played at a pace."""
    if pace == 1:
        whole = round(start) * SAMPLES_PER_FRAME
        return audio[whole : whole + frames * SAMPLES_PER_FRAME]
    # A frame and its sound keep their middles together, so a longer one begins earlier.
    first = (start + (1 - pace) / 2) * SAMPLES_PER_FRAME
    times = first + pace * np.arange(frames * SAMPLES_PER_FRAME)
    played: NDArray[np.int16] = np.rint(np.interp(times, np.arange(audio.size), audio, 0, 0)).astype(np.int16)
    return played


def held_out(clip: PreparedClip) -> bool:
    """Whether a training clip is kept from the synchronisation network, for the regressors to learn from."""
    digest = hashlib.sha256(clip.facts["file"].encode()).digest()
    return digest[0] < HELD_OUT_SHARE * 256
