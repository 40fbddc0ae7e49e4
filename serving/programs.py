"""Programs that a supervisor runs as processes of their own: nginx, gateways."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

from serving.processes import end
from serving.settings import ROOT
from serving.supervisor import Check

STOP_S = 75.0  # longer than the gateway gives requests under way


class Program:
    """One process, with what it starts itself."""

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        *,
        stop_with: signal.Signals,
        log: Path,
        record: Callable[[], object],
        inherits: Sequence[int] = (),
        lacks: Sequence[str] = (),
    ) -> None:
        """``record`` is called whenever the process is another one.

        It has the descriptors ``inherits``, and not the variables ``lacks`` of this process's environment.
        """
        self.name = name
        self.log = log
        self._command = command
        self._stop_with = stop_with
        self._record = record
        self._inherits = inherits
        self._lacks = lacks
        self._process: subprocess.Popen[bytes] | None = None

    def __str__(self) -> str:
        return self.name

    def start(self, check: Check) -> None:
        """Start it; that it answers is seen once all of them are started."""
        check()
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                self._command,
                cwd=ROOT,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                pass_fds=self._inherits,
                env={name: value for name, value in os.environ.items() if name not in self._lacks},
                start_new_session=True,  # a terminal's Ctrl-C reaches the supervisor alone
            )
        self._record()

    @property
    def pid(self) -> int | None:
        """Of its process, None where it has none."""
        return None if self._process is None else self._process.pid

    def watch(self) -> str | None:
        code = None if self._process is None else self._process.poll()
        return None if code is None else f"{self.name} ended by itself ({code}); its log is {self.log}"

    def stop(self, *, drained: bool) -> None:
        if self._process is None:
            return
        end(self._process, self._stop_with if drained else signal.SIGKILL, limit_s=STOP_S)
        with suppress(ProcessLookupError):  # nginx's workers outlive it where it was killed
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process = None
