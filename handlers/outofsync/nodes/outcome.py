"""What became of each request at a node, for whoever counts and logs it."""

from __future__ import annotations

import threading
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
    crashed: bool = False  # whether the decoder died of the file
    timing_ms: Mapping[str, float] = field(default_factory=dict)

    @classmethod
    def of_error(cls, error: Mapping[str, Any], *, request_id: str, crashed: bool = False) -> Outcome:
        """A failure, from the envelope's inner object."""
        return cls(request_id, code=str(error["code"]), stage=str(error["stage"]), crashed=crashed)


class Outcomes:
    """Outcomes since they were last taken; for all threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._outcomes: list[Outcome] = []

    def add(self, outcome: Outcome) -> None:
        with self._lock:
            self._outcomes.append(outcome)

    def take(self) -> list[Outcome]:
        """What was added since the last call."""
        with self._lock:
            taken, self._outcomes = self._outcomes, []
        return taken
