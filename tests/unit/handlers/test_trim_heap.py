"""Freed memory goes back to the system, also from between what is still in use."""

from __future__ import annotations

import psutil

from trim_heap import trim_heap

BLOCK = 16_000  # bytes: from malloc's heap, a few whole pages each
BLOCKS = 4_000


def test_what_was_freed_between_live_blocks_is_given_back() -> None:
    blocks = [bytes(BLOCK) for _ in range(BLOCKS)]
    del blocks[::2]
    process = psutil.Process()
    before = process.memory_info().rss
    trim_heap()
    assert before - process.memory_info().rss > BLOCK * BLOCKS // 4
    assert len(blocks) == BLOCKS // 2
