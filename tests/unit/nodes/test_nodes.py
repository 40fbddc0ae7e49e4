"""Both nodes, with small untrained networks and real files: batches, bad company, determinism."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from media_factory import Media, beginning
from untrained import write_checkpoints

from outofsync.clip import Clip
from outofsync.findings import Alignment, TrackFinding
from outofsync.limits import Limits
from outofsync.media import Decoder
from outofsync.nodes import CropNode, DeblurNode, EnsembleNode, Request
from outofsync.nodes.preview import Preview
from outofsync.progress import Progress
from outofsync.spool import Spool
from outofsync.timing import Stopwatch

SAMPLES = Path(__file__).parents[3] / "samples"
FACE = beginning(SAMPLES / "synchronised.mp4", 3.0)
NO_FACE = Media(frames=40).to_bytes()


@pytest.fixture(scope="module")
def nodes(tmp_path_factory: pytest.TempPathFactory) -> tuple[DeblurNode, EnsembleNode]:
    folder = write_checkpoints(tmp_path_factory.mktemp("checkpoints"))
    settings = {"threads": 1, "limits": {"duration_s": 20}}
    return DeblurNode.load(folder, "cpu", settings), EnsembleNode.load(folder, "cpu", settings)


def request(data: bytes, number: int = 0, **options: Any) -> Request:
    return Request(data, json.dumps(options).encode() if options else None, f"request-{number}")


def chain(nodes: tuple[DeblurNode, EnsembleNode], *requests: Request) -> list[dict[str, Any]]:
    """Results as the workflow gives them, without what depends on the clock."""
    first, second = nodes
    clips = first.run(requests)
    answers = [json.loads(answer) for answer in second.run([Request(clip, None, "other") for clip in clips])]
    for answer in answers:
        answer.pop("timing_ms", None)
    return answers


@pytest.fixture(scope="module")
def alone(nodes: tuple[DeblurNode, EnsembleNode]) -> dict[str, Any]:
    return chain(nodes, request(FACE))[0]


def test_a_face_is_found_and_scored(alone: dict[str, Any]) -> None:
    assert len(alone["tracks"]) == 1
    windows = len(alone["delays"])
    assert windows == round(alone["tracks"][0]["end"] * 25) - 4
    assert np.isfinite(alone["delays"]).all()
    assert alone["segments"][-1]["end"] == alone["tracks"][0]["end"]
    assert set(alone["models"]) == {"deblur", "ensemble"}


@pytest.mark.slow
def test_crops_cut_elsewhere_bring_the_same_clips(nodes: tuple[DeblurNode, EnsembleNode]) -> None:
    """Bit for bit, whether crops are restored, coded, raw, or not there at all."""
    asked = [
        request(FACE, 1, deblur="always"),
        request(FACE, 2, deblur="never"),
        request(FACE, 3, mode="reference", max_len=10),
        request(NO_FACE, 4),
        request(b"", 5),
    ]
    cut = CropNode.load({"threads": 1, "limits": {"duration_s": 20}}).run(asked)
    crops = [Request(clip, None, one.request_id) for clip, one in zip(cut, asked, strict=True)]
    for whole, halves in zip(nodes[0].run(asked), nodes[0].run_clips(crops), strict=True):
        assert _timeless(halves) == _timeless(whole)


def _timeless(data: bytes) -> bytes:
    """A clip without what depends on the clock."""
    clip = Clip.from_bytes(data)
    clip.timing_ms, clip.handed_on_s = {}, 0.0
    return clip.to_bytes()


@pytest.mark.slow
def test_a_result_does_not_depend_on_its_company(
    nodes: tuple[DeblurNode, EnsembleNode], alone: dict[str, Any]
) -> None:
    company = chain(
        nodes,
        request(b"no video", 1),
        request(FACE, 2),
        request(NO_FACE, 3),
        request(b"", 4),
        request(FACE, 5, mode="reference", max_len=10),
        request(FACE, 6, lam="much"),
    )
    codes = [answer.get("error", {}).get("code") for answer in company]
    assert codes == ["unsupported_media", None, None, "empty_file", None, "bad_options"]
    assert company[1] == alone
    assert company[2]["reasons"][0]["code"] == "no_face"
    assert len(company[4]["delays"]) == 10


@pytest.mark.gpu
def test_a_card_comes_to_the_same_results() -> None:
    """The shipped networks, every crop restored, in both nodes."""
    folder, settings = SAMPLES.parent / "checkpoints", {"threads": 1}
    on_card, on_processor = (
        (DeblurNode.load(folder, device, settings), EnsembleNode.load(folder, device, settings))
        for device in ("cuda", "cpu")
    )
    names = ("synchronised", "another_voice", "remade_lips")
    files = [(SAMPLES / f"{name}.mp4").read_bytes() for name in names]
    requests = [request(file, deblur="always") for file in files]
    together = chain(on_card, *requests)
    assert together[0] == chain(on_card, requests[0])[0]
    for found, expected in zip(together, chain(on_processor, *requests), strict=True):
        assert found["verdict"] == expected["verdict"]
        assert found["probability_fake"] == pytest.approx(expected["probability_fake"], abs=0.01)
        delays = np.array(expected["delays"])
        np.testing.assert_allclose(found["delays"], delays, atol=0.01 * np.abs(delays).max())


def test_errors_name_their_request(nodes: tuple[DeblurNode, EnsembleNode]) -> None:
    (answer,) = chain(nodes, request(b"no video", 7))
    assert answer["error"]["request_id"] == "request-7"


def test_the_second_node_takes_a_video_too(nodes: tuple[DeblurNode, EnsembleNode]) -> None:
    (never,) = chain(nodes, request(FACE, mode="reference", deblur="never"))
    (answer,) = (json.loads(each) for each in nodes[1].run([request(FACE, mode="reference")]))
    assert answer["delays"] == never["delays"]
    assert answer["deblur"]["applied"] is False


def test_the_limits_of_the_settings_hold(nodes: tuple[DeblurNode, EnsembleNode]) -> None:
    long = Media(frames=25 * 21).to_bytes()
    (answer,) = chain(nodes, request(long))
    assert answer["error"]["code"] == "too_long"


@pytest.mark.parametrize("damaged", [b"", b"{}", FACE[:2000]])
def test_a_damaged_clip_is_an_error_as_data(nodes: tuple[DeblurNode, EnsembleNode], damaged: bytes) -> None:
    (answer,) = nodes[1].run([Request(damaged, None, "x")])
    assert "code" in json.loads(answer)["error"]


def test_deblurring_is_reported(nodes: tuple[DeblurNode, EnsembleNode]) -> None:
    short: dict[str, Any] = {"mode": "reference", "max_len": 10}
    always, never = chain(
        nodes, request(FACE, deblur="always", **short), request(FACE, deblur="never", **short)
    )
    assert (always["deblur"]["applied"], always["deblur"]["frames"]) == (True, 14)
    assert (never["deblur"]["applied"], never["deblur"]["frames"]) == (False, 0)


@pytest.mark.slow
def test_clips_carry_what_the_second_node_needs(nodes: tuple[DeblurNode, EnsembleNode]) -> None:
    clip = Clip.from_bytes(nodes[0].run([request(FACE, 9)])[0])
    assert clip.request_id == "request-9"
    assert len(clip.tracks[0].sharpness) == len(clip.tracks[0].frames) == 75
    assert clip.audio.size >= 75 * 640


def test_a_deblurred_video_comes_back_with_its_sound(nodes: tuple[DeblurNode, EnsembleNode]) -> None:
    restored, failed = nodes[0].restore([request(Media(frames=30).to_bytes()), request(b"text")])
    with Decoder(restored, Limits()) as decoder:
        frames = sum(len(batch) for batch in decoder.frames())
        assert (frames, decoder.audio.size > 15_000) == (30, True)
    assert json.loads(failed)["error"]["code"] == "unsupported_media"


def test_an_empty_batch_is_no_work(nodes: tuple[DeblurNode, EnsembleNode]) -> None:
    assert nodes[0].run([]) == []
    assert nodes[1].run([]) == []


@pytest.mark.slow
def test_a_request_whose_file_was_let_go_is_not_called_empty(
    nodes: tuple[DeblurNode, EnsembleNode],
) -> None:
    """A batch that breaks as a whole is tried again, when its files are gone already."""
    again = Request(bytearray(FACE), None, "again")
    nodes[0].run([again])
    assert again.released
    (clip,) = nodes[0].run([again])
    error = Clip.from_bytes(clip).error
    assert error is not None
    assert error["code"] == "internal"


@pytest.mark.slow
def test_each_node_tells_what_became_of_a_request(nodes: tuple[DeblurNode, EnsembleNode]) -> None:
    first, second = nodes
    for node in nodes:
        node.tally.take()
    clips = first.run([request(FACE, 1, deblur="always"), request(b"no video", 2)])
    second.run([Request(clip, None, "other") for clip in clips])
    told = {outcome.request_id: outcome for outcome in first.tally.take().outcomes}
    assert told["request-1"].deblurred
    assert (told["request-2"].code, told["request-2"].stage) == ("unsupported_media", "probe")
    told_next = second.tally.take()
    (judged,) = told_next.outcomes
    assert {"read", "synchrony", "motion", "serialise"} <= set(told_next.timing_ms)
    assert second.tally.take().timing_ms == {}
    assert judged.request_id == "request-1"
    assert judged.verdict
    assert judged.reasons


def test_clips_of_a_batch_that_broke_are_read_again_one_by_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spool = Spool(tmp_path / "clips", 1 << 28)
    settings = {"threads": 1, "limits": {"duration_s": 20}}
    checkpoints = write_checkpoints(tmp_path)
    first = DeblurNode.load(checkpoints, "cpu", settings, spool)
    second = EnsembleNode.load(checkpoints, "cpu", settings, spool)
    clips = [Request(clip, None, "other") for clip in first.run([request(NO_FACE), request(NO_FACE, 1)])]
    findings = second.findings

    def break_together(
        batch: Sequence[Clip], watch: Stopwatch, progress: Progress, previews: Sequence[Preview | None]
    ) -> list[tuple[list[TrackFinding], Alignment | None]]:
        if len(batch) > 1:
            raise RuntimeError("out of memory")
        return findings(batch, watch, progress, previews)

    monkeypatch.setattr(second, "findings", break_together)
    with pytest.raises(RuntimeError):
        second.run(clips)
    for clip in clips:
        (answer,) = second.run([clip])
        assert "verdict" in json.loads(answer)
    assert list((tmp_path / "clips").iterdir()) == []
