"""The panels of a picture, each drawn into the axes it is given."""

from __future__ import annotations

import textwrap
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import PowerNorm
from numpy.typing import NDArray

from outofsync_client._result import Result
from outofsync_client.protocol import DELAYS, FRAME_RATE, MAX_DELAY
from outofsync_client.reports.story import is_suspicious
from outofsync_client.reports.wording import (
    NOTHING,
    delay_words,
    number,
    percent,
    printable,
    signed,
    verdict_words,
)

VERDICT_COLOURS = {
    "real": "#15803d",
    "likely_real": "#5c9132",
    "likely_fake": "#d9770b",
    "fake": "#b91c1c",
    "inconclusive": "#64748b",
}
UNKNOWN_COLOUR = "#64748b"
INK = "#1e293b"
FAINT = "#94a3b8"
PAPER = "#f1f5f9"
PEAK = "#db2777"
LINE_WIDTH_LETTERS = 45
MAX_REASON_LINES = 6


def delay_distribution(result: Result) -> NDArray[np.float64]:
    """How likely each delay is in each window: the softmax of the logits, (windows, 31)."""
    shifted = np.exp(result.delays - result.delays.max(axis=1, keepdims=True))
    return np.asarray(shifted / shifted.sum(axis=1, keepdims=True))


def delays_over_time(axes: Axes, scale: Axes, result: Result) -> None:
    """Heat map of the delay in each window; a steady bright line at 0 is a video in sync."""
    _title(axes, "Delay between lips and voice over time")
    axes.set_ylabel("delay of the sound (frames)")
    axes.set_xlim(*_time_limits(result))
    axes.set_ylim(-MAX_DELAY - 0.5, MAX_DELAY + 0.5)
    axes.set_yticks(range(-MAX_DELAY, MAX_DELAY + 1, 5))
    if not len(result.delays):
        _nothing(axes, scale, "no window could be compared")
        return
    axes.set_facecolor(PAPER)
    # The square root keeps an undecided window (1/31 everywhere) apart from an excluded delay (0).
    image = axes.imshow(
        delay_distribution(result).T,
        origin="lower",
        aspect="auto",
        cmap="magma",
        norm=PowerNorm(0.5, 0, 1),
        extent=(*_span(result), -MAX_DELAY - 0.5, MAX_DELAY + 0.5),
        interpolation="antialiased",
    )
    axes.axhline(0, color="white", linewidth=0.8, linestyle=(0, (4, 6)), alpha=0.7)
    _colour_scale(axes, scale, image, "probability", ticks=[0, 0.1, 0.25, 0.5, 1])


def segments_over_time(axes: Axes, result: Result) -> None:
    """A bar per scored segment, red and marked where it is suspicious."""
    axes.set_ylim(0, 1)
    axes.set_yticks([])
    axes.set_facecolor(PAPER)
    axes.tick_params(labelbottom=False, bottom=False)
    for spine in axes.spines.values():
        spine.set_visible(False)
    for segment in result.segments:
        axes.axvspan(segment.start, segment.end, color=_segment_colour(segment.probability_fake), linewidth=0)
        axes.axvline(segment.start, color="white", linewidth=0.6)
    axes.set_title(_segments_title(result), loc="left", fontsize=9, color=INK, pad=4)


def features_over_time(axes: Axes, scale: Axes, result: Result) -> None:
    """Heat map of the audio-visual features, each window scaled to length 1 as the score sees it."""
    _title(axes, "Audio-visual features over time")
    axes.set_xlabel("time (s)")
    axes.set_ylabel("principal component")
    axes.set_ylim(0.5, DELAYS + 0.5)
    axes.set_yticks([1, 10, 20, 30])
    if not len(result.features):
        _nothing(axes, scale, "no features in the result")
        return
    axes.set_facecolor(PAPER)
    lengths = np.linalg.norm(result.features, axis=1, keepdims=True)
    features = result.features / np.maximum(lengths, 1e-12)
    reach = max(float(np.percentile(np.abs(features), 99)), 1e-6)
    image = axes.imshow(
        features.T,
        origin="lower",
        aspect="auto",
        cmap="RdBu_r",
        vmin=-reach,
        vmax=reach,
        extent=(*_span(result), 0.5, DELAYS + 0.5),
        interpolation="antialiased",
    )
    _colour_scale(axes, scale, image, "share of the feature")


def mean_delay(axes: Axes, result: Result) -> None:
    """How likely each delay is over the whole video, with a line where lips and voice agree."""
    _title(axes, "Delay over the whole video")
    axes.set_xlabel("delay of the sound (frames)")
    axes.set_xlim(-MAX_DELAY - 0.7, MAX_DELAY + 0.7)
    axes.set_xticks(range(-MAX_DELAY, MAX_DELAY + 1, 5))
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    if not len(result.delays):
        _nothing(axes, None, "no window could be compared")
        return
    mean = delay_distribution(result).mean(axis=0)
    delays = np.arange(-MAX_DELAY, MAX_DELAY + 1)
    clear = _has_clear_peak(mean)
    axes.bar(delays, mean, width=0.8, color=[PEAK if clear and p == mean.max() else FAINT for p in mean])
    axes.axvline(0, ymax=0.88, color=INK, linewidth=1, linestyle=(0, (4, 4)))
    axes.set_ylim(0, max(1.3 * float(mean.max()), 0.1))
    axes.set_ylabel("mean probability")
    axes.text(0.99, 0.97, _peak_words(result), transform=axes.transAxes, ha="right", va="top", color=INK)


