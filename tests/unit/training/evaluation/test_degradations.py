"""Degraded files are as bad as they say, and keep their sound in step."""

from __future__ import annotations

import io

import av
import numpy as np
import pytest
from media_factory import Media, click, number_of

from outofsync.limits import Limits
from outofsync.media import Decoder
from training.evaluation.degradations import (
    BLURS,
    EVERYDAY,
    UNCHANGED,
    Degradation,
    Footage,
    degrade,
    degraded,
    read_footage,
)

BY_NAME = {each.name: each for each in (UNCHANGED, *EVERYDAY, *BLURS)}
SECONDS = 2.0


@pytest.fixture(scope="module")
def video() -> bytes:
    return Media(frames=60, sound=click(1.0)).to_bytes()


@pytest.fixture(scope="module")
def footage(video: bytes) -> Footage:
    return read_footage(video, SECONDS)


def pictures(data: bytes) -> list[np.ndarray]:
    with av.open(io.BytesIO(data), "r") as file:
        return [frame.to_ndarray(format="rgb24") for frame in file.decode(video=0)]


def texture(seed: int = 0) -> Footage:
    random = np.random.default_rng(seed)
    noise = random.integers(0, 256, (6, 96, 96, 3), dtype=np.uint8)
    return Footage(list(noise), [n / 25 for n in range(6)], np.zeros(44_100 // 4, np.int16), 44_100)


def test_footage_is_cut_to_length(footage: Footage) -> None:
    assert len(footage.pictures) == 50
    assert footage.times[-1] == pytest.approx(49 / 25, abs=1e-3)
    assert len(footage.sound) / footage.sample_rate == pytest.approx(2.0, abs=0.1)


def sound_of(data: bytes) -> tuple[np.ndarray, np.ndarray]:
    """What the product sees and hears of a file."""
    with Decoder(data, Limits()) as decoder:
        frames = np.concatenate(list(decoder.frames()))
        return frames, decoder.audio.astype(int)


@pytest.mark.parametrize("how", [UNCHANGED, *EVERYDAY], ids=lambda how: how.name)
@pytest.mark.slow
def test_sound_stays_in_step(video: bytes, how: Degradation) -> None:
    frames, audio = sound_of(degraded(video, how, SECONDS))
    assert len(frames) == pytest.approx(50, abs=1)
    assert number_of(frames[25]) in (24, 25)
    loud = np.flatnonzero(np.abs(audio) > 0.25 * np.abs(audio).max())
    assert loud[0] / 16_000 == pytest.approx(1.0, abs=0.02)


def test_sound_gets_quieter_and_narrower(footage: Footage) -> None:
    _, plain = sound_of(degrade(footage, UNCHANGED))
    _, quiet = sound_of(degrade(footage, BY_NAME["-20 dB"]))
    assert np.abs(quiet).max() == pytest.approx(0.1 * np.abs(plain).max(), rel=0.1)
    with av.open(io.BytesIO(degrade(footage, BY_NAME["8 kHz sound"])), "r") as file:
        assert file.streams.audio[0].rate == 8_000


def test_a_copy_into_another_container_keeps_every_picture(video: bytes) -> None:
    copied = degraded(video, BY_NAME["remux (Matroska)"], SECONDS)
    with av.open(io.BytesIO(copied), "r") as file:
        assert "matroska" in file.format.name
    for before, after in zip(pictures(video)[:40], pictures(copied)[:40], strict=True):
        assert (before == after).all()


def test_a_high_rate_factor_loses_quality() -> None:
    source = texture()
    errors = [
        np.abs(pictures(degrade(source, BY_NAME[name]))[0].astype(int) - source.pictures[0]).mean()
        for name in ("only encoded again", "H.264, CRF 30")
    ]
    assert errors[0] < errors[1]


def test_a_frame_rate_is_what_it_says(footage: Footage) -> None:
    data = degrade(footage, BY_NAME["29.97 frames/s"])
    shown = [number_of(picture) for picture in pictures(data)]
    assert shown == [int(number * 1001 / 30_000 * 25 + 1e-3) for number in range(len(shown))]
    with av.open(io.BytesIO(data), "r") as file:
        assert float(file.streams.video[0].average_rate or 0) == pytest.approx(29.97, rel=0.02)


def test_pictures_are_resized_and_blurred(footage: Footage) -> None:
    assert pictures(degrade(footage, BY_NAME["resized to 25 %"]))[0].shape == (32, 40, 3)
    source = texture()
    plain, gauss, motion = (
        pictures(degrade(source, BY_NAME[name]))[0].astype(float)
        for name in ("only encoded again", "Gaussian blur", "motion blur")
    )
    assert max(gauss.std(), motion.std()) < 0.7 * plain.std()
    across, down = np.abs(np.diff(motion, axis=1)).mean(), np.abs(np.diff(motion, axis=0)).mean()
    assert across < 0.7 * down
