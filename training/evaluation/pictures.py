"""The pictures that go with the tables."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib
from matplotlib.axes import Axes
from matplotlib.collections import PathCollection
from matplotlib.figure import Figure as Canvas

from training.evaluation.calibration import Reliability
from training.evaluation.detection import OffsetRow, Row
from training.evaluation.judging import GENUINE
from training.evaluation.material import SYNTHETIC_VOICE
from training.evaluation.robustness import RobustnessRow
from training.evaluation.statistics import Figure

matplotlib.use("Agg")

COLOURS = ("#1b6ca8", "#d1495b", "#66a182", "#edae49")
BARS_NAMED = 46  # characters of a name beside a bar


def canvas(width: float, height: float) -> tuple[Canvas, Axes]:
    figure = Canvas(figsize=(width, height), dpi=150, layout="constrained")
    axes = figure.subplots()
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(alpha=0.25)
    axes.set_axisbelow(True)
    return figure, axes


def band(axes: Axes, places: Sequence[float], figures: Sequence[Figure], colour: str, label: str) -> None:
    """A line of values with its intervals as a band."""
    shown = [
        (place, each.value, each)
        for place, each in zip(places, figures, strict=True)
        if each.value is not None
    ]
    if not shown:
        return
    at, values = [place for place, _, _ in shown], [value for _, value, _ in shown]
    axes.plot(at, values, marker="o", markersize=4, color=colour, label=label)
    spread = [(place, each.interval) for place, _, each in shown if each.interval is not None]
    axes.fill_between(
        [place for place, _ in spread],
        [low for _, (low, _) in spread],
        [high for _, (_, high) in spread],
        color=colour,
        alpha=0.18,
        linewidth=0,
    )


def auc_by_shift(rows: Mapping[str, Sequence[Row]], title: str, path: Path) -> None:
    """AUC against the number of frames that the sound was moved; a line for each cut."""
    figure, axes = canvas(7, 4.2)
    for colour, (name, table) in zip(COLOURS, rows.items(), strict=False):
        shifts = [row for row in table if row.name.startswith("shift ")]
        places = [float(row.name.split()[-1]) for row in shifts]
        band(axes, places, [row.detection.auc for row in shifts], colour, name)
    axes.axhline(0.5, color="grey", linewidth=0.8, linestyle="--")
    axes.set(xlabel="sound moved by (frames of 40 ms)", ylabel="AUC, genuine against shifted", title=title)
    axes.set(xlim=(0.5, 15.5), ylim=(0.3, 1.01), xticks=range(1, 16))
    axes.legend(loc="lower right", frameon=False)
    figure.savefig(path)


def offset_by_length(rows: Mapping[str, Sequence[OffsetRow]], path: Path) -> None:
    """Share of genuine spans whose offset is found, by their length; a panel for each split."""
    figure = Canvas(figsize=(4.6 * len(rows), 4), dpi=150, layout="constrained")
    panels = figure.subplots(1, len(rows), squeeze=False, sharey=True)[0]
    for axes, (split, table) in zip(panels, rows.items(), strict=True):
        places = [float(row.length.split()[0]) for row in table]
        band(axes, places, [row.within_1 for row in table], COLOURS[0], "within ±1 frame")
        band(axes, places, [row.exact for row in table], COLOURS[1], "exact")
        axes.set_xscale("log")
        axes.set_xticks(places, [f"{place:g}" for place in places], minor=False)
        axes.set_xticks([], minor=True)
        axes.set(xlabel="length of the span (s)", title=f"Offset of genuine clips, {split}", ylim=(0, 1.02))
        axes.grid(alpha=0.25)
        axes.spines[["top", "right"]].set_visible(False)
    panels[0].set_ylabel("share of spans")
    panels[0].legend(loc="lower right", frameon=False)
    figure.savefig(path)


def auc_by_kind(rows: Sequence[Row], title: str, path: Path) -> None:
    """AUC of every kind of manipulation as bars."""
    kept = [
        row
        for row in rows
        if row.name != GENUINE and not row.name.startswith("shift ") and row.detection.auc.value is not None
    ]
    figure, axes = canvas(8.5, 1.3 + 0.3 * len(kept))
    for place, row in enumerate(reversed(kept)):
        voice = row.name.startswith(SYNTHETIC_VOICE) or row.name == "every synthetic voice"
        auc = row.detection.auc
        value = auc.value or 0.0
        axes.barh(place, value, color=COLOURS[2] if voice else COLOURS[0], height=0.7)
        axes.plot(value, place, marker="o", markersize=4, color="#333333")
        whisker(axes, place, auc, upright=False)
    names = [f"{short(row.name)}  ({row.clips} clips, {row.identities} id.)" for row in reversed(kept)]
    axes.set_yticks(range(len(kept)), names, fontsize=8)
    axes.axvline(0.5, color="grey", linewidth=0.8, linestyle="--")
    axes.set_ylim(-0.7, len(kept) - 0.3)
    axes.set(xlim=(0, 1.02), xlabel="AUC against genuine clips (0.5: chance)", title=title)
    axes.grid(visible=False, axis="y")
    figure.savefig(path)


def short(name: str) -> str:
    name = name.replace("lip/text-to-speech", "L/TTS").replace("lip-to-speech", "LTS")
    return name if len(name) <= BARS_NAMED else name[: BARS_NAMED - 1] + "…"


def whisker(axes: Axes, place: float, figure: Figure, *, upright: bool) -> None:
    """The interval of one bar."""
    if figure.value is None or figure.interval is None:
        return
    ends: dict[str, Any] = {"color": "#333333", "linewidth": 1.2}
    if upright:
        axes.plot([place, place], figure.interval, **ends)
    else:
        axes.plot(figure.interval, [place, place], **ends)


def reliability_diagram(found: dict[str, Reliability], title: str, path: Path) -> None:
    """Observed shares against stated probabilities; dots are as large as the clips behind them weigh."""
    figure, axes = canvas(5.2, 5.2)
    axes.plot([0, 1], [0, 1], color="grey", linewidth=0.8, linestyle="--")
    for colour, (name, result) in zip(COLOURS, found.items(), strict=False):
        filled = [each for each in result.bins if each.weight]
        stated = [each.stated or 0.0 for each in filled]
        observed = [each.observed or 0.0 for each in filled]
        label = f"{name}: expected calibration error {result.error}"
        axes.plot(stated, observed, color=colour, linewidth=1, alpha=0.7)
        axes.scatter(
            stated, observed, [20 + 600 * each.weight for each in filled], colour, alpha=0.6, label=label
        )
    axes.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.02), title=title, aspect="equal")
    axes.set(xlabel="stated probability of a manipulation", ylabel="share that is manipulated")
    handles = axes.legend(loc="lower center", bbox_to_anchor=(0.5, -0.3), frameon=False, fontsize=8)
    for handle in handles.legend_handles:
        if isinstance(handle, PathCollection):
            handle.set_sizes([30.0])
    figure.savefig(path)


def robustness_bars(rows: Sequence[RobustnessRow], title: str, path: Path) -> None:
    """AUC under each degradation, one bar for each setting of ``deblur``."""
    figure, axes = canvas(10, 4.6)
    names = list(dict.fromkeys(row.degradation for row in rows))
    counts = Counter(row.degradation for row in rows)
    width = 0.27
    for colour, (number, mode) in zip(COLOURS, enumerate(("never", "auto", "always")), strict=False):
        mine = [row for row in rows if row.deblur == mode and row.auc.value is not None]
        places = [
            names.index(row.degradation) + (number - (counts[row.degradation] - 1) / 2) * width
            for row in mine
        ]
        axes.bar(places, [row.auc.value or 0.0 for row in mine], width, color=colour, label=f"deblur={mode}")
        for place, row in zip(places, mine, strict=True):
            whisker(axes, place, row.auc, upright=True)
    axes.axhline(0.5, color="grey", linewidth=0.8, linestyle="--")
    axes.set_xticks(range(len(names)), names, rotation=35, ha="right", fontsize=8)
    axes.set(ylim=(0.3, 1.02), ylabel="AUC, genuine against manipulated")
    axes.set_title(title, loc="left")
    axes.grid(visible=False, axis="x")
    axes.legend(loc="lower right", bbox_to_anchor=(1.0, 1.0), ncols=3, frameon=False, fontsize=8)
    figure.savefig(path)
