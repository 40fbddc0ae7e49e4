"""One video's report as a web page that holds everything it shows: it opens offline and loads nothing."""

from __future__ import annotations

import base64
import html
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timezone
from pathlib import Path
from string import Template
from typing import TYPE_CHECKING, Any

from matplotlib.figure import Figure

from outofsync_client._version import __version__
from outofsync_client.reports import story
from outofsync_client.reports.panels import UNKNOWN_COLOUR, VERDICT_COLOURS
from outofsync_client.reports.picture import draw, png
from outofsync_client.reports.timeline import draw_timeline
from outofsync_client.reports.wording import percent, printable, verdict_words

if TYPE_CHECKING:
    from outofsync_client._result import Result

TEMPLATE = Path(__file__).with_name("page.html")
DPI = 110


def save_page(path: Path, result: Result, *, title: str, options: Mapping[str, Any] | None = None) -> None:
    """Write the page; ``title`` is usually the video's name, ``options`` what was asked of the server."""
    path.write_text(page(result, title=title, options=options or {}), encoding="utf-8")


def page(result: Result, *, title: str, options: Mapping[str, Any]) -> str:
    """The page's HTML. All text is escaped: names and messages come from strangers."""
    return Template(TEMPLATE.read_text(encoding="utf-8")).substitute(
        title=_text(title),
        verdict=_text(verdict_words(result.verdict)),
        colour=VERDICT_COLOURS.get(result.verdict, UNKNOWN_COLOUR),
        probability=_text(percent(result.probability_fake)),
        headline=_text(story.headline(result)),
        reasons=_list(story.reasons(result)),
        moments=_moments(story.moments(result)),
        timeline=_embedded(draw_timeline(result)),
        panels=_embedded(draw(result, title=title)),
        numbers=_table(story.numbers(result)),
        media=_table(story.media(result)),
        limits=_list(story.LIMITS),
        fingerprints=_table(story.fingerprints(result, options)),
        version=_text(__version__),
        made=datetime.now(timezone.utc).strftime("%Y-%m-%d %H:%M UTC"),
    )


def _text(words: str) -> str:
    return html.escape(printable(words))


def _list(sentences: Iterable[str]) -> str:
    items = "".join(f"<li>{_text(sentence)}</li>" for sentence in sentences)
    return f"<ul>{items}</ul>" if items else ""


def _table(facts: Sequence[story.Fact]) -> str:
    rows = "".join(f"<tr><th>{_text(name)}</th><td>{_text(value)}</td></tr>" for name, value in facts)
    return f"<table>{rows}</table>"


def _moments(moments: Sequence[story.Moment]) -> str:
    if not moments:
        return "<p>No stretch of this video could be scored.</p>"
    return f'<div class="stills">{"".join(map(_moment, moments))}</div>'


def _moment(moment: story.Moment) -> str:
    kind = ' class="suspicious"' if moment.is_suspicious else ""
    if moment.still is None:
        picture = '<div class="missing">no still</div>'
    else:
        source = _data_url("image/jpeg", moment.still)
        picture = f'<img alt="The face at {moment.time:.1f} seconds" src="{source}">'
    words = "<br>".join(map(_text, moment.lines))
    return f"<figure{kind}>{picture}<figcaption>{words}</figcaption></figure>"


def _embedded(figure: Figure) -> str:
    """A figure as the address of an image."""
    return _data_url("image/png", png(figure, DPI))


def _data_url(kind: str, data: bytes) -> str:
    return f"data:{kind};base64,{base64.b64encode(data).decode()}"
