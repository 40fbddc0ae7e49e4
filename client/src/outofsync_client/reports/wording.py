"""How numbers and outcomes read, the same in the table, the log and the picture."""

from __future__ import annotations

from typing import Union

from outofsync_client._exceptions import OutOfSyncError
from outofsync_client._result import Result
from outofsync_client.protocol import FRAME_RATE

NOTHING = "\N{EN DASH}"
FORMULAS = ("=", "+", "-", "@", "\t", "\r")  # how those begin


def printable(text: str) -> str:
    """The text without line breaks and terminal codes, which a file name may hold."""
    return "".join(letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in text)


def as_cell(text: str) -> str:
    """A text for a spreadsheet: one that it would take for a formula gets a quote before it."""
    return f"'{text}" if text.startswith(FORMULAS) else text


def verdict_words(verdict: str) -> str:
    """``likely_fake`` → ``likely fake``."""
    return verdict.replace("_", " ")


def number(value: float | None, digits: int = 3) -> str:
    """A number with fixed digits, a dash where there is none."""
    return NOTHING if value is None else f"{value:.{digits}f}"


def percent(probability: float | None) -> str:
    """A probability as people read it; certainty is never claimed by rounding."""
    if probability is None:
        return NOTHING
    if 0.995 <= probability < 1:
        return "> 99 %"
    if 0 < probability < 0.005:
        return "< 1 %"
    return f"{probability:.0%}".replace("%", " %")


def delay_words(frames: int | None) -> str:
    """A delay of the sound, in frames and seconds; positive where the sound comes late."""
    if frames is None:
        return NOTHING
    if frames == 0:
        return "in sync"
    unit = "frame" if abs(frames) == 1 else "frames"
    direction = "late" if frames > 0 else "early"
    return f"{signed(frames)} {unit} (sound {abs(frames) / FRAME_RATE:.2f} s {direction})"


def signed(frames: int) -> str:
    """A number of frames with its sign, 0 without."""
    return f"{frames:+d}".replace("-", "\N{MINUS SIGN}") if frames else "0"


def reasons_words(result: Result) -> str:
    """The reasons as one line."""
    return "; ".join(printable(reason.message).rstrip(".") for reason in result.reasons)


def describe(outcome: Union[Result, OutOfSyncError]) -> str:
    """A video's outcome in one line."""
    if isinstance(outcome, OutOfSyncError):
        return printable(f"error {outcome.code}: {outcome}")
    words = [
        verdict_words(outcome.verdict),
        f"score {number(outcome.score, 4)}",
        f"probability of fake {percent(outcome.probability_fake)}",
    ]
    reasons = reasons_words(outcome)
    return ", ".join(words) + (f" ({reasons})" if reasons else "")
