"""What a run came to, as a page: everything in the folder, whichever run it is of, and this run's pace."""

from __future__ import annotations

from collections import Counter
from functools import lru_cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template

from outofsync_cluster.identity import canonical
from outofsync_cluster.store import Store

REPORT, SUMMARY = "report.html", "summary.json"


def write_report(store: Store, source: str, run: dict[str, Any]) -> None:
    """Write the page and the same numbers as JSON."""
    verdicts = Counter(row["verdict"] for row in store.rows("videos", ["verdict"]))
    errors = Counter(row["code"] for row in store.rows("errors", ["code"]))
    page = _template().render(
        source=source,
        run=run,
        verdicts=verdicts.most_common(),
        errors=errors.most_common(),
        options=canonical(store.identity.options),
    )
    store.folder.child(REPORT).write(page.encode())
    store.write_json(SUMMARY, run)


@lru_cache(maxsize=1)
def _template() -> Template:
    """All text is escaped: names and messages come from strangers."""
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent), autoescape=True, undefined=StrictUndefined
    )
    return environment.get_template(REPORT)
