"""``make run``: serve, score the samples with the command line, write the reports, stop the server.

The server is a private one (its own state folder, any free port), so it never meets one that ``make serve``
started.
"""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

from config.serve import running
from config.settings import DEFAULT_STORE, ROOT, ServeError, ServerSettings

CLIENT = Path(sys.executable).parent / "outofsync"
ERRORS_HAPPENED = 3  # the command's exit codes below it are verdicts


def main() -> int:
    parser = argparse.ArgumentParser(description="Score the samples with a server of their own.")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--model-store", type=Path, default=DEFAULT_STORE)
    parser.add_argument("--results", type=Path, default=ROOT / "results")
    options = parser.parse_args()
    samples = sorted((ROOT / "samples").glob("*.mp4"))
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that the server is stopped then, too
    with tempfile.TemporaryDirectory(prefix="outofsync-run-") as folder:
        settings = ServerSettings(
            state=Path(folder), model_store=options.model_store, device=options.device, plain_models=False
        )
        try:
            with running(settings) as server:
                command = [str(CLIENT), "detect", *map(str, samples), "--output-dir", str(options.results)]
                address = {"OUTOFSYNC_URL": server.url, "OUTOFSYNC_TOKEN": server.token}
                code = subprocess.run(command, env={**os.environ, **address}).returncode
        except ServeError as error:
            sys.stderr.write(f"{error}\n")
            return 1
    if code < ERRORS_HAPPENED:
        sys.stdout.write(f"reports: {options.results}\n")
        return 0
    return code


if __name__ == "__main__":
    sys.exit(main())
