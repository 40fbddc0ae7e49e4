"""Which part of the engine's work a process does."""

from __future__ import annotations

from enum import StrEnum


class Work(StrEnum):
    """All of it in one process, or in two: faces pass between them as clips."""

    WHOLE = "whole"  # a video's file → its result
    CROP = "crop"  # a video's file → a clip of faces; no networks of ours, no weights
    SCORE = "score"  # a clip → its result
