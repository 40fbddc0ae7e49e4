"""``make run``: serve, score the samples with the command line, write the reports, stop the server.

The server is a private one (its own state folder, any free port), so it never meets one that ``make serve``
started.
"""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

from serving.lifecycle import running
from serving.settings import DEFAULT_STORE, ROOT, ServeError, ServerSettings
from serving.state import ServerState

CLIENT = Path(sys.executable).parent / "outofsync"
ERRORS_HAPPENED = 3  # the command's exit codes below it are verdicts


def main() -> int:
    parser = argparse.ArgumentParser(description="Score the samples with a server of their own.")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--model-store", type=Path, default=DEFAULT_STORE)
    parser.add_argument("--results", type=Path, default=ROOT / "results")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that the server is stopped then, too
    state = Path(tempfile.mkdtemp(prefix="outofsync-run-"))
    settings = ServerSettings(
        state=state, model_store=options.model_store, device=options.device, plain_models=False
    )
    try:
        with running(settings) as server:
            code = score_samples(server, options.results.resolve())
    except ServeError as error:  # the folder stays: it holds the log
        sys.stderr.write(f"{error}\n")
        return 1
    shutil.rmtree(state)
    return 0 if code < ERRORS_HAPPENED else code


def score_samples(server: ServerState, results: Path) -> int:
    """The command line's exit code for all samples."""
    samples = sorted(path.relative_to(ROOT) for path in (ROOT / "samples").glob("*.mp4"))
    command = [str(CLIENT), "detect", *map(str, samples), "--output-dir", str(results)]
    address = {"OUTOFSYNC_URL": server.url, "OUTOFSYNC_TOKEN": server.token}
    return subprocess.run(command, cwd=ROOT, env={**os.environ, **address}).returncode


if __name__ == "__main__":
    sys.exit(main())
