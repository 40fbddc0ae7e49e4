"""What a caller may ask for, checked once."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Any

from outofsync.constants import MAX_WINDOWS
from outofsync.errors import ErrorCode, OutOfSyncError

DEBLUR = ("auto", "always", "never")
MODES = ("full", "reference")
INCLUDE = ("delays", "features", "tracks", "frames")
TRACKS = ("video_track", "audio_track")
LARGEST_LAM = 1e100  # the feature score times more might be no number any more


def _bad(message: str) -> OutOfSyncError:
    return OutOfSyncError(ErrorCode.BAD_OPTIONS, message)


def _is_weight(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and 0 <= value <= LARGEST_LAM


@dataclass(frozen=True, slots=True)
class Options:
    """Options of one request.

    ``lam`` is None where the checkpoint's own weight of the feature score applies;
    ``max_len`` counts windows in one scored segment (2 … 50). ``video_track`` and ``audio_track`` are numbers
    of tracks as results list them, None where the rule of :mod:`outofsync.media.tracks` is to choose.
    """

    deblur: str = "auto"
    mode: str = "full"
    lam: float | None = None
    max_len: int = MAX_WINDOWS
    include: tuple[str, ...] = ("delays",)
    video_track: int | None = None
    audio_track: int | None = None

    def __post_init__(self) -> None:
        if self.deblur not in DEBLUR:
            raise _bad(f"deblur is {self.deblur!r}; it must be one of {', '.join(DEBLUR)}")
        if self.mode not in MODES:
            raise _bad(f"mode is {self.mode!r}; it must be one of {', '.join(MODES)}")
        if self.lam is not None and not _is_weight(self.lam):
            raise _bad(f"lam is {self.lam!r}; it must be a number from 0 to {LARGEST_LAM:g}")
        if isinstance(self.max_len, bool) or not isinstance(self.max_len, int):
            raise _bad(f"max_len is {self.max_len!r}; it must be a whole number")
        if not 2 <= self.max_len <= MAX_WINDOWS:
            raise _bad(f"max_len is {self.max_len}; it must lie between 2 and {MAX_WINDOWS}")
        for name in TRACKS:
            number = getattr(self, name)
            if number is not None and (type(number) is not int or number < 0):
                raise _bad(f"{name} is {number!r}; it must be the number of a track, from 0")
        unknown = [word for word in self.include if word not in INCLUDE]
        if unknown:
            raise _bad(f"include names {unknown}; it may name any of {', '.join(INCLUDE)}")

    def to_dict(self) -> dict[str, Any]:
        """As plain JSON types; tracks only where they are named, for nodes that do not know them."""
        values = {**asdict(self), "include": list(self.include)}
        return {name: value for name, value in values.items() if name not in TRACKS or value is not None}

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Options:
        """Checked options; raises ``bad_options`` for unknown names and bad values."""
        unknown = sorted(set(values) - set(cls.__slots__))
        if unknown:
            raise _bad(f"unknown options {unknown}; known are {', '.join(cls.__slots__)}")
        values = dict(values)
        include = values.get("include", list(cls().include))
        if not isinstance(include, (list, tuple)) or not all(isinstance(word, str) for word in include):
            raise _bad("include must be a list of words")
        values["include"] = tuple(include)
        return cls(**values)

    @classmethod
    def parse(cls, raw: bytes | str | None) -> Options:
        """Options as they arrive in a request; nothing at all means every default."""
        if raw is None or not raw.strip():
            return cls()
        try:
            values = json.loads(raw)
        except (ValueError, RecursionError) as error:
            raise _bad(f"options are not JSON: {error}") from None
        if not isinstance(values, dict):
            raise _bad("options must be a JSON object")
        return cls.from_dict(values)
