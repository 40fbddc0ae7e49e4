"""A whole clip, from its file to its score, gives the published numbers."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from outofsync.checkpoints.importer import import_sync
from outofsync.clip import RawFrames
from outofsync.constants import MAX_WINDOWS, SAMPLES_PER_FRAME, WINDOW_FRAMES
from outofsync.limits import Limits
from outofsync.media import Decoder
from outofsync.scoring.score import Scorer, Segment
from outofsync.synchrony.interface import SyncInput, SyncOutput
from outofsync.synchrony.registry import load_sync

Golden = Callable[[str], dict[str, NDArray[Any]]]

# This sample decodes to a tie between two integers. Which of them a decoder gives depends on the instruction
# set it was built for; the published numbers were made with the lower one.
TIED_SAMPLE, TIED_VALUES, PUBLISHED_VALUE = 25_206, (837, 838), 837


@pytest.fixture(scope="module")
def clip(published_dir: Path) -> SyncInput:
    """The first 54 frames, which is all the published program scores, and the sound of the whole clip."""
    with Decoder((published_dir / "test.mp4").read_bytes(), Limits()) as decoder:
        frames = np.concatenate(list(decoder.frames()))
        audio = decoder.audio[: len(frames) * SAMPLES_PER_FRAME].copy()
    assert audio[TIED_SAMPLE] in TIED_VALUES
    audio[TIED_SAMPLE] = PUBLISHED_VALUE
    return SyncInput(RawFrames(frames[: MAX_WINDOWS + WINDOW_FRAMES - 1]), audio)


@pytest.fixture(scope="module")
def output(clip: SyncInput, stand_in: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> SyncOutput:
    weights = tmp_path_factory.mktemp("weights") / "sync_model.pth"
    torch.save(stand_in.build(), weights)
    (output,) = load_sync(import_sync(weights)).evaluate([clip])
    return output


def test_delays(golden: Golden, output: SyncOutput) -> None:
    np.testing.assert_allclose(output.delays, golden("clip")["delays"], rtol=0, atol=2e-3)


def test_features(golden: Golden, output: SyncOutput, scorer: Scorer) -> None:
    features = scorer.project(output.features)
    np.testing.assert_allclose(features, golden("clip")["avfeature"], rtol=0, atol=1e-2)


def test_scores(golden: Golden, output: SyncOutput, scorer: Scorer) -> None:
    published = golden("clip")
    (score,) = scorer.score_segments([Segment(output.delays, scorer.project(output.features))])
    assert score.delay == pytest.approx(float(published["dist"]), rel=1e-3)
    assert score.feature == pytest.approx(float(published["av"]), rel=1e-3)
