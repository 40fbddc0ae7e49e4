"""``make bench``: run benchmarks one after the other, all of them even where one fails.

    python -m benchmarks serving start [--output-dir results/bench] [-- ARGUMENTS OF EACH]

Numbers go to ``results/bench/NAME.json``, pictures beside them.
"""

from __future__ import annotations

import argparse
import signal
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def run(name: str, output: Path, arguments: list[str]) -> bool:
    """Run one benchmark; says whether it came to its end."""
    print(f"\n=== {name}", flush=True)
    start = time.monotonic()
    command = [sys.executable, "-m", f"benchmarks.{name}", "--json", str(output / f"{name}.json"), *arguments]
    process = subprocess.Popen(command, cwd=ROOT)
    try:
        code = process.wait()
    except BaseException as interruption:  # it has a server to stop first
        if not isinstance(interruption, KeyboardInterrupt):  # which reached it, too
            process.terminate()
        process.wait()
        raise
    ending = "done" if code == 0 else f"FAILED (exit code {code})"
    print(f"--- {name}: {ending} in {time.monotonic() - start:.0f} s", flush=True)
    return code == 0


def main() -> int:
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    words = sys.argv[1:]
    own, passed_on = (
        (words[: words.index("--")], words[words.index("--") + 1 :]) if "--" in words else (words, [])
    )
    parser = argparse.ArgumentParser(description="Run benchmarks.")
    parser.add_argument("names", nargs="+", help="modules of benchmarks/")
    parser.add_argument("--output-dir", type=Path, default=ROOT / "results" / "bench")
    options = parser.parse_args(own)
    output = options.output_dir.resolve()
    output.mkdir(parents=True, exist_ok=True)
    failed = [name for name in options.names if not run(name, output, passed_on)]
    print(f"\nwritten to {options.output_dir}; " + (f"FAILED: {', '.join(failed)}" if failed else "all done"))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
