"""What a result makes of itself: a drawing, or a report in whatever format its name asks for."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Callable

from outofsync_client._result import Result
from outofsync_client.reports.document import save_pdf, save_png
from outofsync_client.reports.page import save_page
from outofsync_client.reports.picture import draw as draw

FORMATS: dict[str, Callable[..., None]] = {"html": save_page, "pdf": save_pdf, "png": save_png}


def save_report(
    path: Path, result: Result, *, title: str = "", options: Mapping[str, Any] | None = None
) -> None:
    """Write the report as ``.html``, ``.pdf`` or ``.png``; raises ValueError for another name.

    ``title`` is usually the video's name, ``options`` what was asked of the server.
    """
    save = FORMATS.get(path.suffix.lower().lstrip("."))
    if save is None:
        known = ", ".join(f".{name}" for name in FORMATS)
        raise ValueError(f"{path.name}: a report is one of {known}")
    save(path, result, title=title or path.stem, options=options)
