"""What Prometheus hears of the gateway."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

# From a pass that answers at once to a video of ten minutes.
SECONDS = (0.05, 0.1, 0.25, 0.5, 1, 2, 4, 8, 15, 30, 60, 120, 300, 600, 1800, 3600)
DIFFERENCES = (0.001, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1)


class Metrics:
    """One gateway's metrics."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.requests = self._counter("http_requests", "Requests answered.", "route", "status", "code")
        self.seconds = Histogram(
            "outofsync_http_request_seconds",
            "From a request's first byte to its answer's last.",
            ("route",),
            buckets=SECONDS,
            registry=self.registry,
        )
        self.in_progress = self._gauge("http_in_progress", "Requests in flight.", "route")
        self.upload_bytes = self._counter("http_upload_bytes", "Bytes received.", "route")
        self.server_up = self._gauge("server_up", "1 while a server answers its probe.", "server")
        self.server_in_progress = self._gauge("server_in_progress", "Requests at a server.", "server")
        self.retries = self._counter("retries", "Requests sent again.", "server", "reason")
        self.pipeline_requests = self._counter(
            "pipeline_requests", "Requests judged by a pipeline.", "pipeline", "role"
        )
        self.verdicts = self._counter("pipeline_verdicts", "Verdicts.", "pipeline", "role", "verdict")
        self.comparisons = self._counter(
            "shadow_comparisons", "Files judged by two pipelines.", "pipeline", "agrees"
        )
        self.difference = Histogram(
            "outofsync_shadow_probability_difference",
            "How far the probabilities of two pipelines are apart.",
            ("pipeline",),
            buckets=DIFFERENCES,
            registry=self.registry,
        )
        self.shadows_dropped = self._counter("shadow_dropped", "Files not compared, for want of room.")
        self.background_failures = self._counter(
            "background_failures", "Background tasks that an unexpected error ended.", "task"
        )
        self.turned_away = self._counter("turned_away", "Requests beyond their caller's share that gave up.")
        self.unrepeatable = self._counter("uploads_unrepeatable", "Uploads that no disk could hold.")
        self.jobs_unfinished = self._gauge("jobs_unfinished", "Jobs that have not ended.", "state")
        self.jobs_oldest = self._gauge("jobs_oldest_seconds", "How long the oldest job waits to be begun.")
        self.jobs_ended = self._counter("jobs_ended", "Jobs that have ended.", "state")
        self.jobs_begun_again = self._counter("jobs_begun_again", "Jobs begun anew after something died.")
        self.jobs_seconds = Histogram(
            "outofsync_jobs_seconds",
            "From when a job was handed in to its end.",
            ("priority",),
            buckets=(*SECONDS, 4 * 3600, 24 * 3600),
            registry=self.registry,
        )
        self.callbacks = self._counter("callbacks", "Attempts at callbacks, by where that came to.", "state")

    def _counter(self, name: str, text: str, *labels: str) -> Counter:
        return Counter(f"outofsync_{name}", text, labels, registry=self.registry)

    def _gauge(self, name: str, text: str, *labels: str) -> Gauge:
        return Gauge(f"outofsync_{name}", text, labels, registry=self.registry)
