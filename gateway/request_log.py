"""One JSON line for each request, and for whatever else the gateway has to say."""

from __future__ import annotations

import json
import logging
import sys
from datetime import UTC, datetime
from typing import Any

from gateway.errors import EdgeError
from gateway.metrics import Metrics

OTHER_ROUTE = "other"  # whatever is none of ours


class JsonLines(logging.Formatter):
    """Log records as JSON, one a line; a record's ``entry`` brings fields of its own."""

    def format(self, record: logging.LogRecord) -> str:
        moment = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        line: dict[str, Any] = {"time": moment, "level": record.levelname, "logger": record.name}
        entry = getattr(record, "entry", None)
        line |= entry if entry is not None else {"message": record.getMessage()}
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line, default=str)


def set_up_logging() -> None:
    """Everything goes to standard output, as JSON."""
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(JsonLines())
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(logging.WARNING)
    logging.getLogger("gateway").setLevel(logging.INFO)


def note_refused(metrics: Metrics, error: EdgeError, request_id: str, peer: str) -> None:
    """Count and log a request that ended before it had a route."""
    metrics.requests.labels(OTHER_ROUTE, str(error.status), error.code).inc()
    log_request(request_id=request_id, route=OTHER_ROUTE, status=error.status, code=error.code, peer=peer)


def log_request(**entry: Any) -> None:
    """A request that is over."""
    logging.getLogger("gateway.access").info("request", extra={"entry": {"event": "request", **entry}})
