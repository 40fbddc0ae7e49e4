"""Thousands of videos: found, judged a few at a time, written down one by one, so that none is done twice."""

from __future__ import annotations

from outofsync_client.batch.files import find_videos
from outofsync_client.batch.jobs import JobBatch
from outofsync_client.batch.journal import HandedIn, JobJournal
from outofsync_client.batch.ledger import Ledger
from outofsync_client.batch.runner import Batch, Tally

__all__ = ["Batch", "HandedIn", "JobBatch", "JobJournal", "Ledger", "Tally", "find_videos"]
