"""What became of each request at a node, for whoever counts and logs it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Outcome:
    """One request's outcome at one node. An error is told by the node in which it arose, and by no other."""

    request_id: str
    verdict: str = ""  # of the node that judges
    reasons: tuple[str, ...] = ()  # codes of the reasons for it
    deblurred: bool | None = None  # of the node that restores: whether it did
    code: str = ""  # of an error …
    stage: str = ""  # … and where it arose
    decoder: str = ""  # how the file ended the decoder, if it did (DecoderEnd)
    timing_ms: Mapping[str, float] = field(default_factory=dict)

    @classmethod
    def of_error(cls, error: Mapping[str, Any], *, decoder: str = "") -> Outcome:
        """A failure, from the envelope's inner object."""
        return cls(error["request_id"], code=error["code"], stage=error["stage"], decoder=decoder)


class Tally:
    """What became of requests, and where their time went, since it was last taken.

    A node keeps one for each batch, and adds it to the one that is read only once all answers are there: a
    batch that breaks late is run again request by request, and what it had come to must not count twice.
    """

    def __init__(self) -> None:
        self.outcomes: list[Outcome] = []
        self.timing_ms: dict[str, float] = {}  # by stage, of all requests together

    def tell(self, outcome: Outcome) -> None:
        """One request's outcome."""
        self.outcomes.append(outcome)

    def spend(self, timing_ms: Mapping[str, float]) -> None:
        """Milliseconds by stage, to be added up."""
        for stage, spent in timing_ms.items():
            self.timing_ms[stage] = self.timing_ms.get(stage, 0.0) + spent

    def add(self, other: Tally) -> None:
        """All that another one holds."""
        self.outcomes += other.outcomes
        self.spend(other.timing_ms)

    def take(self) -> Tally:
        """What was added since the last call."""
        taken = Tally()
        taken.add(self)
        self.outcomes, self.timing_ms = [], {}
        return taken
