"""Many videos, a few at a time; an error belongs to its own video and stops no other."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Sized
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from typing import Callable, Generic, Optional, TypeVar, Union

from outofsync_client._exceptions import OutOfSyncError
from outofsync_client._result import Result

F = TypeVar("F")
Outcome = Union[Result, OutOfSyncError]

ManyProgress = Callable[[int, Optional[int]], None]
"""Called with how many files are done, and of how many: None where the files have no length."""


@dataclass(frozen=True)
class Judged(Generic[F]):
    """One file's outcome; ``place`` is where it stood among the files."""

    place: int
    file: F
    outcome: Outcome

    @property
    def result(self) -> Result:
        """The result; raises the error where there is none."""
        if isinstance(self.outcome, OutOfSyncError):
            raise self.outcome
        return self.outcome


def judge_many(
    judge: Callable[[F], Result],
    files: Iterable[F],
    *,
    jobs: int,
    ordered: bool,
    on_done: Optional[ManyProgress] = None,
) -> Iterator[Judged[F]]:
    """Each file's outcome, in the files' order or as they are done. Raises ValueError for no jobs.

    Files are taken as they are needed, so that there may be any number of them. Leaving the iterator early
    lets what is under way finish and begins nothing more.
    """
    if jobs < 1:
        raise ValueError("it takes one job at least")

    def one(place: int, file: F) -> Judged[F]:
        try:
            return Judged(place, file, judge(file))
        except OutOfSyncError as error:
            return Judged(place, file, error)

    tell = counting(files, on_done)
    waiting: deque[Future[Judged[F]]] = deque()
    numbered = enumerate(files)
    pool = ThreadPoolExecutor(max_workers=jobs)
    try:
        while True:
            for place, file in numbered:
                waiting.append(pool.submit(one, place, file))
                if len(waiting) >= 2 * jobs:  # so that no thread waits for us
                    break
            if not waiting:
                return
            done = waiting[0] if ordered else _first_done(waiting)
            waiting.remove(done)
            judged = done.result()
            tell()
            yield judged
    finally:  # also when the user stops: what has not begun is not begun any more
        pool.shutdown(wait=True, cancel_futures=True)


def counting(files: Iterable[object], on_done: Optional[ManyProgress]) -> Callable[[], None]:
    """What to call with each file that is done."""
    total = len(files) if isinstance(files, Sized) else None
    done = 0

    def tell() -> None:
        nonlocal done
        done += 1
        if on_done is not None:
            on_done(done, total)

    return tell


def _first_done(waiting: Iterable[Future[Judged[F]]]) -> Future[Judged[F]]:
    done, _ = wait(waiting, return_when=FIRST_COMPLETED)
    return next(iter(done))
