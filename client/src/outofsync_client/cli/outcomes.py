"""What a run over videos comes to, as an exit code."""

from __future__ import annotations

from collections.abc import Iterable

from outofsync_client._many import Outcome
from outofsync_client._result import FAKE_VERDICTS, INCONCLUSIVE, Result

EXIT_REAL = 0
EXIT_FAKE = 1
EXIT_INCONCLUSIVE = 2
EXIT_ERROR = 3
ERROR = "error"  # stands where a verdict would


def exit_code(outcomes: Iterable[Outcome]) -> int:
    """What the whole run comes to: an error outweighs a fake, and a fake an inconclusive video."""
    return exit_code_of_verdicts(
        outcome.verdict if isinstance(outcome, Result) else ERROR for outcome in outcomes
    )


def exit_code_of_verdicts(verdicts: Iterable[str]) -> int:
    """The same of verdicts alone."""
    codes = {_exit_code_of(verdict) for verdict in verdicts}
    return next((code for code in (EXIT_ERROR, EXIT_FAKE, EXIT_INCONCLUSIVE) if code in codes), EXIT_REAL)


def _exit_code_of(verdict: str) -> int:
    if verdict == ERROR:
        return EXIT_ERROR
    if verdict in FAKE_VERDICTS:
        return EXIT_FAKE
    return EXIT_INCONCLUSIVE if verdict == INCONCLUSIVE else EXIT_REAL
