"""The catalogue of errors is complete, and errors survive being data."""

from __future__ import annotations

import pickle

import pytest

from outofsync.errors import CATALOGUE, ErrorCode, OutOfSyncError, Stage
from outofsync.limits import Limits


@pytest.mark.parametrize("code", ErrorCode)
def test_every_code_has_a_status_and_a_hint(code: ErrorCode) -> None:
    spec = CATALOGUE[code]
    assert spec.status in {400, 413, 415, 422, 429, 500, 503}
    assert spec.hint.endswith(".")


def test_an_error_survives_being_data() -> None:
    error = OutOfSyncError(ErrorCode.TOO_LONG, "twelve minutes", stage=Stage.PROBE)
    data = error.to_dict("id-1")
    assert data == {
        "code": "too_long",
        "status": 422,
        "stage": "probe",
        "message": "twelve minutes",
        "hint": CATALOGUE[ErrorCode.TOO_LONG].hint,
        "request_id": "id-1",
    }
    assert OutOfSyncError.from_dict(data).to_dict("id-1") == data


def test_limits_come_from_settings() -> None:
    assert Limits.from_settings(None) == Limits()
    assert Limits.from_settings({"duration_s": 5}).duration_s == 5
    with pytest.raises(ValueError, match="duration"):
        Limits.from_settings({"durations": 5})


def test_an_error_crosses_to_another_process_whole() -> None:
    error = OutOfSyncError(ErrorCode.NO_AUDIO, "no sound", stage=Stage.DECODE)
    again = pickle.loads(pickle.dumps(error))
    assert (again.code, again.message, again.stage) == (error.code, error.message, error.stage)
