"""What is known of those who speak in one clip, between one step of judging and the next."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from outofsync.clip import Clip
from outofsync.findings import Alignment, TrackFinding
from outofsync.nodes.preview import Preview
from outofsync.scoring.abstention import Abstention
from outofsync.scoring.score import SegmentScore

Scores = tuple[list[tuple[int, int]], list[SegmentScore]]  # of one track, by its segments


class Spoken:
    """The speakers of a clip, and their scores by the offset that they are read from."""

    def __init__(self, clip: Clip, findings: Sequence[TrackFinding], preview: Preview | None) -> None:
        self.clip = clip
        self.findings = findings
        self.preview = preview
        self.alignment: Alignment | None = None
        self._scores: dict[int, list[Scores]] = {}

    @property
    def offsets(self) -> Sequence[int]:
        """From which they are read, once that is known."""
        return self.alignment.offsets if self.alignment else ()

    def align(self, rules: Abstention) -> None:
        """Find the constant offset of the video, of all its speakers together; there is none without them."""
        if self.findings:
            delays = np.concatenate([finding.delays for finding in self.findings])
            self.alignment = Alignment.of(delays, rules, as_published=self.clip.options.mode == "reference")

    def keep(self, offset: int, scores: list[Scores]) -> None:
        """Those of each speaker, read from an offset."""
        self._scores[offset] = scores

    def tell_scored(self) -> None:
        """Let whoever follows know of the scores at which the video is judged."""
        if self.alignment is not None and self.preview is not None:
            self.preview.scored(self.findings, self.alignment.judged, self._scores[self.alignment.judged])

    def read(self) -> None:
        """Give each speaker what was scored, now that all is known of its face."""
        for offset, scores in self._scores.items():
            for finding, (bounds, found) in zip(self.findings, scores, strict=True):
                finding.read(offset, bounds, found)
