"""Coverage-guided fuzzing of one parser: ``python -m benchmarks.fuzzing.guided TARGET [options]``.

Options after the target are libFuzzer's (``-max_total_time=3600``). What it finds is written where the suite
reads it from then on. atheris has wheels for Linux on x86-64 alone; elsewhere, chance has to do.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from benchmarks.fuzzing.running import FOUND

OURS = ["outofsync", "outofsync_import", "outofsync_client", "gateway", "python_multipart", "pickletools"]
MISSING = "coverage-guided fuzzing needs atheris, which is for Linux on x86-64: leave out --guided"


def main(arguments: list[str]) -> None:
    """Fuzz until libFuzzer's options say that it is enough, or until something is found."""
    try:
        import atheris
    except ImportError:
        sys.exit(MISSING)
    with atheris.instrument_imports(include=OURS):
        from benchmarks.fuzzing.parsers import TARGETS
    name, *options = arguments
    target = TARGETS[name]
    (FOUND / name).mkdir(parents=True, exist_ok=True)

    def once(data: bytes) -> None:
        if problem := target.problem(data):
            raise AssertionError(problem)

    with tempfile.TemporaryDirectory() as folder:
        for number, seed in enumerate(target.seeds()):
            (Path(folder) / f"{number}").write_bytes(seed)
        words = [sys.argv[0], folder, f"-artifact_prefix={FOUND / name}/", "-max_len=65536", *options]
        atheris.Setup(words, once)
        atheris.Fuzz()


if __name__ == "__main__":
    main(sys.argv[1:])
