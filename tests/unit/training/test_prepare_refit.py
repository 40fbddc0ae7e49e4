"""A rule is fitted to what wrong voices reach, and its table counts every identity alike."""

from __future__ import annotations

import numpy as np
import pytest

from training.preparation.agreement import Agreement, Rule
from training.preparation.refit import Trial, fit, in_groups, table

WINDOWS = 100


def trial(kind: str, best: int, strength: float, *, identity: str = "ann", late: int = 0) -> Trial:
    """A trial of 4 s whose peak at ``best`` has the given strength."""
    delays = np.zeros(31)
    delays[15 + best] = strength / np.sqrt(WINDOWS)
    agreement = Agreement(WINDOWS, delays)
    return Trial("4.0 s", kind, late, "TED", identity, agreement, Agreement(0, np.zeros(31)))


def cells(trials: list[Trial], rule: Rule) -> list[str]:
    row = list(table(trials, rule))[2]
    return [cell.strip() for cell in row.strip("|").split("|")]


def test_a_rule_is_two_quantiles_of_what_wrong_voices_reach() -> None:
    trials = [trial("another voice", 4, float(strength)) for strength in range(1, 101)]
    assert fit([*trials, trial("genuine", 0, 500.0)], "a") == Rule(99.0, 95.0, "a")


def test_a_rule_needs_enough_to_be_fitted_to() -> None:
    with pytest.raises(ValueError, match="more clips"):
        fit([trial("another voice", 4, 1.0)] * 5, "a")


def test_the_table_tells_what_becomes_of_each_kind() -> None:
    rule = Rule(sure=10.0, nowhere=5.0, network="a")
    genuine = [trial("genuine", best, strength) for best, strength in ((1, 20), (6, 20), (0, 2), (0, 7))]
    assert cells(genuine, rule)[1:] == ["genuine", "4", "25%", "25%", "25%", "25%"]
    shifted = [trial("shifted", 9, 20.0, late=9), trial("shifted", 0, 20.0, late=9)]
    assert cells(shifted, rule)[1:] == ["shifted", "2", "50%", "50%", "0%", "0%"]
    assert cells([trial("another voice", 0, 20.0)], rule)[3:] == ["0%", "100%", "0%", "0%"]


def test_every_identity_counts_alike() -> None:
    rule = Rule(sure=10.0, nowhere=5.0, network="a")
    trials = [trial("genuine", 0, 20.0)] * 9 + [trial("genuine", 0, 2.0, identity="bob")]
    assert cells(trials, rule)[3:] == ["50%", "0%", "50%", "0%"]


def test_groups_are_pooled_and_never_fit_nowhere() -> None:
    rule = Rule(sure=10.0, nowhere=5.0, network="a")
    weak = [trial("genuine", 0, 4.0)] * 4
    (group,) = in_groups([*weak, *[trial("shifted", 9, 4.0, late=9)] * 3], 4)
    assert group.agreement.windows == 4 * WINDOWS
    assert cells([group], rule)[3:] == ["0%", "0%", "0%", "100%"]
