"""What FFmpeg says of a file in words alone: programmes, cropping rectangles, codecs that nothing here reads.

Its Python binding has no other way to these. For the child only; what cannot be found in the text is as if
the file had not said it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

import av.logging
from av.container import InputContainer

_PROGRAMME = re.compile(r"  Program (\d+)\b")
_OUTSIDE = re.compile(r"  No Program\b")
_STREAM = re.compile(r"  Stream #0:(\d+)[^:]*: \w+: (.*)")
_CROPPING = re.compile(r"      Frame Cropping: (\d+)/(\d+)/(\d+)/(\d+)")
_NAME = re.compile(r"\w+")
_TAG = re.compile(r"\((\w+) / 0x")


@dataclass(frozen=True, slots=True)
class Cropping:
    """Pixels of the stored picture that are not to be shown, at each edge."""

    left: int = 0
    right: int = 0
    top: int = 0
    bottom: int = 0


@dataclass
class Description:
    """Streams by their index in the file."""

    programmes: dict[int, list[int]] = field(default_factory=dict)  # streams of each, in the file's order
    codecs: dict[int, str] = field(default_factory=dict)
    croppings: dict[int, Cropping] = field(default_factory=dict)


def describe(container: InputContainer) -> Description:
    """Read FFmpeg's own description of an open file."""
    level = av.logging.get_level()
    av.logging.set_level(av.logging.INFO)
    try:
        return parse(container.dumps_format())  # type: ignore[attr-defined]  # its stubs forget it
    finally:
        av.logging.set_level(level)


def parse(text: str) -> Description:
    """Take the description apart. Names that a file gives are indented further and match nothing here."""
    found = Description()
    programme: list[int] | None = None
    stream = -1
    for line in text.splitlines():
        if match := _PROGRAMME.match(line):
            programme = found.programmes.setdefault(int(match[1]), [])
        elif _OUTSIDE.match(line):
            programme = None
        elif match := _STREAM.match(line):
            stream = int(match[1])
            found.codecs[stream] = _codec(match[2])
            if programme is not None:
                programme.append(stream)
        elif match := _CROPPING.match(line):
            found.croppings[stream] = Cropping(*map(int, match.groups()))
    return found


def _codec(words: str) -> str:
    """The codec's name, or the four letters that the file gives it where FFmpeg knows no name."""
    name, tag = _NAME.match(words), _TAG.search(words)
    if name and name[0] not in ("none", "unknown"):
        return name[0]
    return tag[1] if tag else "unknown"
