"""The system's Chromium, as tests start it."""

from __future__ import annotations

import os
import shutil

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


def chromium() -> str:
    """The program; skips where there is none and none can be installed."""
    return next(filter(None, map(shutil.which, NAMES)), None) or installed("chromium", "chromium")
