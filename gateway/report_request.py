"""How a report is asked for: between the caller, the gateway, and the process that draws it.

Nothing here loads what draws, which takes a second and a hundred megabytes.
"""

from __future__ import annotations

import json
import struct
from dataclasses import dataclass
from typing import Any, Self

LENGTH = struct.Struct(">Q")  # of each block between the gateway and the process that draws
MAX_NAME_LETTERS = 255  # of a file's name
FORMATS = {  # what each is called in a results folder, and its type
    "html": ("{}_report.html", "text/html; charset=utf-8"),
    "pdf": ("{}_report.pdf", "application/pdf"),
    "csv": ("{}_delays.csv", "text/csv; charset=utf-8"),
    "json": ("{}.json", "application/json"),
}
FIELDS = {"result", "file", "format"}


class RefusedError(Exception):
    """This cannot be drawn; the message says why."""


@dataclass(frozen=True)
class ReportRequest:
    """A result as it was answered, the name of the file it is about, and what is to be made of it."""

    result: dict[str, Any]
    file: str
    format: str

    @classmethod
    def parse(cls, body: bytes) -> Self:
        """Read a request's body (JSON); raises :class:`RefusedError`."""
        try:
            asked = json.loads(body, parse_constant=_no_number)
        except (ValueError, RecursionError):
            raise RefusedError("the request is not JSON") from None
        if not isinstance(asked, dict) or set(asked) != FIELDS:
            raise RefusedError("a report is asked for by result, file and format")
        if not isinstance(asked["format"], str) or asked["format"] not in FORMATS:
            raise RefusedError(f"format must be one of {', '.join(FORMATS)}")
        if not isinstance(asked["file"], str) or not 0 < len(asked["file"]) <= MAX_NAME_LETTERS:
            raise RefusedError(f"file must be a name of at most {MAX_NAME_LETTERS} letters")
        if not isinstance(asked["result"], dict):
            raise RefusedError("result must be an object, as /v1/detect answers it")
        return cls(asked["result"], base_name(asked["file"]), asked["format"])


def base_name(file: str) -> str:
    """A file's name without folders, and without what cannot be printed."""
    last = file.replace("\\", "/").rsplit("/", 1)[-1]
    return "".join(letter for letter in last if letter.isprintable()) or "video"


def _no_number(text: str) -> float:
    raise ValueError(f"{text} is no JSON")
