"""From an answer to rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from outofsync_cluster.identity import Identity, canonical
from outofsync_cluster.rows import ErrorRow, SegmentRow, SourceRow, VideoRow
from outofsync_cluster.stages import Outcome


def video_row(outcome: Outcome, result: Mapping[str, Any], identity: Identity) -> VideoRow:
    """The row of a video that was judged."""
    media = result.get("media") or {}
    stated: dict[str, Any] = {name: result.get(name) for name in _AS_THEY_ARE}
    return VideoRow(
        key=identity.key(str(outcome.sha256)),
        sha256=str(outcome.sha256),
        uri=outcome.uri,
        size_bytes=outcome.size_bytes,
        **stated,
        reasons=[reason["code"] for reason in result.get("reasons") or ()],
        duration_s=float(media.get("duration_s") or 0.0),
        scored_s=_covered(result.get("segments") or ()),
        width=int(media.get("width") or 0),
        height=int(media.get("height") or 0),
        fps=float(media.get("fps") or media.get("frame_rate") or 0.0),
        models=canonical(result["models"]),
        cpu_s=outcome.cpu_s,
        gpu_s=outcome.gpu_s,
        wall_s=outcome.wall_s,
        bytes_read=outcome.bytes_read,
        peak_bytes=outcome.peak_bytes,
        attempts=outcome.attempts,
        node=outcome.node,
        perceptual_hash=outcome.perceptual_hash,
    )


_AS_THEY_ARE = (
    *("verdict", "label", "probability_fake", "score", "delay_score", "feature_score"),
    *("offset_frames", "offset_confidence"),
)


def segment_rows(video: VideoRow, result: Mapping[str, Any]) -> list[SegmentRow]:
    """The rows of its segments."""
    names = ("start", "end", "track", "score", "probability_fake", "peak_delay")
    return [
        SegmentRow(video.key, video.uri, index, **{name: segment.get(name) for name in names})
        for index, segment in enumerate(result.get("segments") or ())
    ]


def error_row(outcome: Outcome, error: Mapping[str, Any]) -> ErrorRow:
    """The row of a video without a result."""
    words = {name: str(error.get(name, "")) for name in ("code", "stage", "message", "hint")}
    return ErrorRow(outcome.uri, outcome.sha256, attempts=max(1, outcome.attempts), **words)


def source_row(outcome: Outcome, key: str | None, code: str | None, *, duplicate: bool = False) -> SourceRow:
    """Where a video was found, and what it came to."""
    return SourceRow(outcome.uri, outcome.size_bytes, outcome.modified, outcome.sha256, key, code, duplicate)


def _covered(segments: Sequence[Mapping[str, Any]]) -> float:
    """Seconds that lie in any of the segments."""
    covered, reached = 0.0, float("-inf")
    for start, end in sorted((segment["start"], segment["end"]) for segment in segments):
        covered += max(0.0, end - max(start, reached))
        reached = max(reached, end)
    return covered
