"""What client and server each write down is the same: they share no code."""

from __future__ import annotations

from typing import get_args

import pytest

from outofsync import constants, errors, options
from outofsync_client import DeblurChoice, IncludeChoice, ModeChoice, _exceptions, protocol
from outofsync_client._exceptions import ERRORS_BY_CODE, error_from_envelope

OF_THE_CLIENT = {  # found on the way to the engine, or by the client alone
    "authentication",
    "connection_lost",
    "not_deployed",
    "timeout",
    "unexpected_answer",
    "unreachable",
    "untrusted",
    "worker_died",
    "not_found",
    "method_not_allowed",
    "unreadable_file",
}


def test_choices_are_the_servers() -> None:
    assert get_args(DeblurChoice) == options.DEBLUR
    assert get_args(ModeChoice) == options.MODES
    assert get_args(IncludeChoice) == options.INCLUDE


def test_the_grid_is_the_engines() -> None:
    assert (constants.FRAME_RATE, constants.MAX_DELAY) == (protocol.FRAME_RATE, protocol.MAX_DELAY)
    assert constants.DELAYS == protocol.DELAYS


def test_there_is_one_class_for_each_of_the_servers_codes() -> None:
    assert set(ERRORS_BY_CODE) - OF_THE_CLIENT == {code.value for code in errors.ErrorCode}
    for code in errors.ErrorCode:
        words = "".join(word.title() for word in code.value.split("_"))
        assert ERRORS_BY_CODE[code.value].__name__ == f"{words}Error"


@pytest.mark.parametrize("code", list(errors.ErrorCode))
def test_an_error_of_the_engine_is_read_whole(code: errors.ErrorCode) -> None:
    sent = errors.OutOfSyncError(code, "What happened.", stage=errors.Stage.DECODE).to_dict("its-id")
    read = error_from_envelope(sent, request_id="another")
    assert type(read) is _exceptions.ERRORS_BY_CODE[code.value]
    assert read.to_dict() == sent
