"""The clip that the published method was demonstrated with decodes as by FFmpeg's defaults."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np
import pytest

from outofsync.limits import Limits
from outofsync.media import Decoder

TIED_SAMPLE = 25_206


@pytest.mark.shared
def test_frames_and_samples_are_those_of_ffmpeg(shared_dir: Path) -> None:
    file = shared_dir / "parity" / "published" / "test.mp4"
    with Decoder(file.read_bytes(), Limits()) as decoder:
        frames = np.concatenate(list(decoder.frames()))
        sound = decoder.audio
    with av.open(str(file)) as container:
        pictures = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
    with av.open(str(file)) as container:
        resampler = av.AudioResampler(format="s16", layout="mono", rate=16_000)
        samples = [
            part.to_ndarray()[0] for frame in container.decode(audio=0) for part in resampler.resample(frame)
        ]
    assert np.array_equal(frames, np.stack(pictures))
    # FFmpeg rounds ties to even, so a sample that lies on one may differ by one.
    differences = np.flatnonzero(sound != np.concatenate(samples))
    assert differences.tolist() in ([], [TIED_SAMPLE])
    assert sound[TIED_SAMPLE] == 837
