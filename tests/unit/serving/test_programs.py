"""Programs that a supervisor runs."""

from __future__ import annotations

import signal
import sys
from pathlib import Path

import pytest

from serving.programs import Program

TELL = "import os; print(os.environ.get('KEPT'), os.environ.get('LEFT_OUT'))"


def test_a_program_lacks_what_is_not_meant_for_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KEPT", "here")
    monkeypatch.setenv("LEFT_OUT", "a secret")
    log = tmp_path / "log"
    command = [sys.executable, "-c", TELL]
    program = Program(
        "it", command, stop_with=signal.SIGTERM, log=log, record=lambda: None, lacks=("LEFT_OUT",)
    )
    program.start(lambda: None)
    while program.watch() is None:
        pass
    assert log.read_text() == "here None\n"
    program.stop(drained=False)
