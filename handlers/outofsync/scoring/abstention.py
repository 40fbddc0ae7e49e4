"""When nothing is said: the rules by which a verdict is withheld, part of a scoring checkpoint."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from outofsync.checkpoints.store import CheckpointError


@dataclass(frozen=True, slots=True)
class Abstention:
    """Limits; training fits ``sure_offset`` to the network, the others are what recordings are like."""

    # Share of the delay distribution within a frame of its peak from which an offset outside the broadcast
    # window is believed. Editing moves sound as well as forgery does, so such an offset is no sign of either.
    sure_offset: float = 0.5
    # Sound (scoring.loudness): root mean square of int16 samples over the loudest half second, below which it
    # is faint, and below which whole numbers leave nothing of speech. Faint sound that varies by fewer dB is
    # noise: of 120 clips turned down by 40 dB, 2 % vary by fewer, as does any hiss or hum (below 1).
    silent_below: float = 30.0
    faint_below: float = 2.0
    steady_below: float = 12.0
    # Movement of the mouth against its face, in percent of contrast (synchrony.activity). One of 483
    # photographs under a moving camera exceeds 4.1; none of 559 genuine clips of 2 s or more is below 6.4.
    still_below: float = 4.5

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Abstention:
        """Read a checkpoint's rules; raises :class:`CheckpointError` for those of another version."""
        try:
            return cls(**values)
        except TypeError as error:
            raise CheckpointError(f"its rules of abstention are of another version: {error}") from None
