"""One video's report: a web page, two pages of paper as PDF, or both of these on one picture as PNG."""

from __future__ import annotations

import io
import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Callable

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_pdf import PdfPages
from matplotlib.figure import Figure
from matplotlib.image import imread, imsave

from outofsync_client._result import Result
from outofsync_client._version import __version__
from outofsync_client.reports import FORMATS, story
from outofsync_client.reports.page import save_page
from outofsync_client.reports.panels import INK, UNKNOWN_COLOUR, VERDICT_COLOURS
from outofsync_client.reports.picture import draw as draw
from outofsync_client.reports.picture import png, shortened
from outofsync_client.reports.timeline import timeline
from outofsync_client.reports.wording import percent, printable, verdict_words

A4_INCHES = (8.27, 11.69)
DPI = 180
LETTERS = 96  # of a line of text
GREY = "#64748b"


def save_pdf(path: Path, result: Result, *, title: str, options: Mapping[str, Any] | None = None) -> None:
    """Write the report's two pages: the findings, and the four panels."""
    facts = {"Title": printable(title), "Creator": f"OutOfSync {__version__}"}
    with PdfPages(path, metadata=facts) as pages:
        pages.savefig(first_page(result, title=title, options=options or {}))
        pages.savefig(draw(result, title=title))


def save_png(path: Path, result: Result, *, title: str, options: Mapping[str, Any] | None = None) -> None:
    """Write both pages below one another, equally wide."""
    pages = (first_page(result, title=title, options=options or {}), draw(result, title=title))
    pictures = [imread(io.BytesIO(png(page, DPI * A4_INCHES[0] / page.get_figwidth()))) for page in pages]
    width = min(picture.shape[1] for picture in pictures)  # rounding may leave one a pixel wider
    imsave(path, np.concatenate([picture[:, :width] for picture in pictures]))


_SAVE: dict[str, Callable[..., None]] = dict(zip(FORMATS, (save_page, save_pdf, save_png)))


def save_report(
    path: Path, result: Result, *, title: str = "", options: Mapping[str, Any] | None = None
) -> None:
    """Write the report as ``.html``, ``.pdf`` or ``.png``; raises ValueError for another name.

    ``title`` is usually the video's name, ``options`` what was asked of the server.
    """
    save = _SAVE.get(path.suffix.lower().lstrip("."))
    if save is None:
        known = ", ".join(f".{name}" for name in FORMATS)
        raise ValueError(f"{path.name}: a report is one of {known}")
    save(path, result, title=title or path.stem, options=options)


def first_page(result: Result, *, title: str, options: Mapping[str, Any]) -> Figure:
    """Verdict, reasons, moments, timeline, numbers, limits and fingerprints."""
    figure = Figure(figsize=A4_INCHES, facecolor="white")
    _heading(figure, result, title)
    _stills(figure, story.moments(result))
    upper = figure.add_axes((0.11, 0.545, 0.83, 0.075))
    lower = figure.add_axes((0.11, 0.455, 0.83, 0.075), sharex=upper)
    upper.tick_params(labelbottom=False)
    timeline(upper, lower, result)
    _table(figure, "Numbers", story.numbers(result), left=0.06, top=0.405)
    _table(figure, "File", story.media(result), left=0.55, top=0.405)
    top = _paragraphs(figure, "What this verdict cannot say", story.LIMITS, top=0.25)
    _table(
        figure,
        "To check it later",
        story.fingerprints(result, options),
        left=0.06,
        top=top - 0.012,
        values=0.27,
        size=6.5,
    )
    return figure


def _heading(figure: Figure, result: Result, title: str) -> None:
    colour = VERDICT_COLOURS.get(result.verdict, UNKNOWN_COLOUR)
    _write(figure, 0.06, 0.965, shortened(printable(title)), size=13, weight="bold")
    figure.text(
        0.068,
        0.932,
        verdict_words(result.verdict).upper(),
        fontsize=13,
        fontweight="bold",
        color="white",
        va="top",
        bbox={"facecolor": colour, "edgecolor": colour, "boxstyle": "round,pad=0.35"},
    )
    probability = f"probability of fake: {percent(result.probability_fake)}"
    figure.text(0.94, 0.929, probability, fontsize=11, color=INK, va="top", ha="right")
    sentences = [story.headline(result), *(f"• {reason}" for reason in story.reasons(result))]
    lines = [line for sentence in sentences for line in textwrap.wrap(sentence, LETTERS)]
    _write(figure, 0.06, 0.898, "\n".join(lines[:6]), size=9.5)


def _stills(figure: Figure, moments: Sequence[story.Moment]) -> None:
    _write(figure, 0.06, 0.81, "Moments that count", size=11, weight="bold")
    if not moments:
        _write(figure, 0.06, 0.785, "No stretch of this video could be scored.", size=9.5)
    for place, moment in enumerate(moments):
        axes = figure.add_axes((0.06 + place * 0.15, 0.69, 0.13, 0.092))
        _still(axes, moment)


def _still(axes: Axes, moment: story.Moment) -> None:
    axes.set_xticks([])
    axes.set_yticks([])
    edge = VERDICT_COLOURS["fake"] if moment.is_suspicious else "#cbd5e1"
    for spine in axes.spines.values():
        spine.set(edgecolor=edge, linewidth=2)
    if moment.still is None:
        axes.text(0.5, 0.5, "no still", ha="center", va="center", color=GREY, fontsize=8)
    else:
        axes.imshow(imread(io.BytesIO(moment.still), format="jpeg"), aspect="auto")
    span, probability, delay = moment.lines
    axes.set_xlabel(f"{span}\n{probability}\n{delay.split(' (')[0]}", fontsize=7, color=GREY)


def _table(
    figure: Figure,
    title: str,
    facts: Sequence[story.Fact],
    *,
    left: float,
    top: float,
    values: float = 0.15,
    size: float = 8.0,
) -> None:
    """Names and values in two columns, from ``top`` down; ``values``: how far right the second is."""
    _write(figure, left, top, title, size=11, weight="bold")
    y = top - 0.024
    for name, value in facts:
        _write(figure, left, y, name, size=size, colour=GREY)
        _write(figure, left + values, y, value, size=size)
        y -= 0.0019 * size


def _paragraphs(figure: Figure, title: str, sentences: Sequence[str], *, top: float) -> float:
    """A title and a list below it; returns where it ends."""
    _write(figure, 0.06, top, title, size=11, weight="bold")
    y = top - 0.024
    for sentence in sentences:
        lines = textwrap.wrap(sentence, 118, initial_indent="• ", subsequent_indent="  ")
        _write(figure, 0.06, y, "\n".join(lines), size=7.5)
        y -= 0.0135 * len(lines)
    return y


def _write(
    figure: Figure,
    x: float,
    y: float,
    words: str,
    *,
    size: float,
    weight: str = "normal",
    colour: str = INK,
) -> None:
    figure.text(x, y, words, fontsize=size, fontweight=weight, color=colour, va="top", parse_math=False)