def summary(axes: Axes, result: Result) -> None:
    """The verdict, the numbers behind it, and the reasons, as text."""
    axes.set_axis_off()
    colour = VERDICT_COLOURS.get(result.verdict, UNKNOWN_COLOUR)
    axes.text(
        0.0,
        0.97,
        f" {verdict_words(result.verdict).upper()} ",
        fontsize=17,
        fontweight="bold",
        color="white",
        va="top",
        bbox={"facecolor": colour, "edgecolor": colour, "boxstyle": "round,pad=0.25"},
    )
    y = 0.82
    for name, value in _facts(result):
        axes.text(0.0, y, name, fontsize=10, color="#64748b", va="top")
        axes.text(0.41, y, value, fontsize=10, color=INK, va="top", parse_math=False)
        y -= 0.066
    text = "\n".join(_reason_lines(result))
    axes.text(0.0, y - 0.02, text, fontsize=9.5, color=INK, va="top", linespacing=1.35, parse_math=False)


def _facts(result: Result) -> list[tuple[str, str]]:
    suspicious = sum(is_suspicious(segment.probability_fake) for segment in result.segments)
    return [
        ("probability of fake", percent(result.probability_fake)),
        ("score", number(result.score)),
        ("  delay part", number(result.delay_score)),
        ("  feature part", f"{number(result.feature_score)}  (weight λ {number(result.lam, 2)})"),
        ("peak delay", _peak_words(result)),
        ("offset", _offset(result)),
        ("segments", f"{len(result.segments)} scored, {suspicious} suspicious"),
        ("deblurred", _deblurred(result)),
    ]


def _peak_words(result: Result) -> str:
    if not len(result.delays):
        return NOTHING
    mean = delay_distribution(result).mean(axis=0)
    peak = int(mean.argmax()) - MAX_DELAY
    return delay_words(peak) if _has_clear_peak(mean) else f"{signed(peak)} frames, hardly a peak"


def _has_clear_peak(mean: NDArray[np.float64]) -> bool:
    """Whether one delay is at least twice as likely as if all were equal."""
    return bool(mean.max() >= 2 / DELAYS)


def _offset(result: Result) -> str:
    if result.offset_frames is None:
        return NOTHING
    return f"{signed(result.offset_frames)} frames, confidence {number(result.offset_confidence, 2)}"


def _deblurred(result: Result) -> str:
    if not result.deblur.get("applied"):
        return "no"
    frames = result.deblur.get("frames")
    return "yes" if frames is None else f"yes, {frames} frames"


def _reason_lines(result: Result) -> list[str]:
    lines = []
    for reason in result.reasons:
        message = printable(reason.message)
        lines += textwrap.wrap(message, LINE_WIDTH_LETTERS, initial_indent="• ", subsequent_indent="   ")
    if len(lines) > MAX_REASON_LINES:
        lines = [*lines[: MAX_REASON_LINES - 1], "… the rest is in the JSON result"]
    return lines


def _segments_title(result: Result) -> str:
    if not result.segments:
        return "no scored segment"
    suspicious = [segment for segment in result.segments if is_suspicious(segment.probability_fake)]
    if not suspicious:
        return "scored segments: none suspicious"
    worst = max(suspicious, key=lambda segment: segment.probability_fake or 0)
    return (
        f"scored segments: {len(suspicious)} of {len(result.segments)} suspicious (red),"
        f" most of all {worst.start:.1f} to {worst.end:.1f} s"
    )


def _segment_colour(probability: float | None) -> str:
    if probability is None:
        return FAINT
    return VERDICT_COLOURS["fake"] if is_suspicious(probability) else "#86c39a"


def _span(result: Result) -> tuple[float, float]:
    """When the first window starts and the last one ends, in seconds."""
    times = result.window_times
    return float(times[0]), float(times[-1]) + 1 / FRAME_RATE


def _time_limits(result: Result) -> tuple[float, float]:
    """The stretch of the video that any panel shows, in seconds."""
    edges = [edge for segment in result.segments for edge in (segment.start, segment.end)]
    if len(result.window_times):
        edges += _span(result)
    return (min(edges), max(edges)) if edges else (0.0, float(result.media.get("duration_s") or 1.0))


def _title(axes: Axes, text: str) -> None:
    axes.set_title(text, loc="left", fontsize=11.5, color=INK, fontweight="bold")


def _nothing(axes: Axes, scale: Axes | None, message: str) -> None:
    """Say why a panel is empty."""
    axes.set_facecolor(PAPER)
    axes.text(
        0.5, 0.5, message, transform=axes.transAxes, ha="center", va="center", color="#64748b", fontsize=12
    )
    axes.set_yticks([])
    if scale is not None:
        scale.set_axis_off()


def _colour_scale(axes: Axes, scale: Axes, image: Any, label: str, ticks: list[float] | None = None) -> None:
    bar = axes.figure.colorbar(image, cax=scale, ticks=ticks)
    bar.set_label(label, fontsize=9)
    bar.ax.tick_params(labelsize=8)
    bar.outline.set_visible(False)
