"""Every way in which a video is written for the drift table can be read, and is what its name says."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.alterations import ALTERATIONS, Alteration, written
from outofsync.limits import Limits
from outofsync.media import Decoder
from training.evaluation.degradations import Footage

pytestmark = pytest.mark.slow  # each codes and decodes a video

FOOTAGE = Footage(
    [np.full((96, 128, 3), 4 * number, np.uint8) for number in range(25)],
    [number / 25 for number in range(25)],
    np.round(9000 * np.sin(2 * np.pi * 440 * np.arange(48_000) / 48_000)).astype(np.int16),
    48_000,
)


@pytest.mark.parametrize("how", ALTERATIONS, ids=lambda how: how.name)
def test_it_can_be_read(how: Alteration) -> None:
    with Decoder(written(FOOTAGE, how), Limits()) as decoder:
        frames = sum(len(batch) for batch in decoder.frames())
        heard = decoder.audio[2000:14_000].astype(float)
    assert frames == pytest.approx(25, abs=1)
    assert np.argmax(np.abs(np.fft.rfft(heard))) == pytest.approx(440 * len(heard) / 16_000, abs=2)
    assert decoder.info.gaps == []
