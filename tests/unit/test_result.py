"""The result as a caller reads it: the order of its fields, and what is left out."""

from __future__ import annotations

import json
from dataclasses import fields, replace

import numpy as np

from outofsync.reasons import Reason
from outofsync.result import ONLY_IF_ASKED, FaceTrack, Result, ScoredSegment, Still

RESULT = Result(
    id="ab",
    verdict="fake",
    label="FAKE",
    probability_fake=0.9,
    probability_aligned=None,
    parts={"face": 0.9},
    score=0.5,
    delay_score=0.2,
    feature_score=3.0,
    offset_frames=0,
    offset_confidence=0.7,
    judged_offset_frames=0,
    lam=2,
    reasons=(Reason.GENERATED_FACE.stated,),
    segments=(ScoredSegment(0.0, 2.16, 1, 0.5, 0.9, -1),),
    tracks=(FaceTrack(1, 0.0, 2.16, True, (1.0, 2.0, 3.0, 4.0)),),
    media={"width": 640},
    deblur={"applied": False},
    models={"ensemble": {"version": "1.0"}},
    timing_ms={"decode": 1.5},
)


def test_fields_come_in_their_order_and_what_was_not_asked_for_not_at_all() -> None:
    values = RESULT.to_dict()
    assert list(values) == [field.name for field in fields(Result) if field.name not in ONLY_IF_ASKED]
    assert values["probability_aligned"] is None, "what could not be measured is said to be nothing"
    assert list(values["tracks"][0]) == ["id", "start", "end", "speaking", "box"]
    assert json.loads(json.dumps(values)) == values
    assert json.dumps(values["lam"]) == "2", "the caller's own number"


def test_what_was_asked_for_is_there() -> None:
    track = replace(RESULT.tracks[0], boxes=np.array([[0.5, 1.0, 2.0, 3.0]]))
    values = replace(
        RESULT,
        tracks=(track,),
        delays_start=0.4,
        delays=np.zeros((2, 31)),
        features=np.ones((2, 31)),
        frames=(Still(0.8, 1, "/9j/"),),
    ).to_dict()
    assert list(values)[-4:] == list(ONLY_IF_ASKED)
    assert values["tracks"][0]["boxes"] == [[0.5, 1.0, 2.0, 3.0]]
    assert (values["delays"], values["features"]) == ([[0.0] * 31] * 2, [[1.0] * 31] * 2)
    assert values["frames"] == [{"time": 0.8, "track": 1, "jpeg": "/9j/"}]


def test_stills_without_segments_are_an_empty_list() -> None:
    assert replace(RESULT, frames=()).to_dict()["frames"] == []
