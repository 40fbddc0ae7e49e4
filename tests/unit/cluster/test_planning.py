"""A sample says what a corpus takes, within an interval that holds the truth about as often as it says."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from outofsync_cluster.cost import Prices
from outofsync_cluster.estimates import RESAMPLES, Blocks, estimate, sums
from outofsync_cluster.inventory import Item
from outofsync_cluster.measuring import Measured
from outofsync_cluster.pipeline import Team
from outofsync_cluster.places import Storage
from outofsync_cluster.planning import PLAN_FILE, held_against, prediction, write_plan
from outofsync_cluster.run import LEG_ITEMS, Plan
from outofsync_cluster.sampling import Stratum, sampled
from outofsync_cluster.stages import Outcome

BLOCK = 4


def corpus(number: int, seed: int = 0) -> list[Item]:
    """Sizes from 10 kB to some MB, as lengths of videos are spread."""
    sizes = np.exp(np.random.default_rng(seed).normal(12, 1, number))
    return [Item(f"{place}.mp4", int(size) + 10_000, 1) for place, size in enumerate(sizes)]


def blocks_of(strata: list[Stratum], seconds: dict[str, float]) -> list[Blocks]:
    found = []
    for stratum in strata:
        groups = [stratum.sample[place : place + BLOCK] for place in range(0, len(stratum.sample), BLOCK)]
        sizes = np.array([sum(item.size_bytes for item in group) for group in groups], np.float64)
        taken = np.array([[sum(seconds[item.uri] for item in group)] for group in groups])
        found.append(Blocks(stratum.size_bytes, sizes, taken, stratum.complete))
    return found


def test_strata_are_the_corpus_and_the_largest_are_measured() -> None:
    items = corpus(5000)
    unreadable = [Item("none.mp4", 10_000, 1, "permission was denied"), Item("empty.mp4", 0, 1)]
    strata = sampled([*items, *unreadable], 64, block=BLOCK)
    assert sum(stratum.count for stratum in strata) == 5000
    assert sum(stratum.size_bytes for stratum in strata) == sum(item.size_bytes for item in items)
    chosen = [item for stratum in strata for item in stratum.sample]
    assert 48 <= len({item.uri for item in chosen}) == len(chosen) <= 64
    assert max(items, key=lambda item: item.size_bytes) in chosen
    ranges = [[item.size_bytes for item in stratum.sample] for stratum in strata]
    assert all(max(low) <= min(high) for low, high in pairwise(ranges))
    assert [one.sample for one in sampled(items, 64, block=BLOCK)] == [one.sample for one in strata]
    assert [one.sample for one in sampled(items, 64, block=BLOCK, seed=1)] != [one.sample for one in strata]


@pytest.mark.parametrize("number", [1, 4, 5, 9])
def test_a_small_corpus_is_measured_as_a_whole(number: int) -> None:
    items = corpus(number)
    strata = sampled(items, 64, block=BLOCK)
    assert all(stratum.complete for stratum in strata)
    assert sorted(item.uri for stratum in strata for item in stratum.sample) == [
        f"{place}.mp4" for place in range(number)
    ]
    drawn = sums(blocks_of(strata, {item.uri: 2.0 for item in items}))
    assert estimate(drawn[:, 0]).to_dict() == pytest.approx(
        dict.fromkeys(("value", "low", "high"), 2.0 * number)
    )


def test_intervals_hold_what_the_corpus_takes() -> None:
    """Of a hundred samples of a corpus, whose bit rates differ by two times either way."""
    items = corpus(2000)
    random = np.random.default_rng(1)
    seconds = {item.uri: 0.2 + item.size_bytes * 1e-6 * np.exp(random.normal(0, 0.35)) for item in items}
    truth, held, off = sum(seconds.values()), 0, list[float]()
    for seed in range(100):
        found = estimate(
            sums(blocks_of(sampled(items, 64, block=BLOCK, seed=seed), seconds), seed=seed)[:, 0]
        )
        held += found.low <= truth <= found.high
        off.append(abs(found.value / truth - 1))
    assert held >= 85
    assert np.percentile(off, 95) < 0.2


def outcome(name: str) -> Outcome:
    answer = json.dumps({"error": {"code": "no_audio", "stage": "decode"}}).encode()
    return Outcome(name, 1000, 1, f"{hash(name) % 2**60:064x}", answer, 1, 2.0, 0.0, 2.5, 900, 1000, "here")


def planned(prices: Prices) -> tuple[Plan, Measured]:
    taken = np.array([[8.0, 0.0, 10.0, 1.0, 2.0, 40.0, 4.0]])  # in the order of QUANTITIES
    blocks = Blocks(1_000_000, np.array([4000.0]), taken, complete=False)
    measured = Measured([blocks], [outcome(f"{number}") for number in range(4)], 5.0, 3.0)
    return Plan("videos", "out", {"deblur": "auto"}, Path("checkpoints"), prices=prices), measured


def test_the_arithmetic_of_a_plan() -> None:
    plan, measured = planned(Prices(core_hour=0.5))
    found = prediction(
        measured, plan, videos=1000, size_bytes=1_000_000, machine=(Team(whole=2), 4.0, 0.0, 1)
    )
    values = {name: one.value for name, one in found.estimates.items()}
    assert values["cpu_s"] == 2000.0 + 2 * 3.0, "each actor's first block takes longer"
    assert values["wall_s"] == 5.0 + 2500.0 / 2, "reading happens while others are judged"
    assert values["cost"] == pytest.approx(4 * 0.5 * 1255 / 3600), "cores that wait are paid for, too"
    assert values["errors"] == 1000.0
    assert found.node_bytes == 1800
    assert dict(found.lines())["time"] == "20.9 min, 5 s of it to begin"
    assert "GPUs" not in dict(found.lines())
    more = prediction(
        measured, plan, videos=LEG_ITEMS + 1, size_bytes=1_000_000, machine=(Team(whole=2), 4.0, 0.0, 1)
    )
    assert more.start_s == 10.0


def test_a_run_of_two_stages_takes_as_long_as_the_slower_one() -> None:
    plan, measured = planned(Prices())

    def wall_s(crop: int, score: int) -> float:
        team = Team(crop=crop, score=score)
        machine = (team, 12.0, 2.0, 1)
        found = prediction(measured, plan, videos=1000, size_bytes=1_000_000, machine=machine)
        assert found.actors == crop + score
        return found.estimates["wall_s"].value

    assert wall_s(2, 1) == 5.0 + 2500.0 / 2, "those who crop are waited for"
    assert wall_s(10, 1) == 5.0 + 500.0, "the one who scores is"


def test_a_run_says_how_near_its_plan_was(tmp_path: Path) -> None:
    plan, measured = planned(Prices())
    folder = Storage().place(str(tmp_path))
    summary = {"videos": 990, "errors": 10, "duplicates": 0, "cpu_s": 2200.0, "gpu_s": 0.0, "seconds": 1300.0}
    assert held_against(folder, summary) == {}
    write_plan(
        folder,
        prediction(measured, plan, videos=1000, size_bytes=1_000_000, machine=(Team(whole=2), 4.0, 0.0, 1)),
    )
    assert held_against(folder, summary) == {
        "cpu_s": {"planned": 2006.0, "took": 2200.0},
        "wall_s": {"planned": 1255.0, "took": 1300.0},
    }
    assert held_against(folder, {**summary, "videos": 900}) == {}, "it went on with what another had begun"
    (tmp_path / PLAN_FILE).write_text("{")
    assert held_against(folder, summary) == {}


def test_one_block_of_a_stratum_has_no_spread() -> None:
    blocks = Blocks(100, np.array([10.0]), np.array([[1.0]]), complete=False)
    assert sums([blocks]).tolist() == [[10.0]] * (1 + RESAMPLES)
