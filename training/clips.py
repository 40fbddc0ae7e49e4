"""Prepared clips in memory: mouth pictures and sound, ready to be cut into training batches."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from outofsync.clip import Clip
from outofsync.constants import SAMPLES_PER_FRAME
from outofsync.frames import FrameStore
from outofsync.synchrony.embedding import STEM_REACH
from outofsync.synchrony.embedding.inputs import mouth_pictures
from training.preparation.ledger import Entry, lateness, read_ledger
from training.preparation.shards import read_payload
from training.spans import MAX_PACE, draw_span, in_place, inverse_frequency_weights

HELD_OUT_SHARE = 0.15
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
        """Face crops and their sound, int16 (samples,) at 16 kHz, put in place if a check found it late."""
        clip = Clip.from_bytes(read_payload(self.path, self.facts))
        track = clip.tracks[0]
        return in_place(track.frames, clip.audio, start=track.start, late=lateness(self.facts))


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


class Footage:
    """Clips end to end in the memory of the device that trains, and spans cut from them."""

    def __init__(self, faces: list[TalkingFace], device: str = "cpu") -> None:
        self.faces = faces
        self.lengths = torch.tensor([len(face) for face in faces], device=device)
        self._first = self.lengths.cumsum(0) - self.lengths
        self._pictures = torch.from_numpy(np.concatenate([face.pictures for face in faces])).to(device)
        self._audio = torch.from_numpy(np.concatenate([face.audio for face in faces])).to(device)

    def pictures_at(self, rows: Tensor, times: Tensor) -> Tensor:
        """Pictures of clips (batch,) at times (batch, frames) in frames, uint8 (batch, frames, 80, 80).

        Blended from the two nearest; grey beyond either end of a clip.
        """
        last = (self.lengths[rows] - 1)[:, None]
        inside = times.clamp(min=0).minimum(last)
        before = inside.floor().long()
        share = (inside - before).float()[..., None, None]
        first = self._first[rows][:, None]
        found = self._pictures[first + before].float()
        found.lerp_(self._pictures[first + (before + 1).minimum(last)].float(), share)
        beyond = (times < -0.5) | (times > last + 0.5)
        return found.round_().masked_fill_(beyond[..., None, None], GREY).to(torch.uint8)

    def audio_at(self, rows: Tensor, starts: Tensor, paces: Tensor, frames: int) -> Tensor:
        """The sound of ``frames`` frames of clips (batch,), from ``starts`` (frames) on, played at a pace."""
        # A frame and its sound keep their middles together, so a longer one begins earlier.
        first = (starts + (1 - paces) / 2) * SAMPLES_PER_FRAME
        samples = torch.arange(frames * SAMPLES_PER_FRAME, device=first.device)
        times = first[:, None] + paces[:, None] * samples
        last = (self.lengths[rows] * SAMPLES_PER_FRAME - 1)[:, None]
        inside = times.clamp(min=0).minimum(last)
        before = inside.floor().long()
        begin = (self._first[rows] * SAMPLES_PER_FRAME)[:, None]
        played = self._audio[begin + before].double()
        played.lerp_(self._audio[begin + (before + 1).minimum(last)].double(), inside - before)
        return played.round_().masked_fill_((times < 0) | (times > last), 0).to(torch.int16)


class Sampler:
    """Random spans of clips; rare sources are drawn more often than their share."""

    def __init__(
        self,
        footage: Footage,
        *,
        frames: int,
        seed: int,
        shortest: int = 0,
        evenness: float = 0.5,
        max_pace: float = MAX_PACE,
    ) -> None:
        """Clips of fewer than ``shortest`` frames are left out; raises ``ValueError`` if all are."""
        self._footage = footage
        self._frames = frames
        self._max_pace = max_pace
        self._random = np.random.default_rng(seed)
        # A source's share of the draws is its share of the footage to the power of (1 − evenness).
        lengths, sources = [len(face) for face in footage.faces], [face.source for face in footage.faces]
        weights = np.array(lengths) * inverse_frequency_weights(sources, evenness, lengths)
        weights *= np.array(lengths) >= shortest
        if not weights.any():
            raise ValueError(f"no clip lasts {shortest} frames")
        self._weights = weights / weights.sum()

    @property
    def state(self) -> dict[str, Any]:
        """What decides the batches to come."""
        return dict(self._random.bit_generator.state)

    @state.setter
    def state(self, state: dict[str, Any]) -> None:
        self._random.bit_generator.state = state

    def batch(self, size: int) -> tuple[Tensor, Tensor, Tensor]:
        """uint8 (size, frames + 4, 80, 80), int16 (size, 640 · frames), and by how many frames each is late.

        Picture and sound are cut at different places: picture t belongs to sound t + late. Every lateness is
        as likely as any other, or else a network would match pictures and sounds by their distance from the
        cut, and find whatever is cut alike to be in step. Pictures reach two frames beyond either end (grey
        where the clip ends), as far as the visual stem looks. Most spans are played faster or slower, which
        makes other voices and other speech of those that are there.
        """
        frames, reach = self._frames, STEM_REACH
        rows = self._random.choice(len(self._weights), size, p=self._weights)
        lengths = [len(self._footage.faces[row]) for row in rows]
        cuts = np.array([draw_span(self._random, length, frames, self._max_pace) for length in lengths])
        device = self._footage.lengths.device
        chosen = torch.from_numpy(rows).to(device)
        paces, heard, late = torch.from_numpy(cuts).to(device).unbind(1)
        offsets = torch.arange(-reach, frames + reach, device=device)
        seen = heard + late * paces
        return (
            self._footage.pictures_at(chosen, seen[:, None] + paces[:, None] * offsets),
            self._footage.audio_at(chosen, heard, paces, frames),
            late.long(),
        )


def held_out(clip: PreparedClip) -> bool:
    """Whether a training clip is kept from the synchronisation network, for the regressors to learn from."""
    return is_held_out(clip.facts["file"])


def is_held_out(file: str) -> bool:
    """The same, by the name that a video has in the ledgers."""
    return hashlib.sha256(file.encode()).digest()[0] < HELD_OUT_SHARE * 256
