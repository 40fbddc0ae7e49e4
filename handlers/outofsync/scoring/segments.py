"""Cut a track's windows into the segments that are scored."""

from __future__ import annotations


def segment_bounds(windows: int, longest: int) -> list[tuple[int, int]]:
    """Half-open window ranges that cover ``windows``, each of at most ``longest``.

    Segments follow one another; the last one reaches back so that it is as long as the others, because a
    short segment is scored on too few steps to compare. One short track is one short segment.
    """
    if windows <= longest:
        return [(0, windows)] if windows else []
    starts = [*range(0, windows - longest, longest), windows - longest]
    return [(start, start + longest) for start in starts]
