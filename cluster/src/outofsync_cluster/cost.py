"""What a run took, and what that costs at a price for each hour of a core and of a card."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Self

HOUR_S = 3600.0


@dataclass(frozen=True)
class Prices:
    """Of an hour, in any currency; whole machines are paid for, whether their cores work or wait."""

    core_hour: float = 0.0
    gpu_hour: float = 0.0


@dataclass(frozen=True)
class Cost:
    """Sums over a run: ``duration_s`` of videos; ``cores`` and ``gpus`` were held for ``wall_s``."""

    videos: int
    duration_s: float
    wall_s: float
    cpu_s: float
    gpu_s: float
    cores: float
    gpus: float

    @classmethod
    def of(cls, summary: Mapping[str, Any]) -> Self:
        """That of a run, from its summary."""
        return cls(
            videos=summary["videos"],
            duration_s=summary["video_s"],
            wall_s=summary["seconds"],
            cpu_s=summary["cpu_s"],
            gpu_s=summary["gpu_s"],
            cores=summary["cores"],
            gpus=summary["gpus"],
        )

    @property
    def videos_per_hour(self) -> float | None:
        """None where none was judged: a run that found all of it done has no pace."""
        return _ratio(self.videos * HOUR_S, self.wall_s) or None

    @property
    def video_s_per_core_s(self) -> float | None:
        """Seconds of video for each second that a core was at work."""
        return _ratio(self.duration_s, self.cpu_s)

    @property
    def video_s_per_gpu_s(self) -> float | None:
        return _ratio(self.duration_s, self.gpu_s)

    def spent(self, prices: Prices) -> float:
        """The price of what the run held."""
        return (self.cores * prices.core_hour + self.gpus * prices.gpu_hour) * self.wall_s / HOUR_S

    def per_thousand_videos(self, prices: Prices) -> float | None:
        return _ratio(self.spent(prices) * 1000, self.videos)

    def lines(self, prices: Prices) -> Iterable[tuple[str, str]]:
        """Names and values for the summary; what was not measured is left out."""
        priced = prices.core_hour or prices.gpu_hour
        stated = (
            ("videos/hour", self.videos_per_hour, "{:,.0f}"),
            ("seconds of video per core-second", self.video_s_per_core_s, "{:.2f}"),
            ("seconds of video per GPU-second", self.video_s_per_gpu_s, "{:.2f}"),
            ("cost per 1,000 videos", self.per_thousand_videos(prices) if priced else None, "{:,.4g}"),
        )
        return [(name, form.format(value)) for name, value, form in stated if value is not None]


def _ratio(over: float, under: float) -> float | None:
    return over / under if under else None
