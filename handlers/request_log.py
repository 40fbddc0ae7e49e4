"""One line of the log for each request at each node, as JSON that config/log4j2.xml takes as it is."""

from __future__ import annotations

import json
import logging
from typing import Any

from outofsync.nodes import Outcome

MARK = "OUTOFSYNC "  # tells these lines from whatever else a worker prints

logger = logging.getLogger(__name__)


def write(outcome: Outcome, *, node: str, version: str, batch: int) -> None:
    """Log what became of a request. Nothing of the file's content is told, nor any header."""
    facts: dict[str, Any] = {
        "event": "request",
        "request_id": outcome.request_id,
        "node": node,
        "version": version,
        "batch": batch,
    }
    if outcome.code:
        facts |= {"code": outcome.code, "stage": outcome.stage}
    if outcome.decoder:
        facts["decoder"] = outcome.decoder
    if outcome.verdict:
        facts |= {"verdict": outcome.verdict, "reasons": outcome.reasons}
    if outcome.deblurred is not None:
        facts["deblurred"] = outcome.deblurred
    facts["timing_ms"] = dict(outcome.timing_ms)
    logger.info("%s%s", MARK, json.dumps(facts))
