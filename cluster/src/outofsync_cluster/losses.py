"""Why videos fail that nothing is wrong with: one is told apart from all."""

from __future__ import annotations

import logging

from outofsync_client.protocol import ErrorCode
from outofsync_cluster.errors import ClusterError
from outofsync_cluster.rows import ErrorRow, Row, VideoRow
from outofsync_cluster.watching import Tally

SAME_ERRORS = 100  # one after another, without a result between them: then a run stops
FEWEST = 3  # videos of which all failed alike before that is said to be more than bad luck
FINAL_CODES = frozenset(  # errors of the video itself: the same options bring the same error
    {
        ErrorCode.EMPTY_FILE,
        ErrorCode.UNSUPPORTED_MEDIA,
        ErrorCode.CORRUPT_MEDIA,
        ErrorCode.NO_VIDEO,
        ErrorCode.NO_AUDIO,
        ErrorCode.TOO_SHORT,
        ErrorCode.TOO_LONG,
        ErrorCode.TOO_LARGE,
        ErrorCode.TOO_MANY_PIXELS,
        ErrorCode.DECODE_TIMEOUT,
    }
)


class Losses(logging.Handler):
    """Listens to what Ray Data says of blocks that it gives up, and remembers the last reason."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.reason = "Ray does not say why"

    def emit(self, record: logging.LogRecord) -> None:
        if record.exc_info and record.exc_info[1] is not None:
            words = [line.strip() for line in str(record.exc_info[1]).splitlines() if line.strip()]
            self.reason = words[-1] if words else type(record.exc_info[1]).__name__


class Agreement:
    """Whether videos fail one after another for one reason that is not theirs."""

    def __init__(self) -> None:
        self._code = ""
        self._words = ""
        self._in_a_row = 0

    def add(self, row: Row) -> None:
        """Raises :class:`ClusterError` once so many have failed alike that the rest would, too."""
        if isinstance(row, VideoRow):
            self._in_a_row = 0
        if not isinstance(row, ErrorRow) or row.code in FINAL_CODES:
            return
        self._in_a_row = self._in_a_row + 1 if row.code == self._code else 1
        self._code, self._words = row.code, row.message
        if self._in_a_row >= SAME_ERRORS:
            raise ClusterError(
                f"{self._in_a_row} videos in a row failed alike ({row.code}): {row.message}; "
                "the same command tries them again"
            )

    def end(self, tally: Tally) -> None:
        """Raises :class:`ClusterError` where all of a run's videos failed alike."""
        failed = sum(tally.errors.values())
        if FEWEST <= self._in_a_row == failed and not tally.judged:
            raise ClusterError(f"all {failed} videos failed alike ({self._code}): {self._words}")
