"""What jobs are given: where they lie, how many there may be, and for how long."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

DATABASE_VARIABLE = "OUTOFSYNC_JOBS_DATABASE"  # its URL holds a password, which a command line would show
FOLDER = "jobs"  # in the state folder of the first server, where no other is named
DAY_S = 86_400.0
UPLOAD_S = DAY_S  # for which an upload in pieces may stand still


MAX_URL_LETTERS = 1000  # of a callback's address


@dataclass(frozen=True)
class JobSettings:
    """Choices of whoever starts a gateway; times in seconds."""

    folder: Path | None = None  # of uploads, and of SQLite's files; several gateways that share work share it
    database: str | None = None  # postgresql://…; None: SQLite in the folder
    at_once: int = 8  # judged at a time by one gateway
    poll_s: float = 0.1  # between two looks for work: where none is under way, a job does not wait for one
    lease_s: float = 15.0  # a gateway that has said nothing for so long is dead, and its jobs are taken over
    retention_s: float = 7 * DAY_S  # of results; a job is known to have been for as long again
    callbacks: tuple[str, ...] = ()  # whom this server may call; see gateway/callback_sender.py
    callbacks_ca: Path | None = None  # certificates that vouch for them; None: those that the system trusts
    most_unfinished: int = 2000  # of one key
    most_pieces: int = 50  # uploads in pieces that are not complete, of one key
    most_upload_bytes: int = 50_000_000_000  # that wait on disk, of one key

    def __post_init__(self) -> None:
        numbers = [value for value in vars(self).values() if isinstance(value, (int, float))]
        if min(numbers) <= 0:
            raise ValueError("no number of jobs, bytes or seconds may be zero or less")
