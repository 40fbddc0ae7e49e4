"""Which videos travel together."""

from __future__ import annotations

import pytest

from outofsync_cluster.blocks import BATCH_ITEMS, BLOCK_BYTES, BLOCK_ITEMS, BLOCKS_PER_ACTOR, blocks_of
from outofsync_cluster.inventory import Item

ACTORS = 2
MANY = ACTORS * BLOCKS_PER_ACTOR * BLOCK_ITEMS


def items(number: int, size: int) -> list[Item]:
    return [Item(f"{place}.mp4", size, 0) for place in range(number)]


def sizes(wanted: list[Item], most: int = BLOCK_ITEMS) -> list[int]:
    blocks = list(blocks_of(wanted, ACTORS, most))
    assert [item for block in blocks for item in block] == wanted
    return [len(block) for block in blocks]


def test_many_short_videos_travel_many_at_a_time() -> None:
    assert sizes(items(MANY, 1000)) == [BLOCK_ITEMS] * (MANY // BLOCK_ITEMS)


def test_long_ones_a_batch_at_a_time() -> None:
    assert set(sizes(items(MANY, BLOCK_BYTES))) == {BATCH_ITEMS}


def test_a_block_ends_once_it_is_large() -> None:
    per_block = 6
    assert set(sizes(items(MANY // per_block * per_block, BLOCK_BYTES // per_block + 1))) == {per_block}


def test_a_long_one_among_short_ones_ends_its_block() -> None:
    mixed = items(MANY, 1000)
    mixed[5] = Item("long.mp4", BLOCK_BYTES, 0)
    assert sizes(mixed)[:2] == [6, BLOCK_ITEMS]


def test_few_are_shared_out_among_all_actors() -> None:
    assert sizes(items(10, 1000)) == [4, 4, 2]


@pytest.mark.parametrize("most", [1, 3])
def test_fewer_at_a_time_where_that_is_asked_for(most: int) -> None:
    assert set(sizes(items(30, 1000), most)) == {most}


def test_nothing_makes_no_block() -> None:
    assert sizes([]) == []
