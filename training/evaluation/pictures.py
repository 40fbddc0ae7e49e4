"""The pictures that go with the tables."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure as Canvas

from outofsync.constants import MAX_DELAY
from training.evaluation.calibration import Reliability
from training.evaluation.errors import Portrait
from training.evaluation.judging import Record
from training.evaluation.report import Cell
from training.evaluation.statistics import Figure

COLOURS = ("#1b6ca8", "#66a182")
BARS_NAMED = 46  # characters of a name beside a bar


def canvas(width: float, height: float) -> tuple[Canvas, Axes]:
    figure = Canvas(figsize=(width, height), dpi=150, layout="constrained")
    axes = figure.subplots()
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(alpha=0.25)
    axes.set_axisbelow(True)
    return figure, axes


def auc_by_generator(rows: Sequence[tuple[Cell, ...]], title: str, path: Path) -> None:
    """AUC of every generator as bars, from rows of a name, clips, people and AUC."""
    kept = [
        (str(name), clips, auc) for name, clips, _, auc, *_ in rows if isinstance(auc, Figure) and auc.value
    ]
    figure, axes = canvas(8.5, 1.3 + 0.3 * len(kept))
    for place, (name, _, auc) in enumerate(reversed(kept)):
        axes.barh(place, auc.value or 0.0, color=COLOURS[1 if name.startswith("·") else 0], height=0.7)
        axes.plot(auc.value or 0.0, place, marker="o", markersize=4, color="#333333")
        if auc.interval is not None:
            axes.plot(auc.interval, [place, place], color="#333333", linewidth=1.2)
    axes.set_yticks(
        range(len(kept)), [f"{short(name)}  ({clips})" for name, clips, _ in reversed(kept)], fontsize=8
    )
    axes.axvline(0.5, color="grey", linewidth=0.8, linestyle="--")
    axes.set_ylim(-0.7, len(kept) - 0.3)
    axes.set(xlim=(0, 1.02), xlabel="AUC against genuine clips (0.5: chance)", title=title)
    axes.grid(visible=False, axis="y")
    figure.savefig(path)


def short(name: str) -> str:
    return name if len(name) <= BARS_NAMED else name[: BARS_NAMED - 1] + "…"


def reliability_diagram(result: Reliability, title: str, path: Path) -> None:
    """Observed shares against stated probabilities; dots are as large as the clips behind them weigh."""
    figure, axes = canvas(5.2, 5.2)
    axes.plot([0, 1], [0, 1], color="grey", linewidth=0.8, linestyle="--")
    filled = [each for each in result.bins if each.weight]
    stated = [each.stated or 0.0 for each in filled]
    observed = [each.observed or 0.0 for each in filled]
    axes.plot(stated, observed, color=COLOURS[0], linewidth=1, alpha=0.7)
    axes.scatter(stated, observed, [20 + 600 * each.weight for each in filled], COLOURS[0], alpha=0.6)
    axes.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.02), title=title, aspect="equal")
    axes.set(xlabel="stated probability of a manipulation", ylabel="share that is manipulated")
    axes.text(0.02, 0.96, f"expected calibration error {result.error}", fontsize=8)
    figure.savefig(path)


def errors_page(portraits: Sequence[Portrait], title: str, path: Path) -> None:
    """Each clip's stills beside its delay map: windows from left to right, late sound above."""
    figure = Canvas(figsize=(12, 0.6 + 1.15 * len(portraits)), dpi=110, layout="constrained")
    panels = figure.subplots(len(portraits), 2, squeeze=False, width_ratios=(3, 2))
    for (stills, delays), portrait in zip(panels, portraits, strict=True):
        stills.imshow(portrait.stills)
        stills.set_axis_off()
        stills.set_title(caption(portrait.record), fontsize=7, loc="left", pad=2)
        extent = (0, max(1, len(portrait.delays)), -MAX_DELAY - 0.5, MAX_DELAY + 0.5)
        delays.imshow(portrait.delays.T, origin="lower", aspect="auto", extent=extent, cmap="magma")
        delays.axhline(0, color="white", linewidth=0.5, linestyle=":")
        delays.tick_params(labelsize=6)
    figure.suptitle(title, fontsize=10)
    figure.savefig(path)


def caption(record: Record) -> str:
    parts = {"p": record.probability, "synchrony": record.synchrony, "face": record.face}
    said = ", ".join(f"{name} {value:.2f}" for name, value in parts.items() if value is not None)
    subject = record.subject
    return f"{subject.file} · {subject.generator or subject.source} · {said}, offset {record.offset}"
