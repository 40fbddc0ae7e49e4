"""A whole clip, from its file to its score, gives the published numbers."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from outofsync.checkpoints.store import Checkpoint
from outofsync.constants import MAX_WINDOWS, SAMPLES_PER_FRAME, WINDOW_FRAMES
from outofsync.frames import RawFrames
from outofsync.limits import Limits
from outofsync.media import Decoder
from outofsync.scoring.score import Scorer, Segment
from outofsync.synchrony.interface import SyncInput, SyncOutput
from outofsync.synchrony.registry import load_sync

Golden = Callable[[str], dict[str, NDArray[Any]]]


@pytest.fixture(scope="module")
def clip(published_dir: Path) -> SyncInput:
    """The first 54 frames, which is all the published program scores, and the sound of the whole clip."""
    with Decoder((published_dir / "test.mp4").read_bytes(), Limits()) as decoder:
        frames = np.concatenate(list(decoder.frames()))
        audio = decoder.audio[: len(frames) * SAMPLES_PER_FRAME]
    return SyncInput(RawFrames(frames[: MAX_WINDOWS + WINDOW_FRAMES - 1]), audio)


@pytest.fixture(scope="module")
def output(clip: SyncInput, checkpoints: Path) -> SyncOutput:
    checkpoint = Checkpoint.load(checkpoints / "sync.safetensors", kind="sync")
    (output,) = load_sync(checkpoint).evaluate([clip])
    return output


def test_delays(golden: Golden, output: SyncOutput) -> None:
    np.testing.assert_allclose(output.delays, golden("clip")["delays"], rtol=0, atol=2e-3)


def test_features(golden: Golden, output: SyncOutput, scorer: Scorer) -> None:
    features = scorer.project(output.features)
    np.testing.assert_allclose(features, golden("clip")["avfeature"], rtol=0, atol=1e-2)


def test_scores(golden: Golden, output: SyncOutput, scorer: Scorer) -> None:
    published = golden("clip")
    (score,) = scorer.score_segments([Segment(output.delays, scorer.project(output.features))])
    assert score.delay_score == pytest.approx(float(published["dist"]), rel=1e-3)
    assert score.feature_score == pytest.approx(float(published["av"]), rel=1e-3)
