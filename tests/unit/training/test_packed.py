"""Packs are read back in order, in step and nearly as they went in."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from outofsync.constants import SAMPLES_PER_FRAME
from training.packed import NAMES, PackedClip, PackWriter, unpacked
from training.preparation.ledger import Entry, read_ledger, rewrite

SIDE = 80
LENGTHS = (30, 47)  # frames
QUALITY = 17


def pictures_of(frames: int, seed: int) -> NDArray[np.uint8]:
    """A reddish slope on which a bright disc with a soft edge goes round."""
    random = np.random.default_rng(seed)
    down, across = np.mgrid[:SIDE, :SIDE] / SIDE
    phase, tilt = random.uniform(0, 2 * np.pi), random.uniform(0.3, 0.7)
    slope = 40 + 100 * (tilt * down + (1 - tilt) * across)
    angle = phase + np.arange(frames)[:, None, None] / 3
    distance = np.hypot(down - 0.5 - 0.2 * np.sin(angle), across - 0.5 - 0.2 * np.cos(angle))
    light = slope + 80 / (1 + np.exp((distance - 0.15) * 40))
    return np.asarray((light[..., None] * (1.0, 0.8, 0.7)).round(), np.uint8)


def sound_of(frames: int, seed: int) -> NDArray[np.int16]:
    """Noise below 2 kHz that comes in syllables."""
    samples = frames * SAMPLES_PER_FRAME
    spectrum = np.fft.rfft(np.random.default_rng(seed).standard_normal(samples))
    frequency = np.fft.rfftfreq(samples, 1 / 16_000)
    voice = np.fft.irfft(spectrum * ((frequency > 150) & (frequency < 2_000)), samples)
    syllables = np.sin(2 * np.pi * np.arange(samples) / 4_000 + seed) ** 2
    made = voice / voice.std() * syllables * 4_000
    return np.asarray(made.clip(-32_768, 32_767), np.int16)


def facts_of(number: int) -> Entry:
    return {name: f"{name} of {number}" for name in NAMES} | {"shard": "stays behind"}


@pytest.fixture(scope="module")
def clips() -> list[PackedClip]:
    return [
        PackedClip(pictures_of(frames, number), sound_of(frames, number), facts_of(number))
        for number, frames in enumerate(LENGTHS)
    ]


@pytest.fixture
def pack(clips: list[PackedClip], tmp_path: Path) -> Path:
    folder = tmp_path / "new" / "pack"
    writer = PackWriter(folder, SIDE, QUALITY)
    for clip in clips:
        writer.add(clip.pictures, clip.audio, clip.facts)
    writer.close()
    return folder


def test_clips_come_back_in_order_with_their_facts(pack: Path) -> None:
    found = list(unpacked(pack))
    for number, (clip, frames) in enumerate(zip(found, LENGTHS, strict=True)):
        assert clip.pictures.shape == (frames, SIDE, SIDE, 3)
        assert clip.pictures.dtype == np.uint8
        assert clip.audio.shape == (frames * SAMPLES_PER_FRAME,)
        assert clip.audio.dtype == np.int16
        assert clip.facts == {name: f"{name} of {number}" for name in NAMES} | {"frames": frames}


def test_pictures_lose_little_and_stay_at_their_place(pack: Path, clips: list[PackedClip]) -> None:
    for found, clip in zip(unpacked(pack), clips, strict=True):
        apart = np.abs(found.pictures.astype(int) - clip.pictures)
        assert apart.mean((1, 2, 3)).max() < 3
        assert apart.max() < 20
        neighbour = np.abs(found.pictures[1:].astype(int) - clip.pictures[:-1]).mean((1, 2, 3))
        assert (apart[1:].mean((1, 2, 3)) < neighbour).all()


def test_sound_stays_at_its_time(pack: Path, clips: list[PackedClip]) -> None:
    for found, clip in zip(unpacked(pack), clips, strict=True):
        heard, said = found.audio.astype(float), clip.audio.astype(float)
        assert np.corrcoef(heard, said)[0, 1] > 0.9
        agreement = np.fft.irfft(np.fft.rfft(heard) * np.fft.rfft(said).conj(), said.size)
        assert agreement.argmax() in (0, 1, said.size - 1)  # samples that it is late


def test_sound_longer_than_the_pictures_is_cut(tmp_path: Path) -> None:
    writer = PackWriter(tmp_path, SIDE, QUALITY)
    for number, frames in enumerate(LENGTHS):
        writer.add(pictures_of(frames, number), sound_of(frames + 9, number), facts_of(number))
    writer.close()
    for number, (clip, frames) in enumerate(zip(unpacked(tmp_path), LENGTHS, strict=True)):
        said = sound_of(frames + 9, number)[: frames * SAMPLES_PER_FRAME]
        assert np.corrcoef(clip.audio, said)[0, 1] > 0.9


def test_a_video_that_ends_early_is_refused(pack: Path) -> None:
    index = pack / "index.jsonl"
    first, second = read_ledger(index)
    rewrite(index, [first, second | {"frames": second["frames"] + 1}])
    read = unpacked(pack)
    assert len(next(read).pictures) == LENGTHS[0]
    with pytest.raises(ValueError, match="the video ends before the index does"):
        next(read)
