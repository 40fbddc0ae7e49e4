"""The command line as a test runs it: its two outputs apart, whichever version of click is there."""

from __future__ import annotations

import inspect
from typing import Any

from click.testing import CliRunner, Result

from outofsync_client.cli.main import cli

_BEFORE_8_2 = "mix_stderr" in inspect.signature(CliRunner).parameters


def outofsync(*words: str, **settings: Any) -> Result:
    """What ``outofsync WORDS`` prints, and how it ends."""
    apart: dict[str, Any] = {"mix_stderr": False} if _BEFORE_8_2 else {}
    return CliRunner(**apart).invoke(cli, list(words), **settings)
