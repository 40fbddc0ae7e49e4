"""Jobs as callers see them."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from gateway.jobs.job import Job

if TYPE_CHECKING:
    from gateway.jobs.callbacks import Attempt


def described(job: Job) -> dict[str, Any]:
    """A job as callers see it, but for its result."""
    return {
        "id": job.id,
        "state": job.state,
        "file": job.file,
        "sha256": job.sha256,
        "options": json.loads(job.options),
        "priority": job.priority,
        "created": _moment(job.created),
        "started": _moment(job.started),
        "ended": _moment(job.ended),
        "progress": None if job.stage is None else {"stage": job.stage, "done": job.share},
        "remaining_s": job.remaining_s,
        "attempts": job.attempt,
        "pipeline": job.pipeline,
        "answered_by": job.answered_by,
        "verdict": job.verdict,
        "label": job.label,
        "failure": job.error,  # not "error", by which answers say that the request itself has failed
    }


def attempt_described(attempt: Attempt) -> dict[str, Any]:
    """A line of a callback's ledger."""
    return {"at": _moment(attempt.at), "status": attempt.status, "problem": attempt.problem}


def _moment(seconds: float | None) -> str | None:
    return (
        None if seconds is None else datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds")
    )
