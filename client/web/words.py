"""The SDK's and the engine's own words, for the page: ``client/web/words.py`` writes src/texts/sdk.json.

Errors, reasons, headlines and limits are worded once, in Python; tests hold the file to them.
"""

from __future__ import annotations

import json
from pathlib import Path

from outofsync.errors import CATALOGUE
from outofsync.reasons import Reason
from outofsync_client._exceptions import ERRORS_BY_CODE
from outofsync_client.reports.story import HEADLINES, LIMITS

TARGET = Path(__file__).parent / "src" / "texts" / "sdk.json"


def words() -> dict[str, str]:
    """Every sentence by its key, in the order of the keys."""
    found = {f"hint.{code}": kind.default_hint for code, kind in ERRORS_BY_CODE.items() if kind.default_hint}
    found |= {f"hint.{code.value}": spec.hint for code, spec in CATALOGUE.items()}
    found |= {f"reason.{reason.stated.code}": reason.stated.message for reason in Reason}
    found |= {f"headline.{verdict}": sentence for verdict, sentence in HEADLINES.items()}
    found |= {f"limit.{number}": sentence for number, sentence in enumerate(LIMITS)}
    return dict(sorted(found.items()))


def text() -> str:
    """The file as it has to be."""
    return json.dumps(words(), indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    TARGET.write_text(text(), encoding="utf-8")
