"""Probability and delay along the video, in one picture."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from outofsync_client._result import Result
from outofsync_client.protocol import FRAME_RATE, MAX_DELAY
from outofsync_client.reports.panels import FAINT, INK, PEAK, VERDICT_COLOURS, delay_distribution
from outofsync_client.reports.story import SUSPICIOUS, is_suspicious

SIZE_INCHES = (10.0, 3.6)
SMOOTHED_S = 0.4  # single windows jump; a reader wants to see where it drifts


def draw_timeline(result: Result) -> Figure:
    """The picture by itself."""
    figure = Figure(figsize=SIZE_INCHES, facecolor="white")
    upper, lower = figure.subplots(2, 1, sharex=True, gridspec_kw={"height_ratios": (1, 1), "hspace": 0.18})
    timeline(upper, lower, result)
    figure.subplots_adjust(left=0.08, right=0.985, top=0.96, bottom=0.14)
    return figure


def timeline(upper: Axes, lower: Axes, result: Result) -> None:
    """Above, each segment's probability of being fake; below, the sound's delay; suspicious spans shaded."""
    for axes in (upper, lower):
        for segment in result.segments:
            if is_suspicious(segment.probability_fake):
                axes.axvspan(segment.start, segment.end, color="#fee2e2", linewidth=0, zorder=0)
        for side in ("top", "right"):
            axes.spines[side].set_visible(False)
    _probabilities(upper, result)
    _delays(lower, result)
    lower.set_xlabel("time (s)")
    lower.set_xlim(0, _end(result))


def _probabilities(axes: Axes, result: Result) -> None:
    axes.set_ylim(0, 1.02)
    axes.set_ylabel("P(fake)")
    axes.axhline(SUSPICIOUS, color=FAINT, linewidth=0.8, linestyle=(0, (4, 4)))
    for segment in result.segments:
        if segment.probability_fake is None:
            continue
        kind = "fake" if is_suspicious(segment.probability_fake) else "real"
        axes.hlines(
            segment.probability_fake, segment.start, segment.end, color=VERDICT_COLOURS[kind], linewidth=3
        )
    if not any(segment.probability_fake is not None for segment in result.segments):
        _say(axes, "no probability was given")


def _delays(axes: Axes, result: Result) -> None:
    axes.set_ylim(-MAX_DELAY - 0.5, MAX_DELAY + 0.5)
    axes.set_yticks((-MAX_DELAY, 0, MAX_DELAY))
    axes.set_ylabel("delay (frames)")
    axes.axhline(0, color=FAINT, linewidth=0.8, linestyle=(0, (4, 4)))
    if not len(result.delays):
        _say(axes, "no window could be compared")
        return
    width = min(max(1, round(SMOOTHED_S * FRAME_RATE)), len(result.delays))
    kernel = np.ones(width) / width
    likely = delay_distribution(result)
    smooth = np.stack([np.convolve(column, kernel, mode="same") for column in likely.T], axis=1)
    times = result.window_times
    sure = smooth.max(axis=1)
    axes.plot(times, smooth.argmax(axis=1) - MAX_DELAY, color=PEAK, linewidth=1.4)
    axes.scatter(
        times, smooth.argmax(axis=1) - MAX_DELAY, s=14 * np.clip(sure, 0.02, 1), color=PEAK, linewidths=0
    )


def _say(axes: Axes, words: str) -> None:
    axes.text(0.5, 0.5, words, transform=axes.transAxes, ha="center", va="center", color=INK)


def _end(result: Result) -> float:
    ends = [segment.end for segment in result.segments]
    ends += [float(result.media.get("duration_s") or 0.0)]
    return max(ends) or 1.0
