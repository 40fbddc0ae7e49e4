"""Which face speaks, what its segments say, and when nothing can be said."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from outofsync.clip import Clip, Track
from outofsync.frames import RawFrames
from outofsync.judgement import Judgement, TrackFinding, loudness, speakers
from outofsync.options import Options
from outofsync.scoring.score import SegmentScore

BOX = np.array([10, 20, 110, 120], np.float32)
VOICE = (3000 * np.sin(np.arange(16_000 * 5) / 9)).astype(np.int16)


def finding(
    number: int, *, start: int = 0, windows: int = 60, fit: float = 5.0, delay: int = 0, motion: float = 5.0
) -> TrackFinding:
    frames = np.zeros((windows + 4, 224, 224, 3), np.uint8)
    track = Track(number, start, RawFrames(frames), np.tile(BOX, (windows + 4, 1)))
    delays = np.zeros((windows, 31), np.float32)
    delays[:, 15 + delay] = fit
    found = TrackFinding(track, delays, np.ones((windows, 31)), motion)
    steps = [stop - begin - 1 for begin, stop in found.bounds(50)]
    found.add_scores([SegmentScore(np.full(count, 0.2), np.full(count, 3.0)) for count in steps], 50)
    return found


def result(
    *findings: TrackFinding, audio: NDArray[np.int16] = VOICE, options: Options | None = None
) -> dict[str, Any]:
    clip = Clip([each.track for each in findings], audio, options=options or Options(), digest="d")
    return Judgement(clip, findings, lam=0.1, calibration=None).result()


def test_a_result_says_everything() -> None:
    answer = result(finding(0))
    assert answer["verdict"] == "likely_fake"  # 0.2 + 0.1 · 3.0
    assert answer["score"] == pytest.approx(0.5)
    assert (answer["delay_score"], answer["feature_score"], answer["lam"]) == (0.2, 3.0, 0.1)
    assert (answer["offset_frames"], answer["label"], answer["id"]) == (0, "FAKE", "d")
    assert [(part["start"], part["end"]) for part in answer["segments"]] == [(0.0, 2.16), (0.4, 2.56)]
    assert answer["tracks"] == [
        {"id": 0, "start": 0.0, "end": 2.56, "speaking": True, "box": [10.0, 20.0, 110.0, 120.0]}
    ]
    assert np.shape(answer["delays"]) == (60, 31)
    assert "features" not in answer


def test_the_callers_weight_wins() -> None:
    assert result(finding(0), options=Options(lam=0.0))["score"] == pytest.approx(0.2)


def test_what_is_asked_for_is_included() -> None:
    options = Options(include=("features", "tracks", "frames"))
    answer = result(finding(0, start=10), options=options)
    assert "delays" not in answer
    assert np.shape(answer["features"]) == (60, 31)
    assert np.shape(answer["tracks"][0]["boxes"]) == (64, 4)
    assert [still["time"] for still in answer["frames"]] == [1.48, 1.88]


def test_of_two_faces_in_view_the_one_that_fits_speaks() -> None:
    listener, speaker = finding(0, fit=1.0), finding(1, fit=6.0)
    assert speakers([listener, speaker]) == [speaker]
    answer = result(listener, speaker)
    assert [track["speaking"] for track in answer["tracks"]] == [False, True]
    assert {segment["track"] for segment in answer["segments"]} == {1}


def test_faces_after_one_another_all_speak() -> None:
    first, second = finding(0, fit=4.0), finding(1, start=64, fit=6.0)
    answer = result(first, second)
    assert [track["speaking"] for track in answer["tracks"]] == [True, True]
    assert answer["delays_start"] == pytest.approx(2.56)  # the rows are the best one's


@pytest.mark.parametrize(
    ("findings", "audio", "code"),
    [
        ([finding(0)], np.zeros(80_000, np.int16), "silence"),
        ([finding(0)], np.zeros(0, np.int16), "silence"),
        ([finding(0, motion=0.1)], VOICE, "nobody_speaking"),
        ([finding(0, windows=1)], VOICE, "too_short"),
        ([finding(0, delay=7)], VOICE, "constant_offset"),
    ],
)
def test_what_cannot_be_judged(findings: list[TrackFinding], audio: NDArray[np.int16], code: str) -> None:
    answer = result(*findings, audio=audio)
    assert (answer["verdict"], answer["label"]) == ("inconclusive", None)
    assert [reason["code"] for reason in answer["reasons"]] == [code]


def test_no_tracks_give_a_result_without_numbers() -> None:
    answer = result()
    assert (answer["verdict"], answer["score"], answer["offset_frames"]) == ("inconclusive", None, None)


def test_loudness_is_that_of_the_loudest_half_second() -> None:
    quiet_then_loud = np.concatenate([np.zeros(16_000), np.full(8_000, 500)]).astype(np.int16)
    assert loudness(quiet_then_loud) == pytest.approx(500)
