"""What a server counts, as it tells Prometheus."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from prometheus_client.parser import text_string_to_metric_families


@dataclass(frozen=True)
class Sample:
    """One number of one series: ``name`` and ``labels`` tell it from others."""

    name: str
    labels: Mapping[str, str]
    value: float


@dataclass(frozen=True)
class Metrics:
    """All numbers of one moment. Counters only grow, until the server starts anew."""

    samples: tuple[Sample, ...] = field(repr=False)

    @classmethod
    def parse(cls, text: str) -> Metrics:
        """Read Prometheus's text format; raises ValueError where it is none."""
        return cls(
            tuple(
                Sample(sample.name, dict(sample.labels), float(sample.value))
                for family in text_string_to_metric_families(text)
                for sample in family.samples
            )
        )

    def select(self, name: str, **labels: str) -> Iterator[Sample]:
        """The series of this name that have these labels, whatever others they have."""
        for sample in self.samples:
            if sample.name == name and labels.items() <= sample.labels.items():
                yield sample

    def total(self, name: str, **labels: str) -> float:
        """The sum of those series; 0 where there is none, as one begins with its first event."""
        return sum(sample.value for sample in self.select(name, **labels))

    def by(self, name: str, label: str) -> dict[str, float]:
        """Sums for each value that a label takes: ``by("outofsync_verdicts_total", "Verdict")``."""
        sums: dict[str, float] = {}
        for sample in self.select(name):
            value = sample.labels.get(label)
            if value is not None:
                sums[value] = sums.get(value, 0.0) + sample.value
        return sums

    def to_dict(self) -> dict[str, Any]:
        """The series as JSON has them."""
        return {
            "samples": [
                {"name": one.name, "labels": dict(one.labels), "value": one.value} for one in self.samples
            ]
        }
