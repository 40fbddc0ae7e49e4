"""When nothing is said: the rules by which a verdict is withheld, part of a scoring checkpoint."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Abstention:
    """Limits; training fits ``sure_offset`` to the network, the others are what recordings are like."""

    tolerated_offset: int = 2  # frames: broadcasts and cameras are off by as much
    # Share of the delay distribution within a frame of its peak from which an offset is believed.
    sure_offset: float = 0.5
    silent_below: float = 30.0  # root mean square of int16 samples over the loudest half second
    # Change of the mouth's picture, as synchrony.activity measures it: a photograph's stays below.
    still_below: float = 0.8

    def constant_offset(self, offset: int, confidence: float) -> bool:
        """Whether sound and picture do belong together, only surely not at this moment.

        Editing moves sound as well as forgery does, so this alone is no sign of either.
        """
        return abs(offset) > self.tolerated_offset and confidence >= self.sure_offset

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Abstention:
        """Read a checkpoint's rules."""
        return cls(**values)
