"""How long the rest of a request takes: from its own pace so far, and from what others have taken before it.

Nodes say how many frames each step has done, in how many seconds, and how many there will be
(outofsync/progress.py). What a frame costs in the step that is under way is seen from the request itself.
What it will cost in the steps to come is known from the requests that a server has answered; until it has
answered any, what was measured once is taken to be as far off there as it is in the steps that can be seen.
"""

from __future__ import annotations

from collections.abc import Mapping

from outofsync.progress import COUNTED, Amount, Step

# Seconds a frame takes on the two cores that `python -m benchmarks.remaining` was run on.
PRIOR_S = {Step.FACES: 0.0039, Step.DEBLUR: 0.0097, Step.COMPARE: 0.0014, Step.SCORE: 0.0015}
# As much as this many frames of the request itself, or this share of a step's, that is believed: the first
# ones of each step take longer, while something is made ready.
PRIOR_FRAMES, PRIOR_SHARE = 50.0, 0.1
ANSWER_S = 0.00005  # a frame, once all is known, until a caller has it: writing, reading, keeping it
LEAST_FRAMES = 50.0  # of a request, before anything is said of it
LEARNT_FRAMES = 250.0  # of a step, from which something is learnt: the first frames of each cost more
KEPT = 0.7  # of what is known, when a request more is answered


class Pace:
    """What a frame costs at one server, step by step."""

    def __init__(self) -> None:
        self._learnt: dict[Step, Amount] = {}

    def learn(self, amounts: Mapping[Step, Amount]) -> None:
        """Note what a request took that has been answered; long ones weigh more."""
        for step, amount in amounts.items():
            if amount.done >= LEARNT_FRAMES:
                before = self._learnt.get(step, Amount())
                spent, done = (KEPT * before.spent_s, KEPT * before.done)
                self._learnt[step] = Amount(spent + amount.spent_s, done + amount.done)

    def remaining_s(self, step: str, amounts: Mapping[Step, Amount]) -> float | None:
        """Seconds until a request at this step is answered; None while that cannot be known."""
        if step not in COUNTED:
            return None
        ahead = COUNTED[COUNTED.index(Step(step)) :]
        if not amounts.keys() >= set(ahead) or sum(one.done for one in amounts.values()) < LEAST_FRAMES:
            return None
        (name, amount), *later = ((name, amounts[name]) for name in ahead)
        cost = self._cost(name, amounts)
        prior = max(PRIOR_FRAMES, PRIOR_SHARE * amount.expected)
        own = (amount.spent_s + cost * prior) / (amount.done + prior)
        rest = own * max(0.0, amount.expected - amount.done) + ANSWER_S * amounts[Step.SCORE].expected
        return rest + sum(self._cost(name, amounts) * amount.expected for name, amount in later)

    def _cost(self, step: Step, amounts: Mapping[Step, Amount]) -> float:
        """Seconds that a frame will take in a step of which the request itself has seen little."""
        if learnt := self._learnt.get(step):
            return learnt.spent_s / learnt.done
        seen = {name: amount for name, amount in amounts.items() if amount.done >= LEAST_FRAMES}
        expected = sum(PRIOR_S[name] * amount.done for name, amount in seen.items())
        slower = sum(amount.spent_s for amount in seen.values()) / expected if expected else 1.0
        return PRIOR_S[step] * slower


def rounded(seconds: float | None) -> float | None:
    """As it is told: nobody wants to see tenths of minutes."""
    return seconds if seconds is None else round(seconds, 1) if seconds < 10 else float(round(seconds))
