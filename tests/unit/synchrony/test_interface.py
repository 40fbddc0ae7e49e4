"""How many windows picture and sound yield, and how they read from another offset."""

from __future__ import annotations

import numpy as np
import pytest

from outofsync.synchrony.interface import SyncOutput, windows_of


@pytest.mark.parametrize(
    ("frames", "samples", "windows"),
    [
        (5, 5 * 640, 1),
        (54, 54 * 640, 50),
        (54, 1_000_000, 50),  # the picture ends first
        (100, 10 * 640 + 639, 6),  # the sound ends first, inside a frame
        (4, 100_000, 0),
        (100, 0, 0),
    ],
)
def test_windows_need_both_picture_and_sound(frames: int, samples: int, windows: int) -> None:
    assert windows_of(frames, samples) == windows


def output(*, reach: int) -> SyncOutput:
    """Twenty windows whose logits are their own delays; features say which window is seen and heard."""
    far = np.tile(np.arange(-15 - reach, 16 + reach, dtype=np.float32), (20, 1))
    numbers = np.arange(20, dtype=np.float32)[:, None]
    features = np.concatenate([numbers, 100 + numbers], 1)
    return SyncOutput(far[:, reach : reach + 31], features, far if reach else None)


@pytest.mark.parametrize("offset", [-2, 4, 15])
def test_delays_are_read_from_another_zero(offset: int) -> None:
    moved = output(reach=15).aligned(offset)
    assert moved.delays[0].tolist() == list(range(offset - 15, offset + 16))
    assert moved.features[:, 0].tolist() == list(range(20))
    heard = np.clip(np.arange(20) + offset, 0, 19) + 100
    assert moved.features[:, 1].tolist() == heard.tolist()


def test_where_a_network_looks_no_further_the_last_delay_goes_on() -> None:
    assert output(reach=0).aligned(4).delays[0].tolist() == [*range(-11, 16), 15, 15, 15, 15]


def test_no_offset_changes_nothing() -> None:
    same = output(reach=15)
    assert same.aligned(0) is same
