"""What several faces say together, and how the delays where nothing should fit are chosen."""

from __future__ import annotations

import numpy as np
import pytest

from outofsync.clip import Track
from outofsync.findings import TrackFinding, elsewhere, evidence_of
from outofsync.frames import RawFrames
from outofsync.scoring.score import SegmentScore
from outofsync.synchrony.interface import SyncOutput

BOX = np.array([10, 20, 110, 120], np.float32)


def finding(*, windows: int, fit: float = 3.0, offset: int = 0, seed: int = 0) -> TrackFinding:
    """A face that fits at one delay, read from there; elsewhere it fits by chance."""
    random = np.random.default_rng(seed)
    far = random.normal(0, 4, (windows, 61)).astype(np.float32)
    far[:, 30 + offset] = fit
    frames = RawFrames(np.zeros((windows + 4, 8, 8, 3), np.uint8))
    track = Track(seed, 0, frames, np.tile(BOX, (windows + 4, 1)))
    found = TrackFinding(track, SyncOutput(far[:, 15:46], np.ones((windows, 32), np.float32), far), 5.0)
    bounds = found.bounds(50)
    scores = [
        SegmentScore(np.full(stop - start - 1, 0.2), np.full(stop - start - 1, 3.0)) for start, stop in bounds
    ]
    found.read(offset, bounds, scores)
    return found


def test_one_segment_is_the_whole() -> None:
    found = finding(windows=50, offset=3)
    (segment,) = found.readings[3].evidence
    np.testing.assert_allclose(evidence_of([found], 3).as_array(), segment.as_array(), atol=1e-9)


def test_what_belongs_together_stands_out_the_more_the_longer_it_lasts() -> None:
    short, long = (evidence_of([finding(windows=windows)], 0).prominence for windows in (50, 450))
    assert long > 2 * short
    segments = finding(windows=450).readings[0].evidence
    assert long > 2 * max(each.prominence for each in segments)


def test_faces_after_one_another_are_one_stretch() -> None:
    first, second = finding(windows=100), finding(windows=300, seed=1)
    both = evidence_of([first, second], 0)
    assert both.prominence > evidence_of([second], 0).prominence > evidence_of([first], 0).prominence
    assert both.level == pytest.approx(3.0)
    assert (both.delay_score, both.feature_score) == pytest.approx((0.2, 3.0))


@pytest.mark.parametrize(("longest", "delays"), [(11, 25), (30, 41), (500, 61)])
def test_delays_at_which_little_sound_is_left_say_nothing(longest: int, delays: int) -> None:
    assert len(elsewhere(np.zeros(61), 0, longest)) == delays - 7


def test_the_neighbourhood_of_the_offset_is_not_elsewhere() -> None:
    curve = np.zeros(61)
    curve[30 + 4 - 3 : 30 + 4 + 4] = 9.0
    assert not elsewhere(curve, 4, 500).any()
    assert elsewhere(curve, 3, 500).any()
