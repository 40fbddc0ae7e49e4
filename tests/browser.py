"""The system's Chromium, as tests start it."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from edge_fixture import installed

NAMES = ("chromium", "chromium-browser", "google-chrome")
FLAGS = [
    "--disable-gpu",
    "--disable-quic",
    "--disable-sync",
    "--disable-background-networking",
    "--disable-component-update",
    "--no-first-run",
    *(["--no-sandbox"] if os.geteuid() == 0 else []),  # Chromium itself asks for it where it runs as root
]


def chromium(folder: Path) -> Path:
    """A program in ``folder`` that starts Chromium with no right to threads in real time.

    Root has that right, so that Chromium's sound threads go before every other process of the machine. One
    that waits for nothing leaves all others a twentieth of each second (``sched_rt_runtime_us``), the server
    that is tested among them.
    """
    found = next(filter(None, map(shutil.which, NAMES)), None) or installed("chromium", "chromium")
    setpriv = shutil.which("setpriv")
    if os.geteuid() != 0 or setpriv is None:
        return Path(found)
    program = folder / "chromium"
    program.write_text(f'#!/bin/sh\nexec {setpriv} --bounding-set=-sys_nice "{found}" "$@"\n')
    program.chmod(0o755)
    return program
