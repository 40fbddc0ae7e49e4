"""``python -m gateway.renderer``: draws reports, one after another, for the gateway that started it.

A process of its own: drawing takes a second or two of one core, and what is drawn comes from strangers. Each
request on standard input and each part of an answer on standard output is a length (eight bytes) with so many
bytes; an empty part comes first, once it is ready.
"""

from __future__ import annotations

import json
import os
import resource
import sys
import tempfile
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any

from gateway.report_request import FORMATS, LENGTH, RefusedError, ReportRequest
from outofsync_client import Result
from outofsync_client.reports import save_report, write_delays, write_json

MEMORY_BYTES = 4 << 30
MAX_REPORT_BYTES = 64 << 20  # of a report
# More than any video of ten minutes has; drawing takes its time by them.
MAX_ROWS = {"delays": 100_000, "features": 100_000, "segments": 5_000, "tracks": 1_000, "reasons": 100}
MAX_STILLS = 5_000


def rendered(body: bytes) -> tuple[dict[str, str], bytes]:
    """Name and type of a report, and the report; raises :class:`RefusedError`."""
    asked = ReportRequest.parse(body)
    name, kind = asked.file, asked.format
    values = dict(asked.result)
    noted = values.pop("request", None)  # as a results folder keeps it
    options = noted.get("options") if isinstance(noted, dict) else None
    result = _result(values)
    pattern, media_type = FORMATS[kind]
    with tempfile.TemporaryDirectory(prefix="outofsync-report-") as folder:
        path = Path(folder) / f"report.{kind}"
        _draw(path, result, name, options if isinstance(options, dict) else {})
        if path.stat().st_size > MAX_REPORT_BYTES:
            raise RefusedError("the report would be too large")
        return {"name": pattern.format(Path(name).stem or "video"), "type": media_type}, path.read_bytes()


def _result(values: Mapping[str, Any]) -> Result:
    for field, most in (*MAX_ROWS.items(), ("frames", MAX_STILLS)):
        entries = values.get(field)
        if entries is not None and (not isinstance(entries, list) or len(entries) > most):
            raise RefusedError(f"result.{field} must be a list of at most {most} entries")
    try:
        return Result.from_dict(values)
    except Exception as error:
        raise _unlike(error) from None


def _draw(path: Path, result: Result, name: str, options: Mapping[str, Any]) -> None:
    """Write the report; whatever a drawing stumbles over is the fault of what it was given."""
    try:
        if path.suffix == ".csv":
            write_delays(path, result)
        elif path.suffix == ".json":
            write_json(path, {**result.to_dict(), "request": {"file": name, "options": dict(options)}})
        else:
            save_report(path, result, title=name, options=options)
    except Exception as error:
        raise _unlike(error) from None


def _unlike(error: Exception) -> RefusedError:
    return RefusedError(f"the result is not as /v1/detect answers it ({type(error).__name__})")


def answer(body: bytes) -> tuple[dict[str, str], bytes]:
    """A report with its head, or a head that says why there is none."""
    try:
        return rendered(body)
    except RefusedError as error:
        return {"refused": str(error)}, b""
    except MemoryError:
        return {"refused": "the report would take too much memory"}, b""


def read_block(stream: IO[bytes]) -> bytes | None:
    """The next request, None once there is none."""
    length = stream.read(LENGTH.size)
    return stream.read(*LENGTH.unpack(length)) if len(length) == LENGTH.size else None


def main() -> int:
    """Until standard input ends."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    warnings.simplefilter("ignore")  # of letters that a font lacks, for one
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # nothing that a library prints is taken for an answer
    answers.write(LENGTH.pack(0))  # ready
    answers.flush()
    while (body := read_block(sys.stdin.buffer)) is not None:
        head, content = answer(body)
        for block in (json.dumps(head).encode(), content):
            answers.write(LENGTH.pack(len(block)) + block)
        answers.flush()
    return 0


if __name__ == "__main__":
    sys.exit(main())
