"""Which face speaks, what its segments say, and when nothing can be said."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from outofsync.clip import Clip, Track
from outofsync.findings import Alignment, TrackFinding, speakers
from outofsync.frames import RawFrames
from outofsync.judgement import Judgement
from outofsync.options import Options
from outofsync.scoring.abstention import Abstention
from outofsync.scoring.calibration import Calibration, Part
from outofsync.scoring.score import SegmentScore
from outofsync.synchrony.interface import SyncOutput

BOX = np.array([10, 20, 110, 120], np.float32)
VOICE = (3000 * np.sin(np.arange(16_000 * 5) / 9)).astype(np.int16)


def finding(
    number: int, *, start: int = 0, windows: int = 60, fit: float = 5.0, delay: int = 0, motion: float = 5.0
) -> TrackFinding:
    frames = np.zeros((windows + 4, 224, 224, 3), np.uint8)
    track = Track(number, start, RawFrames(frames), np.tile(BOX, (windows + 4, 1)))
    far = np.zeros((windows, 61), np.float32)
    far[:, 30 + delay] = fit
    output = SyncOutput(far[:, 15:46], np.ones((windows, 32), np.float32), far)
    return TrackFinding(track, output, motion, features=np.ones((windows, 31)))


def aligned(findings: Sequence[TrackFinding]) -> Alignment | None:
    """Read every speaker from the offsets of the video, as the node does."""
    speaking = speakers(findings)
    if not speaking:
        return None
    alignment = Alignment.of(np.concatenate([each.delays for each in speaking]), Abstention())
    for each in speaking:
        bounds = each.bounds(50)
        scores = [
            SegmentScore(np.full(stop - start - 1, 0.2), np.full(stop - start - 1, 3.0))
            for start, stop in bounds
        ]
        for offset in alignment.offsets:
            each.read(offset, bounds, scores)
    return alignment


def result(
    *findings: TrackFinding,
    audio: NDArray[np.int16] = VOICE,
    options: Options | None = None,
    calibration: Calibration | None = None,
) -> dict[str, Any]:
    clip = Clip([each.track for each in findings], audio, options=options or Options(), digest="d")
    return Judgement(clip, findings, aligned(findings), lam=0.1, calibration=calibration).result().to_dict()


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


FITS = Calibration(parts={"synchrony": Part(("fit",), (3.0,), (1.0,), (-2.0,), 0.0)}, usual_fit=6.0)


@pytest.mark.parametrize("delay", range(-2, 5))
def test_inside_the_broadcast_window_a_video_is_judged_at_its_own_offset(delay: int) -> None:
    answer = result(finding(0, delay=delay), calibration=FITS)
    assert answer["verdict"] == "real"
    assert (answer["offset_frames"], answer["judged_offset_frames"]) == (delay, delay)
    assert answer["probability_aligned"] is None
    assert answer["segments"][0]["peak_delay"] == delay  # as the file has it
    assert answer["parts"]["synchrony"] < 0.1


@pytest.mark.parametrize("delay", [-3, 5])
def test_what_surely_lies_a_frame_beyond_the_window_may_be_inside_it(delay: int) -> None:
    answer = result(finding(0, delay=delay), calibration=FITS)
    assert (answer["verdict"], answer["judged_offset_frames"]) == ("real", delay)
    assert [reason["code"] for reason in answer["reasons"]] == ["in_sync", "tolerated_offset"]
    unsure = Alignment.of(finding(0, delay=delay).delays, Abstention(sure_offset=2.0))
    assert unsure.judged != delay  # an accident of another voice is no excuse
    further = result(finding(0, delay=delay + (1 if delay > 0 else -1)), calibration=FITS)
    assert [reason["code"] for reason in further["reasons"]] == ["constant_offset"]


@pytest.mark.parametrize("delay", [-3, 3, 5])
def test_the_published_protocol_knows_no_offset_of_a_video(delay: int) -> None:
    alignment = Alignment.of(finding(0, delay=delay).delays, Abstention(), as_published=True)
    assert (alignment.offset, alignment.judged) == (delay, 0)
    assert alignment.elsewhere == (None if delay == 3 else delay)


def test_outside_the_window_the_probability_after_alignment_is_told_too() -> None:
    answer = result(finding(0, delay=9), calibration=FITS)
    assert [reason["code"] for reason in answer["reasons"]] == ["constant_offset"]
    assert (answer["verdict"], answer["offset_frames"]) == ("inconclusive", 9)
    assert answer["probability_fake"] > 0.9
    assert answer["probability_aligned"] < 0.1
