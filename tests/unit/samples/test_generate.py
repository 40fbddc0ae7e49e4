"""The command line of the generator; needs espeak-ng."""

import subprocess
import sys
from pathlib import Path

import av
import numpy as np
import pytest
from numpy.typing import NDArray

from samples.generate import SAMPLES_FOLDER
from samples.speech import espeak


@pytest.mark.skipif(not espeak.available(), reason="espeak-ng is not installed")
@pytest.mark.slow
def test_heads_are_written_and_repeat_for_a_seed(tmp_path: Path) -> None:
    for folder in ("one", "again"):
        options = ["--count", "2", "--seconds", "1", "--size", "96", "--seed", "7"]
        options += ["--output-dir", str(tmp_path / folder)]
        generator = SAMPLES_FOLDER / "generate.py"
        subprocess.run([sys.executable, str(generator), "heads", *options], check=True, cwd=tmp_path)
    names = sorted(path.name for path in (tmp_path / "one").iterdir())
    assert names == ["head_000007.mp4", "head_000008.mp4"]
    for name in names:
        (frames, sound), (frames_again, sound_again) = (
            decoded(tmp_path / run / name) for run in ("one", "again")
        )
        assert len(frames) == 25
        np.testing.assert_array_equal(sound, sound_again)
        assert np.abs(frames - frames_again).mean() < 1.5  # x264 does not repeat itself to the bit


def decoded(path: Path) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Luma (frames, height, width) and sound (samples,)."""
    with av.open(str(path)) as container:
        frames = [frame.to_ndarray(format="gray") for frame in container.decode(video=0)]
    with av.open(str(path)) as container:
        sound = [frame.to_ndarray()[0] for frame in container.decode(audio=0)]
    return np.stack(frames).astype(np.float32), np.concatenate(sound)
