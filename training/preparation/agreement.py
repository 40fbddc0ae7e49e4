"""Do lips and voice belong together? The rule, apart from the network that it listens to.

A clip's delay logits, averaged over its windows, have their peak where lips and voice fit best. How far the
peak stands above every delay more than three frames away, in logits times the square root of the number of
windows, is its *strength*. Picture and sound that have nothing to do with each other reach the same
strengths whatever their length, while that of genuine speech grows with length: so one pair of numbers, both
quantiles of what the sound of other clips reaches, serves every length.

* At least ``sure``: lips and voice fit at the peak. One frame from no delay is in step, for the network's own
  zero is no surer than that; two to twelve frames are an offset, and the sound is moved.
* Below ``nowhere``, in a clip of ``ALONE`` windows or more: they fit nowhere, and the clip is dropped.
* Anything else cannot be told from this clip alone. What all clips of its source and identity say together
  then decides about an offset, but never drops a clip.

``refit`` measures the two numbers, and what the rule then keeps, drops and puts right. Of the network that
ships, on running speech it did not learn from (``val`` and the held-out part of ``train``, every identity
alike; 44 spans of 2.4 s, 16 of 4 s, 11 of 5 s, so that one person is up to a tenth):

====================  ==================  ==================  =================  ==================
spans                 genuine: dropped    genuine: moved      wrong voice:       shifted by 5 or 9:
                      (the share lost)    by two or more      dropped            put right, dropped
====================  ==================  ==================  =================  ==================
up to 1.2 s           0 %                 0 %                 0 %                0 %, 0 %
2.4 s                 0 %                 2 %                 0 %                17 %, 0 %
4.0 s                 4 %                 12 %                88 %               54 %, 0 %
5.0 s                 0 %                 20 %                70 %               65 %, 20 %
8 of 1.2 s, together  never               6 %                 never              35 %, never
====================  ==================  ==================  =================  ==================

Here no wrong voice was moved, nor any shifted span of a single clip to a wrong place; of shifted groups, 3 %
were. The genuine spans that move are of three people; two of them fit two or three frames off from 4 s on: an
offset of their own or the network's error, nobody labelled it. What is neither dropped nor told is kept. One
talker of isolated syllables, left out above (but not from the line of groups), is dropped from 4 s on: this
network cannot read them.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from outofsync.constants import MAX_DELAY

NEAR = 3  # frames from the peak that are the peak's own
IN_STEP = 1  # frames
MOVABLE = 12  # frames; beyond, hardly any delays are left on one side to compare the peak with
ENOUGH = 48  # windows, 2 s: the least that can be sure, alone or together
ALONE = 96  # windows, 4 s: of genuine clips this long, few fit nowhere


class Finding(StrEnum):
    """What the delays of one clip, or of a group, say by themselves."""

    FITS = "fits"
    NOWHERE = "nowhere"
    UNSURE = "unsure"


class State(StrEnum):
    """What becomes of a clip."""

    IN_STEP = "in_step"
    MOVED = "moved"
    AS_GROUP = "as_group"  # cannot be told alone; its group can, and says how late the sound is
    UNCHECKED = "unchecked"
    NOT_IN_SYNC = "not_in_sync"


@dataclass(frozen=True)
class Agreement:
    """Delay logits (31,) averaged over ``windows`` windows."""

    windows: int
    delays: NDArray[np.float64]

    @property
    def best(self) -> int:
        """Frames by which the sound comes late where lips and voice fit best."""
        return int(self.delays.argmax()) - MAX_DELAY

    @property
    def strength(self) -> float:
        """How clearly they fit there and nowhere else (logits · √windows)."""
        delays = np.arange(-MAX_DELAY, MAX_DELAY + 1)
        elsewhere = self.delays[np.abs(delays - self.best) > NEAR].max()
        return float((self.delays.max() - elsewhere) * np.sqrt(self.windows))


def pooled(agreements: Sequence[Agreement]) -> Agreement:
    """Several clips as if they were one."""
    windows = [agreement.windows for agreement in agreements]
    curves = np.stack([agreement.delays for agreement in agreements])
    if not sum(windows):
        return Agreement(0, curves.mean(0))
    return Agreement(sum(windows), np.average(curves, axis=0, weights=windows))


class RuleError(ValueError):
    """A rule that was fitted to another network, or none at all."""


@dataclass(frozen=True)
class Rule:
    """Strengths that decide, of the network with the given SHA-256."""

    sure: float
    nowhere: float
    network: str

    def save(self, path: Path) -> None:
        path.write_text(json.dumps(asdict(self), indent=2) + "\n")

    @classmethod
    def load(cls, path: Path, network: str) -> Rule:
        """Raises :class:`RuleError` unless the rule is there and was fitted to this network."""
        try:
            rule = cls(**json.loads(path.read_text()))
        except (OSError, ValueError, TypeError):
            raise RuleError(f"{path} is no rule; fit one to this network with --refit") from None
        if rule.network != network:
            raise RuleError(f"{path} was fitted to another network; fit one to this network with --refit")
        return rule

    def judge(self, agreement: Agreement) -> Finding:
        if agreement.windows >= ENOUGH and agreement.strength >= self.sure:
            return Finding.FITS
        if agreement.windows >= ALONE and agreement.strength < self.nowhere:
            return Finding.NOWHERE
        return Finding.UNSURE


@dataclass(frozen=True)
class Decision:
    """What becomes of a clip, and by how many frames its sound comes late."""

    state: State
    late: int = 0


def decide(own: Agreement, group: Agreement, rule: Rule) -> Decision:
    """What a clip says, and where it says nothing, what all clips of its group say together."""
    finding = rule.judge(own)
    if finding is Finding.NOWHERE:
        return Decision(State.NOT_IN_SYNC)
    if finding is Finding.FITS:
        late = _offset(own)
        return Decision(State.UNCHECKED) if late is None else Decision(_state(late), late)
    late = _offset(group) if rule.judge(group) is Finding.FITS else None
    return Decision(State.UNCHECKED) if late is None else Decision(State.AS_GROUP, late)


def _offset(agreement: Agreement) -> int | None:
    """Frames to move the sound by: 0 in step, None if that cannot be trusted."""
    if abs(agreement.best) <= IN_STEP:
        return 0
    return agreement.best if abs(agreement.best) <= MOVABLE else None


def _state(late: int) -> State:
    return State.MOVED if late else State.IN_STEP


def put_right(moved: Agreement) -> bool:
    """Whether sound that was moved now fits where it is."""
    return moved.windows > 0 and abs(moved.best) <= IN_STEP
