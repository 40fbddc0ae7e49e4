"""Two pipelines on the same files: do they agree?"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from outofsync_client import OutOfSyncError
from outofsync_client.protocol import OLD_SHADOW_FILE, SHADOW_FILE
from serving.rollout.deployment import Deployment
from serving.rollout.judging import judge
from serving.rollout.record import Pipeline


@dataclass(frozen=True)
class Prediction:
    """What one pipeline said of a file; ``verdict`` is ``error:CODE`` where it could not judge it."""

    verdict: str
    probability_fake: float | None
    score: float | None

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Prediction:
        return cls(str(values.get("verdict")), values.get("probability_fake"), values.get("score"))


@dataclass(frozen=True)
class Pair:
    """One file, judged by what serves and by what may serve next."""

    file: str  # its name, or its SHA-256 where the gateway compared it
    promoted: Prediction
    candidate: Prediction

    @property
    def agrees(self) -> bool:
        return self.promoted.verdict == self.candidate.verdict

    @property
    def difference(self) -> float | None:
        """How far the probabilities are apart, None where one of them is missing."""
        before, after = self.promoted.probability_fake, self.candidate.probability_fake
        return None if before is None or after is None else abs(after - before)


@dataclass(frozen=True)
class Comparison:
    """Every pair, and what they come to."""

    promoted: str
    candidate: str
    pairs: tuple[Pair, ...]

    @property
    def agreeing(self) -> int:
        return sum(pair.agrees for pair in self.pairs)

    @property
    def differences(self) -> list[float]:
        """Of the probabilities, where both pipelines gave one."""
        return [pair.difference for pair in self.pairs if pair.difference is not None]


def compare_files(
    deployment: Deployment,
    promoted: tuple[str, Pipeline],
    candidate: tuple[str, Pipeline],
    files: Sequence[Path],
) -> Comparison:
    """Let both judge each file; nobody else's request is touched."""

    def predicted(pipeline: Pipeline, video: bytes) -> Prediction:
        try:
            result = judge(deployment.state, pipeline, video, {})
        except OutOfSyncError as error:
            return Prediction(f"error:{error.code}", None, None)
        return Prediction(result.verdict, result.probability_fake, result.score)

    pairs = []
    for file in files:
        video = file.read_bytes()
        pairs.append(Pair(file.name, predicted(promoted[1], video), predicted(candidate[1], video)))
    return Comparison(promoted[0], candidate[0], tuple(pairs))


def compare_shadow(deployment: Deployment, promoted: str, candidate: str) -> Comparison:
    """What the gateway wrote down of shadow traffic between these two; broken lines are left out."""
    pairs = []
    for values in _shadow_lines(deployment.state):
        if (
            values["promoted"].get("pipeline") == promoted
            and values["candidate"].get("pipeline") == candidate
        ):
            predictions = (Prediction.from_dict(values[side]) for side in ("promoted", "candidate"))
            pairs.append(Pair(str(values.get("id")), *predictions))
    return Comparison(promoted, candidate, tuple(pairs))


def _shadow_lines(state: Path) -> Iterable[dict[str, Any]]:
    for name in (OLD_SHADOW_FILE, SHADOW_FILE):
        try:
            lines = (state / name).read_text(encoding="utf-8").splitlines()
        except FileNotFoundError:
            continue
        for line in lines:
            try:
                values = json.loads(line)
                if isinstance(values["promoted"], dict) and isinstance(values["candidate"], dict):
                    yield values
            except (ValueError, KeyError, TypeError):
                continue
