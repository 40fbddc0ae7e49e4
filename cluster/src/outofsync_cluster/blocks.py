"""Which videos travel together: a block is handed out, read, and written as one.

Each block costs Ray and the driver 50 ms, as much as judging half a second of video does. So short videos
travel many at a time; long ones do not, for a block that is lost is judged again as a whole.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice

from outofsync_cluster.inventory import Item

BATCH_ITEMS = 4  # judged at once, as the service batches; no smaller block is made
BLOCK_ITEMS = 16  # at most
BLOCK_BYTES = 16_000_000  # what grows beyond a batch is no larger
BLOCKS_PER_ACTOR = 8  # at least, so that all have about as much to do


def blocks_of(items: Sequence[Item], actors: int, most: int = BLOCK_ITEMS) -> Iterator[list[Item]]:
    """The items in order, in blocks for so many actors that none waits long for the last one."""
    most = min(most, max(BATCH_ITEMS, len(items) // (actors * BLOCKS_PER_ACTOR)))
    rest = iter(items)
    while block := list(islice(rest, min(most, BATCH_ITEMS))):
        size = sum(item.size_bytes for item in block)
        while len(block) < most and size < BLOCK_BYTES and (following := next(rest, None)):
            block.append(following)
            size += following.size_bytes
        yield block
