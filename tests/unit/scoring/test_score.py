"""Segments scored alone and together."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from outofsync.checkpoints.store import Checkpoint, CheckpointError
from outofsync.errors import ErrorCode, OutOfSyncError
from outofsync.scoring.regressor import Regressor
from outofsync.scoring.score import Scorer, Segment, load_scorer

FEATURES = 40


def checkpoint() -> Checkpoint:
    torch.manual_seed(7)
    tensors = {
        "projection.mean": torch.zeros(FEATURES),
        "projection.scale": torch.ones(FEATURES),
        "projection.centre": torch.zeros(FEATURES),
        "projection.components": torch.eye(31, FEATURES),
    }
    for part in ("delay", "feature"):
        tensors |= {f"{part}.{name}": tensor for name, tensor in Regressor().state_dict().items()}
    return Checkpoint("scoring", "published", {}, tensors)


@pytest.fixture(scope="module")
def scorer() -> Scorer:
    return load_scorer(checkpoint())


def segment(windows: int, seed: int = 0) -> Segment:
    rng = np.random.default_rng(seed)
    return Segment(3 * rng.normal(size=(windows, 31)), rng.normal(size=(windows, 31)))


def test_a_segment_has_one_step_less_than_windows(scorer: Scorer) -> None:
    (score,) = scorer.score_segments([segment(12)])
    assert score.delay_steps.shape == score.feature_steps.shape == (11,)
    assert score.delay_score == pytest.approx(score.delay_steps.mean())
    assert score.total(lam=2) == pytest.approx(score.delay_score + 2 * score.feature_score)


def test_company_changes_no_bit(scorer: Scorer) -> None:
    segments = [segment(windows, seed=windows) for windows in (50, 2, 31, 50)]
    for one, together in zip(segments, scorer.score_segments(segments), strict=True):
        (alone,) = scorer.score_segments([one])
        assert np.array_equal(alone.delay_steps, together.delay_steps)
        assert np.array_equal(alone.feature_steps, together.feature_steps)


def test_a_longer_segment_begins_with_the_steps_of_a_shorter_one(scorer: Scorer) -> None:
    whole = segment(50)
    start = Segment(whole.delays[:20], whole.features[:20])
    long_score, short_score = scorer.score_segments([whole, start])
    np.testing.assert_allclose(long_score.delay_steps[:19], short_score.delay_steps, rtol=1e-4)


def test_the_length_of_features_does_not_matter_only_their_direction(scorer: Scorer) -> None:
    one = segment(10)
    (score,) = scorer.score_segments([one])
    (scaled,) = scorer.score_segments([Segment(one.delays, 100 * one.features)])
    np.testing.assert_allclose(scaled.feature_steps, score.feature_steps)


def test_adding_a_constant_to_logits_of_the_target_changes_nothing(scorer: Scorer) -> None:
    one = segment(2)
    shifted = one.delays.copy()
    shifted[1] += 5
    scores = scorer.score_segments([one, Segment(shifted, one.features)])
    assert scores[0].delay_score == pytest.approx(scores[1].delay_score)


@pytest.mark.parametrize("windows", [0, 1])
def test_no_step_is_too_short_and_no_score(windows: int) -> None:
    with pytest.raises(OutOfSyncError) as caught:
        segment(windows)
    assert caught.value.code is ErrorCode.TOO_SHORT


def test_a_segment_longer_than_the_regressors_is_a_mistake() -> None:
    with pytest.raises(ValueError, match="51"):
        segment(51)


def test_projection_keeps_windows(scorer: Scorer) -> None:
    features = np.random.default_rng(0).normal(size=(6, FEATURES)).astype(np.float32)
    np.testing.assert_allclose(scorer.project(features), features[:, :31])


def test_no_segments_give_no_scores(scorer: Scorer) -> None:
    assert scorer.score_segments([]) == []


def test_missing_parts_are_refused() -> None:
    whole = checkpoint()
    tensors = {name: tensor for name, tensor in whole.tensors.items() if "components" not in name}
    with pytest.raises(CheckpointError, match="components"):
        load_scorer(Checkpoint("scoring", "published", {}, tensors))
