"""The JSON header of a clip, read as what a stranger may have written.

Clips come from the node before, and from whoever calls the second node alone. Its answers hold what the
header says, so whatever is not as the first node writes it is refused here, at nobody else's cost.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from typing import Any

from outofsync.errors import checked_envelope

FORMAT = "outofsync-clip/1"
LATEST_START = 1 << 31  # frames: far beyond any video, and still a number that everything can count with
_KINDS: dict[str, type | tuple[type, ...]] = {
    "options": dict,
    "digest": str,
    "request_id": str,
    "media": dict,
    "deblur": dict,
    "models": dict,
    "timing_ms": dict,
    "handed_on_s": (int, float),
    "reasons": list,
    "tracks": list,
}
_REASON = re.compile(r"[a-z_]{1,64}")  # its code becomes a label of metrics


def write_header(values: Mapping[str, Any]) -> str:
    """The header as it is stored; the same values give the same text."""
    return json.dumps({"format": FORMAT, **values}, sort_keys=True)


def read_header(data: bytes) -> dict[str, Any]:
    """The header of a safetensors buffer; raises ValueError, KeyError or TypeError for what is none."""
    try:
        length = int.from_bytes(data[:8], "little")  # of the JSON that safetensors begins with
        text = json.loads(data[8 : 8 + length])["__metadata__"]["header"]
        header: dict[str, Any] = json.loads(text, parse_float=_finite, parse_constant=_finite)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    if header.pop("format") != FORMAT:
        raise ValueError("another format")
    return _checked(header)


def _finite(text: str) -> float:
    """JSON has no word for anything else, so that no answer could hold it."""
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"{text} is no number")
    return number


def _checked(header: dict[str, Any]) -> dict[str, Any]:
    for name, kind in _KINDS.items():
        _require(isinstance(header[name], kind), name)
    for reason in header["reasons"]:
        _require(
            set(reason) == {"code", "message"} and all(isinstance(text, str) for text in reason.values()),
            "reasons",
        )
        _require(_REASON.fullmatch(reason["code"]) is not None, "reasons")
    for track in header["tracks"]:
        _require(all(type(number) is int for number in track.values()), "tracks")
        _require(track["id"] >= 0 and 0 <= track["start"] < LATEST_START, "tracks")
    numbers = [track["id"] for track in header["tracks"]]
    _require(len(set(numbers)) == len(numbers), "tracks")
    _require(all(isinstance(spent, (int, float)) for spent in header["timing_ms"].values()), "timing_ms")
    if header["error"] is not None:
        header["error"] = checked_envelope(header["error"])
    return header


def _require(holds: bool, name: str) -> None:
    if not holds:
        raise ValueError(f"its {name} are not what a clip holds")
