"""Many videos, one after the other or a few at a time; an error stops only its own video."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path
from typing import Any

from outofsync_client._client import Client
from outofsync_client._exceptions import OutOfSyncError
from outofsync_client._result import Result
from outofsync_client.reports import Outcome

EXIT_REAL = 0
EXIT_FAKE = 1
EXIT_INCONCLUSIVE = 2
EXIT_ERROR = 3


def judge(
    client: Client, videos: Sequence[Path], options: dict[str, Any], *, jobs: int
) -> Iterator[tuple[int, Outcome]]:
    """Each video's place in ``videos`` and its outcome, as they are done."""

    def one(video: Path) -> Outcome:
        try:
            return client.detect(video, **options)
        except OutOfSyncError as error:
            return error

    pool = ThreadPoolExecutor(max_workers=jobs)
    try:
        places = {pool.submit(one, video): place for place, video in enumerate(videos)}
        for done in as_completed(places):
            yield places[done], done.result()
    finally:  # also when the user stops: what has not begun is not begun any more
        pool.shutdown(wait=True, cancel_futures=True)


def exit_code(outcomes: Iterable[Outcome]) -> int:
    """What the whole run comes to: an error outweighs a fake, and a fake an inconclusive video."""
    codes = {_exit_code_of(outcome) for outcome in outcomes}
    return next((code for code in (EXIT_ERROR, EXIT_FAKE, EXIT_INCONCLUSIVE) if code in codes), EXIT_REAL)


def _exit_code_of(outcome: Outcome) -> int:
    if not isinstance(outcome, Result):
        return EXIT_ERROR
    if outcome.is_fake:
        return EXIT_FAKE
    return EXIT_REAL if outcome.is_conclusive else EXIT_INCONCLUSIVE
