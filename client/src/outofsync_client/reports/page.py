"""One video's report as a web page that holds everything it shows: it opens offline and loads nothing."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from datetime import datetime, timezone
from functools import lru_cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template
from markupsafe import Markup

from outofsync_client._result import Result
from outofsync_client._version import __version__
from outofsync_client.reports import story
from outofsync_client.reports.panels import UNKNOWN_COLOUR, VERDICT_COLOURS
from outofsync_client.reports.picture import draw, png
from outofsync_client.reports.timeline import draw_timeline
from outofsync_client.reports.wording import percent, printable, verdict_words

TEMPLATE = "page.html"
DPI = 110


def save_page(path: Path, result: Result, *, title: str, options: Mapping[str, Any] | None = None) -> None:
    """Write the page; ``title`` is usually the video's name, ``options`` what was asked of the server."""
    path.write_text(page(result, title=title, options=options or {}), encoding="utf-8")


def page(result: Result, *, title: str, options: Mapping[str, Any]) -> str:
    """The page's HTML."""
    return _template().render(
        title=title,
        verdict=verdict_words(result.verdict),
        colour=VERDICT_COLOURS.get(result.verdict, UNKNOWN_COLOUR),
        probability=percent(result.probability_fake),
        headline=story.headline(result),
        reasons=story.reasons(result),
        moments=story.moments(result),
        timeline=png(draw_timeline(result), DPI),
        panels=png(draw(result, title=title), DPI),
        numbers=story.numbers(result),
        media=story.media(result),
        limits=story.LIMITS,
        fingerprints=story.fingerprints(result, options),
        version=__version__,
        made=datetime.now(timezone.utc).strftime("%Y-%m-%d %H:%M UTC"),
    )


@lru_cache(maxsize=1)
def _template() -> Template:
    """All text is escaped, and what cannot be printed is replaced: names and messages come from strangers."""
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=lambda value: (
            printable(value) if type(value) is str else value
        ),  # not what is escaped already
        trim_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters["jpeg"] = lambda data: _data_url("image/jpeg", data)
    environment.filters["png"] = lambda data: _data_url("image/png", data)
    return environment.get_template(TEMPLATE)


def _data_url(kind: str, data: bytes) -> Markup:
    """A picture as the address of itself."""
    return Markup("data:{};base64,{}").format(kind, base64.b64encode(data).decode())
