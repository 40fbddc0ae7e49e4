"""What becomes of jobs, for whoever runs the gateway: lines of the log, and what Prometheus hears."""

from __future__ import annotations

import logging
import time
from typing import Any

from gateway.jobs.job import ENDED, Job, State, Waiting
from gateway.metrics import Metrics


class JobLog:
    """Writes and counts."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics
        self._logger = logging.getLogger("gateway.jobs")

    def note(self, job: Job, state: State | None = None) -> None:
        """A job is in another state; its own, or the one that is named."""
        state = state or job.state
        seconds = round(time.time() - job.created, 3)
        if state in ENDED:
            self._metrics.jobs_ended.labels(state).inc()
            self._metrics.jobs_seconds.labels(job.priority).observe(seconds)
        elif state is State.RUNNING and job.attempt > 1:
            self._metrics.jobs_begun_again.inc()
        self._write("job", job, state=state, key=job.holder, attempt=job.attempt, seconds=seconds)

    def note_callback(
        self, job: Job, *, state: str, attempt: int, status: int | None, problem: str | None
    ) -> None:
        """An attempt at a callback, and where that has come to."""
        self._metrics.callbacks.labels(state).inc()
        self._write("callback", job, state=state, attempt=attempt, status=status, problem=problem)

    def note_waiting(self, waiting: Waiting) -> None:
        """How many jobs have not ended, those of other gateways at the same database among them."""
        for state, count in waiting.counts.items():
            self._metrics.jobs_unfinished.labels(state).set(count)
        self._metrics.jobs_oldest.set(waiting.oldest_s)

    def _write(self, event: str, job: Job, **values: Any) -> None:
        entry = {"event": event, "job": job.id, "request_id": job.request_id, **values}
        self._logger.info(event, extra={"entry": entry})
