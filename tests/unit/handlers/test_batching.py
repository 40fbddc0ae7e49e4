"""Both handlers' common part, driven the way TorchServe drives it, with nodes that misbehave."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from pretended_context import FakeContext

from batching import SHORTEST_ANSWER_S, BatchHandler, error_answer
from metrics import counts_of
from outofsync.confinement import landlock
from outofsync.errors import DecoderEnd
from outofsync.nodes import Outcome, Request, Tally
from outofsync.progress import AbandonedError, Step
from outofsync.spool import Spool
from request_log import MARK

Work = Callable[[Sequence[Request]], list[bytes]]


class FakeNode:
    """A node that spends no time."""

    def __init__(self) -> None:
        self.tally = Tally()


class Handler(BatchHandler):
    """A node that does what a test says."""

    answer_type = "video/mp4"

    def __init__(self, work: Work) -> None:
        self.work = work
        self.node = FakeNode()

    def load(self, model_dir: Path, device: str, settings: dict[str, Any], spool: Spool | None) -> None:
        self.loaded = (model_dir, device, settings, spool is not None)

    def run(self, requests: Sequence[Request]) -> list[bytes]:
        return self.work(requests)

    def failure(self, error: dict[str, Any]) -> bytes:
        return error_answer(error)


def echo(requests: Sequence[Request]) -> list[bytes]:
    return [bytes(request.data) for request in requests]


def serve(
    batch: list[dict[str, Any]],
    work: Work = echo,
    *,
    name: str = "deblur",
    headers: list[dict[str, Any]] | None = None,
    settings: dict[str, Any] | None = None,
) -> tuple[list[bytes], FakeContext]:
    context = FakeContext(name, headers or [{}] * len(batch), settings or {})
    handler = Handler(work)
    handler.initialize(context)
    return handler.handle(batch, context), context


def error_of(answer: bytes) -> dict[str, Any]:
    error: dict[str, Any] = json.loads(answer)["error"]
    return error


@pytest.mark.parametrize("value", [bytearray(b"12"), b"12", "12", 12])
@pytest.mark.parametrize("field", ["data", "file", "body"])
def test_a_file_arrives_in_any_of_torchserves_shapes(field: str, value: Any) -> None:
    assert serve([{field: value}])[0] == [b"12"]


def test_a_json_body_is_a_file_like_any_other() -> None:
    assert serve([{"body": {"data": 1}}])[0] == [b'{"data": 1}']


def test_a_missing_file_is_an_error_that_names_what_came() -> None:
    answers, context = serve([{"options": b"{}"}])
    error = error_of(answers[0])
    assert error["code"] == "empty_file"
    assert "it has options" in error["message"]
    assert context.statuses == {0: 422}


def test_a_field_that_nobody_knows_is_answered_as_the_gateway_does() -> None:
    answers, context = serve([{"data": b"1", "treshold": b"2"}])
    error = error_of(answers[0])
    assert (error["code"], context.statuses) == ("bad_options", {0: 400})
    assert error["message"] == "the form has a field 'treshold'; known are data and options"


def test_options_travel_as_they_were_sent() -> None:
    seen: list[bytes | None] = []

    def note(requests: Sequence[Request]) -> list[bytes]:
        seen.extend(request.options for request in requests)
        return echo(requests)

    serve([{"data": b"1", "options": bytearray(b"{")}, {"data": b"1"}], note)
    assert seen == [b"{", None]


@pytest.mark.parametrize("name", ["X-OutOfSync-Request-Id", "x-outofsync-request-id"])
def test_the_callers_request_id_is_kept_whatever_its_case(name: str) -> None:
    answers, _ = serve([{}], headers=[{name: "abc-1"}])
    assert error_of(answers[0])["request_id"] == "abc-1"


@pytest.mark.parametrize("value", ["", "a" * 65, "a\nb", "é", {"content-type": "text/plain"}])
def test_a_request_id_that_could_harm_a_log_is_replaced(value: Any) -> None:
    answers, _ = serve([{}], headers=[{"X-OutOfSync-Request-Id": value}])
    assert len(error_of(answers[0])["request_id"]) == 32


def test_one_poisonous_request_fails_alone() -> None:
    def fragile(requests: Sequence[Request]) -> list[bytes]:
        if any(request.data == b"poison" for request in requests):
            raise RuntimeError("CUDA error")
        return echo(requests)

    batch = [{"data": b"one"}, {"data": b"poison"}, {}, {"data": b"two"}]
    answers, context = serve(batch, fragile)
    assert [answers[0], answers[3]] == [b"one", b"two"]
    assert [error_of(answers[i])["code"] for i in (1, 2)] == ["internal", "empty_file"]
    assert context.statuses == {0: 200, 1: 500, 2: 422, 3: 200}
    assert context.types[0] == "video/mp4"
    assert context.types[1] == "application/json"


def test_an_internal_error_says_nothing_of_the_exception() -> None:
    def fail(requests: Sequence[Request]) -> list[bytes]:
        raise RuntimeError(f"secret {len(requests)}")

    answers, _ = serve([{"data": b"1"}], fail)
    assert b"secret" not in answers[0]


@pytest.mark.parametrize("answers", [[], [b"1", b"2"]])
def test_a_wrong_number_of_answers_is_an_error_of_its_request(answers: list[bytes]) -> None:
    assert error_of(serve([{"data": b"1"}], lambda _: answers)[0][0])["code"] == "internal"


def test_an_answer_beyond_what_torchserve_takes_is_an_error() -> None:
    answers, _ = serve([{"data": b"12345"}, {"data": b"1234"}], settings={"limits": {"clip_bytes": 4}})
    assert error_of(answers[0])["code"] == "too_long"
    assert answers[1] == b"1234"


def test_no_answer_is_too_fast_for_torchserve() -> None:
    context = FakeContext("wf__deblur", [{}], {})
    handler = Handler(echo)
    handler.initialize(context)
    started = time.monotonic()
    handler.handle([{"data": b"1"}], context)
    assert time.monotonic() - started >= SHORTEST_ANSWER_S


def test_in_a_workflow_no_status_is_set() -> None:
    _, context = serve([{}], name="deepfake__deblur")
    assert context.statuses == {}


def test_unknown_limits_stop_the_worker_at_its_start() -> None:
    with pytest.raises(ValueError, match="unknown limits"):
        serve([{}], settings={"limits": {"colour": 1}})


def test_what_became_of_a_batch_is_counted(caplog: pytest.LogCaptureFixture) -> None:
    def work(requests: Sequence[Request]) -> list[bytes]:
        handler.node.tally.spend({"decode": 1500.0})
        handler.node.tally.tell(Outcome("r1", "inconclusive", ("silence", "no_face")))
        handler.node.tally.tell(Outcome("r2", deblurred=True))
        handler.node.tally.tell(Outcome("r3", code="corrupt_media", stage="decode", decoder="crash"))
        return echo(requests)

    handler = Handler(work)
    context = FakeContext("deepfake__deblur", [{}, {}, {}, {"X-OutOfSync-Request-Id": "r4"}], {})
    handler.initialize(context)
    with caplog.at_level(logging.INFO):
        handler.handle([{"data": b"a"}, {"data": b"b"}, {"data": b"c"}, {"options": b""}], context)
    assert context.metrics.counted == {
        "outofsync_batches_total{1.0}": 1,
        "outofsync_requests_total{1.0}": 4,
        "outofsync_batch_requests_total{1.0}{4}": 1,
        "outofsync_verdicts_total{1.0}{inconclusive}": 1,
        "outofsync_abstentions_total{1.0}{silence}": 1,
        "outofsync_abstentions_total{1.0}{no_face}": 1,
        "outofsync_deblurred_total{1.0}{true}": 1,
        "outofsync_errors_total{1.0}{corrupt_media}{decode}": 1,
        "outofsync_errors_total{1.0}{empty_file}{request}": 1,
        "outofsync_decode_crashes_total{1.0}": 1,
        "outofsync_stage_seconds_total{1.0}{decode}": 1.5,
    }
    lines = [json.loads(line.removeprefix(MARK)) for line in caplog.messages if line.startswith(MARK)]
    assert {line["request_id"] for line in lines} == {"r1", "r2", "r3", "r4"}
    assert all(
        (line["node"], line["version"], line["batch"]) == ("deepfake__deblur", "1.0", 4) for line in lines
    )


def test_each_way_in_which_a_file_ends_the_decoder_has_a_counter_of_its_own() -> None:
    counted = [name for end in DecoderEnd for name, _ in counts_of(Outcome("r", decoder=end))]
    assert counted == [
        "outofsync_decode_crashes_total",
        "outofsync_decode_timeouts_total",
        "outofsync_decode_refusals_total",
    ]


def test_a_machine_that_cannot_confine_is_warned_of(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    serve([{}])
    assert "Landlock" not in caplog.text
    monkeypatch.setattr(landlock, "version", lambda: 0)
    serve([{}])
    assert "lacks Landlock" in caplog.text


@pytest.mark.parametrize(("sent", "read"), [("12.5", 12.5), ("soon", None), ("", None)])
def test_a_request_says_when_it_was_sent(sent: str, read: float | None) -> None:
    seen: list[float | None] = []

    def work(requests: Sequence[Request]) -> list[bytes]:
        seen.extend(request.sent_s for request in requests)
        return echo(requests)

    serve([{"data": b"a"}], work, headers=[{"X-OutOfSync-Sent-At": sent}])
    assert seen == [read]


def test_only_a_workflow_spools() -> None:
    for name, spools in (("deepfake__deblur", True), ("deblur", False)):
        handler = Handler(echo)
        handler.initialize(FakeContext(name, [], {}))
        assert handler.loaded[-1] is spools


def test_progress_is_told_where_the_server_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OUTOFSYNC_PROGRESS", str(tmp_path))
    name, gone = "a" * 32, "b" * 32
    (tmp_path / name).touch()

    def work(requests: Sequence[Request]) -> list[bytes]:
        requests[0].progress.tell(Step.FACES, 0.5)
        requests[2].progress.tell(Step.FACES, 0.5)  # it has no file
        with pytest.raises(AbandonedError):
            requests[1].progress.tell(Step.FACES)
        return echo(requests)

    headers = [{"X-OutOfSync-Progress": name}, {"x-outofsync-progress": gone}, {}]
    answers, _ = serve([{"body": b"1"}, {"body": b"2"}, {"body": b"3"}], work, headers=headers)
    assert answers == [b"1", b"2", b"3"]
    assert (tmp_path / name).read_text().split() == ["faces", "0.500"]


def test_a_server_that_says_nothing_of_progress_is_told_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OUTOFSYNC_PROGRESS", raising=False)

    def work(requests: Sequence[Request]) -> list[bytes]:
        requests[0].progress.tell(Step.FACES)
        return echo(requests)

    assert serve([{"body": b"1"}], work, headers=[{"X-OutOfSync-Progress": "a" * 32}])[0] == [b"1"]
