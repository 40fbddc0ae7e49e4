"""Segments cover a track, evidence says what aligned delays say, and the offset is the best delay."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from outofsync.scoring.evidence import Evidence, contrast_of
from outofsync.scoring.offset import is_tolerated, offset_of, tolerated_offset
from outofsync.scoring.score import SegmentScore
from outofsync.scoring.segments import segment_bounds

SCORE = SegmentScore(np.full(9, 0.25), np.full(9, 2.0))


def peaked(delay: int, height: float = 6.0) -> NDArray[np.float32]:
    """Ten windows whose logits peak at one delay (frames)."""
    delays = np.zeros((10, 31), np.float32)
    delays[:, 15 + delay] = height
    return delays


@pytest.mark.parametrize(
    ("windows", "bounds"),
    [
        (0, []),
        (1, [(0, 1)]),
        (50, [(0, 50)]),
        (51, [(0, 50), (1, 51)]),
        (120, [(0, 50), (50, 100), (70, 120)]),
        (150, [(0, 50), (50, 100), (100, 150)]),
    ],
)
def test_segments_cover_every_window(windows: int, bounds: list[tuple[int, int]]) -> None:
    assert segment_bounds(windows, 50) == bounds


@pytest.mark.parametrize("delay", [-15, -3, 0, 15])
def test_the_offset_is_the_best_delay(delay: int) -> None:
    offset, confidence = offset_of(peaked(delay, 9.0))
    assert offset == delay
    assert confidence > 0.9


def test_a_weak_peak_far_away_is_less_likely_than_one_where_video_usually_is() -> None:
    usual, far = peaked(1, 1.0), peaked(-13, 1.1)
    assert offset_of(usual + far)[0] == 1
    assert offset_of(usual + 3 * far)[0] == -13  # what is clear is found wherever it lies
    assert offset_of(np.tile(usual + far, (50, 1)))[0] == 1
    assert offset_of(np.tile(usual + 2 * far, (500, 1)))[0] == -13  # and what is heard for long


def test_beyond_some_frames_no_offset_is_less_likely_than_the_next() -> None:
    assert offset_of(peaked(1, 1.0) + peaked(12, 1.8))[0] == 12
    assert offset_of(peaked(1, 1.0) + peaked(8, 1.8))[0] == 8
    assert offset_of(peaked(1, 1.0) + peaked(12, 1.5))[0] == 1


def test_flat_delays_leave_the_offset_unsure() -> None:
    _, confidence = offset_of(np.zeros((10, 31)))
    assert confidence < 0.2


@pytest.mark.parametrize("delay", range(-2, 5))
def test_offsets_of_the_broadcast_window_are_where_a_video_is_judged(delay: int) -> None:
    assert is_tolerated(delay)
    assert tolerated_offset(peaked(delay)) == delay


def test_an_offset_outside_the_window_leaves_the_best_place_inside_it() -> None:
    delays = peaked(8) + peaked(3, 2.0)
    assert not is_tolerated(8)
    assert not is_tolerated(-3)
    assert is_tolerated(-3, within=1)
    assert not is_tolerated(6, within=1)
    assert tolerated_offset(delays) == 3


def test_evidence_of_a_stretch_that_strays_from_the_videos_offset() -> None:
    evidence = Evidence.of(peaked(4, 20.0), SCORE)
    assert (evidence.fit, evidence.contrast, evidence.margin) == (0.0, 20.0, -20.0)
    assert evidence.distance == pytest.approx(4.0, abs=1e-4)
    assert (evidence.delay_score, evidence.feature_score, evidence.generated) == (0.25, 2.0, 0.0)
    assert contrast_of(peaked(4)) == 6.0


def test_evidence_of_lips_that_fit() -> None:
    evidence = Evidence.of(peaked(0, 20.0), SCORE, generated=-1.5)
    assert (evidence.fit, evidence.margin, evidence.generated) == (20.0, 20.0, -1.5)
    assert evidence.distance == pytest.approx(0.0, abs=1e-4)
    assert evidence.level == 20.0


def test_two_delays_that_fit_alike_weigh_alike() -> None:
    """Whichever is best by a grain: a video that is only coded again is not another one."""
    here, there = (Evidence.of(peaked(0, one) + peaked(13, 12.0 - one), SCORE) for one in (6.01, 5.99))
    assert (int(here.margin > 0), int(there.margin > 0)) == (1, 0), "the best delay is another"
    assert here.distance == pytest.approx(there.distance, abs=0.2)
    assert 5 < here.distance < 8


def test_evidence_stands_out_from_what_is_heard_elsewhere() -> None:
    random = np.random.default_rng(0)
    loud, quiet = (
        Evidence.of(peaked(0), SCORE, elsewhere=random.normal(1, spread, 52)) for spread in (2.0, 0.5)
    )
    assert quiet.level == loud.level
    assert quiet.prominence > 3 * loud.prominence > 3
    assert quiet.margin > loud.margin


def test_a_longer_video_is_surer_of_its_offset() -> None:
    _, short = offset_of(np.tile(peaked(3, 1.0), (3, 1)))
    _, long = offset_of(np.tile(peaked(3, 1.0), (30, 1)))
    assert long > short + 0.1


def test_means_of_evidence_are_weighted() -> None:
    parts = [Evidence.of(peaked(delay, 20.0), SCORE) for delay in (0, 4)]
    mean = Evidence.mean(parts, [30, 10])
    assert mean.distance == pytest.approx(1.0, abs=1e-4)
    assert mean.fit == pytest.approx(15.0)


def test_evidence_says_how_exactly_lips_and_voice_fit() -> None:
    blunt = peaked(0)
    blunt[:, 13:18] = 6.0
    assert Evidence.of(blunt, SCORE).edge == pytest.approx(0.0)
    assert Evidence.of(peaked(0), SCORE).edge == pytest.approx(6.0)
