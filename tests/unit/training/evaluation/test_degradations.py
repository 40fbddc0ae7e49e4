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
    DEGRADATIONS,
    UNCHANGED,
    Degradation,
    Footage,
    degrade,
    read_footage,
)

BY_NAME = {each.name: each for each in DEGRADATIONS}


@pytest.fixture(scope="module")
def footage() -> Footage:
    return read_footage(Media(frames=60, sound=click(1.0)).to_bytes(), 2.0)


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


@pytest.mark.parametrize("how", [UNCHANGED, BY_NAME["MP3, 32 kbit/s"], BY_NAME["30 frames/s"]])
def test_sound_stays_in_step(footage: Footage, how: Degradation) -> None:
    with Decoder(degrade(footage, how), Limits()) as decoder:
        frames = np.concatenate(list(decoder.frames()))
        audio = decoder.audio
    assert number_of(frames[25]) in (24, 25)
    loud = np.flatnonzero(np.abs(audio.astype(int)) > 8000)
    assert loud[0] / 16_000 == pytest.approx(1.0, abs=0.02)


def test_a_high_rate_factor_loses_quality() -> None:
    source = texture()
    errors = [
        np.abs(pictures(degrade(source, BY_NAME[name]))[0].astype(int) - source.pictures[0]).mean()
        for name in ("only encoded again", "H.264, CRF 28", "H.264, CRF 40")
    ]
    assert errors[0] < errors[1] < errors[2]


@pytest.mark.parametrize("rate", [15, 20, 30, 50])
def test_frame_rates_are_what_they_say(footage: Footage, rate: int) -> None:
    data = degrade(footage, BY_NAME[f"{rate} frames/s"])
    shown = pictures(data)
    assert len(shown) == pytest.approx(2 * rate, abs=1)
    assert [number_of(picture) for picture in shown[: rate // 2]] == [
        int(number / rate * 25 + 1e-3) for number in range(rate // 2)
    ]
    with av.open(io.BytesIO(data), "r") as file:
        assert float(file.streams.video[0].average_rate or 0) == pytest.approx(rate, rel=0.02)


def test_pictures_are_resized_blurred_and_noisy(footage: Footage) -> None:
    assert pictures(degrade(footage, BY_NAME["resized to 25 %"]))[0].shape == (32, 40, 3)
    source = texture()
    plain, gauss, motion = (
        pictures(degrade(source, BY_NAME[name]))[0].astype(float)
        for name in ("only encoded again", "Gaussian blur", "motion blur")
    )
    assert max(gauss.std(), motion.std()) < 0.7 * plain.std()
    across, down = np.abs(np.diff(motion, axis=1)).mean(), np.abs(np.diff(motion, axis=0)).mean()
    assert across < 0.7 * down
    grey = Footage([np.full((96, 96, 3), 128, np.uint8)] * 3, [0.0, 0.04, 0.08], source.sound, 44_100)
    assert pictures(degrade(grey, BY_NAME["noise"]))[1].std() > 8
