"""The rule decides by how clearly lips and voice fit somewhere, and by how long it looked."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pytest

from training.preparation.agreement import (
    ALONE,
    ENOUGH,
    Agreement,
    Decision,
    Rule,
    RuleError,
    State,
    decide,
    pooled,
    put_right,
)
from training.prepare import RULE as BESIDE_THE_CODE

RULE = Rule(sure=12.0, nowhere=9.0, network="a")
LONG = 4 * ALONE


def fits(late: int, windows: int, height: float = 4.0) -> Agreement:
    """A clear peak on quiet ground, which a wide peak's flanks are part of."""
    delays = np.arange(-15, 16)
    return Agreement(windows, height * np.exp(-(((delays - late) / 1.5) ** 2)))


NOTHING = fits(4, LONG, height=0.1)


def test_strength_is_the_height_above_all_but_the_peak_itself_and_grows_with_length() -> None:
    assert fits(0, 100).strength == pytest.approx(40, rel=0.05)
    assert fits(0, 400).strength == pytest.approx(2 * fits(0, 100).strength)
    rival = Agreement(100, np.maximum(fits(0, 100).delays, fits(8, 100, height=3.0).delays))
    assert rival.strength == pytest.approx(10, rel=0.05)


@pytest.mark.parametrize("late", [-1, 0, 1])
def test_a_frame_from_no_delay_is_in_step(late: int) -> None:
    assert decide(fits(late, LONG), NOTHING, RULE) == Decision(State.IN_STEP)


@pytest.mark.parametrize("late", [-12, -2, 2, 12])
def test_a_sure_offset_is_moved(late: int) -> None:
    assert decide(fits(late, LONG), fits(0, LONG), RULE) == Decision(State.MOVED, late)


def test_an_offset_at_the_edge_is_not_trusted() -> None:
    assert decide(fits(14, LONG), fits(0, LONG), RULE) == Decision(State.UNCHECKED)


def test_only_a_clip_long_enough_is_said_to_fit_nowhere() -> None:
    assert decide(fits(4, ALONE, 0.1), fits(0, LONG), RULE) == Decision(State.NOT_IN_SYNC)
    assert decide(fits(4, ALONE - 1, 0.1), NOTHING, RULE) == Decision(State.UNCHECKED)


def test_what_cannot_be_told_alone_goes_with_its_group() -> None:
    short = fits(7, ENOUGH - 1)
    assert decide(short, fits(5, LONG), RULE) == Decision(State.AS_GROUP, 5)
    assert decide(short, fits(1, LONG), RULE) == Decision(State.AS_GROUP, 0)
    assert decide(short, short, RULE) == Decision(State.UNCHECKED)
    between = Agreement(ALONE, fits(0, ALONE, 1.06).delays)
    assert RULE.nowhere < between.strength < RULE.sure
    assert decide(between, fits(0, LONG), RULE) == Decision(State.AS_GROUP)


def test_short_clips_are_sure_together() -> None:
    clips = [fits(-3, 26, height=1.5) for _ in range(8)]
    together = pooled(clips)
    assert together.windows == 208
    assert decide(clips[0], together, RULE) == Decision(State.AS_GROUP, -3)


def test_clips_are_pooled_by_their_length() -> None:
    long, short = fits(0, 300), fits(6, 100)
    np.testing.assert_allclose(pooled([long, short]).delays, 0.75 * long.delays + 0.25 * short.delays)
    assert pooled([Agreement(0, np.zeros(31))]).windows == 0


def test_a_move_is_borne_out_if_the_sound_then_fits_where_it_is() -> None:
    assert put_right(fits(1, 40))
    assert not put_right(fits(2, 40))
    assert not put_right(Agreement(0, np.zeros(31)))


def test_a_rule_is_for_one_network(tmp_path: Path) -> None:
    RULE.save(tmp_path / "rule.json")
    assert Rule.load(tmp_path / "rule.json", "a") == RULE
    with pytest.raises(RuleError, match="another network"):
        Rule.load(tmp_path / "rule.json", "b")
    with pytest.raises(RuleError, match="refit"):
        Rule.load(tmp_path / "none.json", "a")


def test_the_rule_beside_the_code_is_for_the_network_that_ships() -> None:
    shipped = Path(__file__).parents[3] / "checkpoints" / "sync.safetensors"
    rule = Rule.load(BESIDE_THE_CODE, hashlib.sha256(shipped.read_bytes()).hexdigest())
    assert rule.sure > rule.nowhere > 0
