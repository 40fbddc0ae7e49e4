"""The analysis of one video as a picture: where the lips and the voice stop adding up.

Left, over time: the delay between lips and voice, the segments' verdicts, the audio-visual features. Right:
the delay over the whole video, and the summary.
"""

from __future__ import annotations

import io
from pathlib import Path

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from outofsync_client._result import Result
from outofsync_client.reports import panels
from outofsync_client.reports.wording import printable

SIZE_INCHES = (15.0, 8.4)
DPI = 110
LONGEST_TITLE = 90


def save_picture(path: Path, result: Result, *, title: str) -> None:
    """Write the four panels as a PNG; ``title`` is usually the video's name."""
    path.write_bytes(png(draw(result, title=title), DPI))


def png(figure: Figure, dpi: float) -> bytes:
    """A figure as a PNG file's bytes."""
    FigureCanvasAgg(figure)
    picture = io.BytesIO()
    figure.savefig(picture, dpi=dpi, format="png")
    return picture.getvalue()


def draw(result: Result, *, title: str) -> Figure:
    """The picture as a figure, without any global state of matplotlib's."""
    figure = Figure(figsize=SIZE_INCHES, facecolor="white")
    figure.suptitle(
        shortened(printable(title)), x=0.05, ha="left", fontsize=15, fontweight="bold", parse_math=False
    )
    rows = {"height_ratios": (1, 0.07, 0.8), "top": 0.89, "bottom": 0.075, "hspace": 0.3}
    over_time = figure.add_gridspec(3, 2, width_ratios=(1, 0.016), left=0.05, right=0.66, wspace=0.03, **rows)
    over_all = figure.add_gridspec(3, 1, left=0.745, right=0.985, **rows)
    delays = figure.add_subplot(over_time[0, 0])
    segments = figure.add_subplot(over_time[1, 0], sharex=delays)
    features = figure.add_subplot(over_time[2, 0], sharex=delays)
    panels.delays_over_time(delays, figure.add_subplot(over_time[0, 1]), result)
    panels.segments_over_time(segments, result)
    panels.features_over_time(features, figure.add_subplot(over_time[2, 1]), result)
    panels.mean_delay(figure.add_subplot(over_all[0]), result)
    panels.summary(figure.add_subplot(over_all[1:]), result)
    return figure


def shortened(title: str) -> str:
    """A long name without its middle, as both ends tell more."""
    if len(title) <= LONGEST_TITLE:
        return title
    half = LONGEST_TITLE // 2
    return f"{title[:half]}…{title[-half:]}"
