"""What a handler tells TorchServe's metrics endpoint, as counters that only grow.

Of two scrapes, the difference in requests over that in batches is the mean batch size, and the difference in
a stage's seconds over that in requests is what a request spends there. TorchServe labels every metric with
the model; versions are told apart by a label of ours, since its own always says "default".
"""

from __future__ import annotations

from collections import Counter
from typing import Any, Protocol

from ts.metrics.dimension import Dimension

from outofsync.errors import DecoderEnd
from outofsync.nodes import Outcome, Tally

INCONCLUSIVE = "inconclusive"
DECODER_ENDS = {
    DecoderEnd.CRASH: "outofsync_decode_crashes_total",
    DecoderEnd.TIMEOUT: "outofsync_decode_timeouts_total",
    DecoderEnd.REFUSAL: "outofsync_decode_refusals_total",
}

Labels = tuple[tuple[str, str], ...]
Count = tuple[str, Labels]  # a metric's name, and its labels


class Metrics(Protocol):
    """TorchServe's collector of a model's metrics."""

    def add_counter(self, name: str, value: float, *, dimensions: list[Any]) -> None: ...


def count(metrics: Metrics, *, version: str, requests: int, tally: Tally) -> None:
    """Count one batch: its requests, the time that they spent in each stage, and what became of them."""
    counts: Counter[Count] = Counter()
    counts["outofsync_batches_total", ()] = 1
    counts["outofsync_requests_total", ()] = requests
    counts["outofsync_batch_requests_total", (("Size", str(requests)),)] = 1
    for outcome in tally.outcomes:
        counts.update(counts_of(outcome))
    for (name, labels), value in counts.items():
        _add(metrics, name, value, version, labels)
    for stage, spent in tally.timing_ms.items():
        _add(metrics, "outofsync_stage_seconds_total", spent / 1000.0, version, (("Stage", stage),))


def counts_of(outcome: Outcome) -> list[Count]:
    """The counters that one request moves."""
    found: list[Count] = []
    if outcome.verdict:
        found.append(("outofsync_verdicts_total", (("Verdict", outcome.verdict),)))
    if outcome.verdict == INCONCLUSIVE:
        found += [("outofsync_abstentions_total", (("Reason", reason),)) for reason in outcome.reasons]
    if outcome.deblurred is not None:
        found.append(("outofsync_deblurred_total", (("Applied", str(outcome.deblurred).lower()),)))
    if outcome.code:
        labels = (("Code", outcome.code), ("Stage", outcome.stage))
        found.append(("outofsync_errors_total", labels))
    if outcome.decoder:
        found.append((DECODER_ENDS[DecoderEnd(outcome.decoder)], ()))
    return found


def _add(
    metrics: Metrics, name: str, value: float, version: str, labels: tuple[tuple[str, str], ...]
) -> None:
    dimensions = [Dimension(label, text) for label, text in (("Version", version), *labels)]
    metrics.add_counter(name, value, dimensions=dimensions)
