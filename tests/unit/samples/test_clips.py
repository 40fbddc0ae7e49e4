"""The committed clips are what their names say."""

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from numpy.typing import NDArray

from samples.generate import SAMPLES_FOLDER, SHIFT_FRAMES
from samples.speech.phoneme import SAMPLE_RATE

ONE_PICTURE = ("synchronised", "shifted", "another_voice")
NAMES = (*ONE_PICTURE, "remade_lips")
BUDGET = 3_000_000  # bytes, all clips together


def clip(name: str) -> Path:
    return SAMPLES_FOLDER / f"{name}.mp4"


def sound(name: str) -> NDArray[np.float64]:
    with av.open(str(clip(name))) as container:
        return np.concatenate([frame.to_ndarray()[0] for frame in container.decode(audio=0)]).astype(
            np.float64
        )


def luma(name: str) -> NDArray[np.uint8]:
    """The brightness of every frame, (frames, height, width)."""
    with av.open(str(clip(name))) as container:
        return np.stack([frame.to_ndarray(format="gray") for frame in container.decode(video=0)])


@pytest.mark.parametrize("name", NAMES)
def test_format(name: str) -> None:
    with av.open(str(clip(name))) as container:
        video, audio = container.streams.video[0], container.streams.audio[0]
        assert (video.codec_context.name, video.average_rate) == ("h264", Fraction(25))
        assert (video.width, video.height) == (480, 480)
        assert (audio.codec_context.name, audio.rate, audio.channels) == ("aac", SAMPLE_RATE, 1)
        assert 6 <= float(container.duration or 0) / av.time_base <= 8.1


def test_clips_are_small() -> None:
    assert sum(clip(name).stat().st_size for name in NAMES) < BUDGET


@pytest.mark.slow
def test_clips_share_one_picture() -> None:
    pictures = [luma(name) for name in ONE_PICTURE]
    for other in pictures[1:]:
        np.testing.assert_array_equal(pictures[0], other)


def test_sound_of_the_shifted_clip_is_late() -> None:
    original, late = sound("synchronised"), sound("shifted")
    assert _lag(original, late) == pytest.approx(SHIFT_FRAMES * SAMPLE_RATE / 25, abs=2)


def test_another_voice_says_something_else() -> None:
    original, other = sound("synchronised"), sound("another_voice")
    correlation = _correlation(original, other)
    assert np.abs(correlation).max() < 0.3 * np.sqrt((original**2).sum() * (other**2).sum())


def test_only_the_lips_are_remade() -> None:
    original, remade = (luma(name).astype(np.float32) for name in ("synchronised", "remade_lips"))
    apart = np.abs(original - remade).mean(0)  # (height, width)
    mouth = apart[290:325, 195:265].mean()
    eyes = apart[170:215, 140:300].mean()
    assert mouth > 6
    assert mouth > 4 * eyes  # what is left there is what coding anew does


def _correlation(one: NDArray[np.float64], other: NDArray[np.float64]) -> NDArray[np.float64]:
    size = 1 << (len(one) + len(other)).bit_length()
    return np.fft.irfft(np.conj(np.fft.rfft(one, size)) * np.fft.rfft(other, size))


def _lag(one: NDArray[np.float64], other: NDArray[np.float64]) -> int:
    """Samples by which `other` comes after `one`."""
    correlation = _correlation(one, other)
    best = int(correlation.argmax())
    return best if best < len(correlation) // 2 else best - len(correlation)
