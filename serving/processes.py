"""Processes of our own: begun in the background, and ended."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

from serving.settings import ROOT

POLL_S = 0.05  # between two looks at something that is waited for

T = TypeVar("T")


def end(process: subprocess.Popen[bytes], with_signal: signal.Signals, *, limit_s: float) -> None:
    """Let a process end, and kill it where it has not after ``limit_s``."""
    process.send_signal(with_signal)  # nothing where it has ended already
    try:
        process.wait(limit_s)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def in_background(
    words: Sequence[str], log_file: Path, look: Callable[[], T | None], *, limit_s: float | None = None
) -> T | None:
    """Run a module of ours (``words``: its name and arguments) that stays, until ``look`` finds what it made.

    None where the process ends before, or where it takes longer than ``limit_s`` and is ended.
    """
    with log_file.open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", *words],
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    started = time.monotonic()
    try:
        while process.poll() is None:
            if (found := look()) is not None:
                return found
            if limit_s is not None and time.monotonic() - started > limit_s:
                process.terminate()
                process.wait()
            time.sleep(POLL_S)
    except BaseException:  # Ctrl-C: nothing that is half started stays behind
        process.terminate()
        process.wait()
        raise
    return None
