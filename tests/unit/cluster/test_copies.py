"""A copy takes the result of what it is a copy of; nothing else does."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from unit.cluster.test_near_duplicates import ORIGINAL, coded, film, late, printed
from unit.cluster.test_store import opened, outcome, uris

from outofsync_cluster.copies import Copies
from outofsync_cluster.stages import Outcome, Registry, digest_of

LENGTH_S = 3.0


def test_a_copy_is_found_and_lips_made_anew_or_moved_sound_are_none() -> None:
    copies = Copies()
    assert copies.claim("original", printed(ORIGINAL), LENGTH_S) is None
    assert copies.claim("copy", printed(coded(ORIGINAL)), LENGTH_S) == "original"
    assert copies.claim("lips", printed(film(1, 1, lips=7)), LENGTH_S) is None
    assert copies.claim("late", printed(late(ORIGINAL, 0.08)), LENGTH_S) is None
    assert copies.claim("else", printed(film(2, 2)), LENGTH_S) is None
    assert copies.claim("longer", printed(ORIGINAL), LENGTH_S + 1) is None
    assert copies.claim("original", printed(ORIGINAL), LENGTH_S) is None, "tried again after a loss"


def test_what_came_to_nothing_is_no_original() -> None:
    registry = Registry()
    first, second = "aa" * 32, "bb" * 32
    prints = printed(ORIGINAL)
    assert registry.claim_copies([(first, prints, LENGTH_S), (second, prints, LENGTH_S)]) == [None, first]
    registry.settle([])
    assert registry.claim_copies([(second, prints, LENGTH_S)]) == [None], "the first was lost"
    registry.settle([digest_of(second)])
    assert registry.claim_copies([(first, prints, LENGTH_S)]) == [second]


def copy_of(original: Outcome, name: str) -> Outcome:
    return replace(outcome(name), answer=None, same_as=original.sha256)


@pytest.mark.parametrize("first", ["original", "copy"])
def test_a_copy_has_the_key_of_its_original_whichever_comes_first(tmp_path: Path, first: str) -> None:
    store, original = opened(tmp_path), outcome("a")
    both = [original, copy_of(original, "b")]
    for one in both if first == "original" else both[::-1]:
        store.add(one)
    store.write()
    assert uris(store, "videos") == ["a"]
    rows = {row["uri"]: row for row in store.rows("sources")}
    assert rows["a"]["key"] == rows["b"]["key"]
    assert (rows["a"]["duplicate"], rows["b"]["duplicate"]) == (False, True)


def test_a_later_run_does_not_take_a_copy_for_judged(tmp_path: Path) -> None:
    store, original = opened(tmp_path), outcome("a")
    store.add(original)
    store.add(copy_of(original, "b"))
    store.write()
    again = opened(tmp_path)
    assert again.knows("b", 10, 1)
    assert again.news() == [digest_of(str(original.sha256))]
    elsewhere = replace(copy_of(original, "c"), sha256=outcome("b").sha256)
    again.add(elsewhere)
    again.write()
    keys = {json.dumps(row["key"]) for row in again.rows("sources")}
    assert len(keys) == 1
