"""Files go in, answers come out, through a real server."""

from __future__ import annotations

import json
from typing import Any

import pytest
from media_factory import Media
from server_fixture import LiveServer

from outofsync.limits import Limits
from outofsync.media import probe
from serving.settings import ROOT

pytestmark = pytest.mark.server

SAMPLES = sorted((ROOT / "samples").glob("*.mp4"))
VERDICTS = {"real", "likely_real", "likely_fake", "fake", "inconclusive"}


def lasting(result: dict[str, Any]) -> dict[str, Any]:
    """A result without what differs from call to call."""
    return {name: value for name, value in result.items() if name != "timing_ms"}


@pytest.fixture(scope="module")
def results(server: LiveServer) -> dict[str, dict[str, Any]]:
    """The answer to each sample, by its name."""
    return {sample.stem: server.detect(sample.read_bytes()) for sample in SAMPLES}


def test_every_sample_gets_a_whole_answer(results: dict[str, dict[str, Any]]) -> None:
    for result in results.values():
        assert result["verdict"] in VERDICTS
        assert 0 <= result["probability_fake"] <= 1
        assert all(len(row) == 31 for row in result["delays"])
        assert set(result["models"]) == {"deblur", "ensemble"}
        assert set(result["timing_ms"])


def test_the_synchronised_sample_is_told_from_the_manipulated_ones(
    results: dict[str, dict[str, Any]],
) -> None:
    assert results["synchronised"]["label"] == "REAL"
    assert results["another_voice"]["label"] == "FAKE"
    assert results["another_voice"]["score"] > results["synchronised"]["score"]


def test_sound_that_is_late_as_broadcasts_leave_it_is_judged_where_it_is(
    results: dict[str, dict[str, Any]],
) -> None:
    late, on_time = results["shifted"], results["synchronised"]
    assert late["label"] == "REAL"
    assert late["judged_offset_frames"] - on_time["judged_offset_frames"] == 3
    assert abs(late["probability_fake"] - on_time["probability_fake"]) < 0.1


def test_there_are_samples() -> None:
    assert SAMPLES


@pytest.fixture(scope="module")
def first_result(server: LiveServer) -> dict[str, Any]:
    """The answer to the first sample."""
    return lasting(server.detect(SAMPLES[0].read_bytes()))


def test_the_same_file_gets_the_same_answer(server: LiveServer, first_result: dict[str, Any]) -> None:
    assert lasting(server.detect(SAMPLES[0].read_bytes())) == first_result


def test_without_a_face_the_answer_says_so(server: LiveServer) -> None:
    result = server.detect(Media().to_bytes())
    assert result["verdict"] == "inconclusive"
    assert result["label"] is None
    assert "no_face" in [reason["code"] for reason in result["reasons"]]


def test_a_bare_body_is_a_file_with_default_options(server: LiveServer, first_result: dict[str, Any]) -> None:
    response = server.post("/wfpredict/deepfake", data=SAMPLES[0].read_bytes())
    assert lasting(response.json()) == first_result


def test_options_arrive(server: LiveServer) -> None:
    result = server.detect(SAMPLES[0].read_bytes(), mode="reference", include=["features"])
    assert "features" in result
    assert "delays" not in result


def test_deblur_alone_answers_a_video_with_its_sound(server: LiveServer) -> None:
    video = Media(frames=10).to_bytes()
    response = server.post(
        "/predictions/deblur", files={"data": video, "options": json.dumps({"deblur": "always"})}
    )
    assert response.status_code == 200
    assert response.headers["content-type"] == "video/mp4"
    before, after = probe(video, Limits()), probe(response.content, Limits())
    assert (after.width, after.height) == (before.width, before.height)
    assert after.duration_s == pytest.approx(before.duration_s, abs=0.1)
    assert after.audio_codec == before.audio_codec


def test_ensemble_alone_takes_a_video(server: LiveServer) -> None:
    response = server.post("/predictions/ensemble", data=SAMPLES[0].read_bytes())
    assert response.status_code == 200
    assert response.headers["content-type"] == "application/json"
    assert response.json()["verdict"] in VERDICTS


@pytest.mark.parametrize("model", ["deblur", "ensemble"])
def test_a_plain_models_errors_carry_their_status(server: LiveServer, model: str) -> None:
    response = server.post(f"/predictions/{model}", data=b"this is text")
    assert response.status_code == 415
    assert response.json()["error"]["code"] == "unsupported_media"
