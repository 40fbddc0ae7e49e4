"""Makes the virtual environment every command uses, or says in a sentence what stands in the way.

It runs in whatever Python is at hand (3.6 and later understand it), before anything is installed. The
environment is made anew when a requirements file or a package's own settings change, and only then. There is
one for running and testing: test tools add 3 % to what torch and its CUDA libraries take.
"""

import argparse
import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("handlers", "client", "serving", "cluster")
PYTHONS = ((3, 11), (3, 12), (3, 13))
NEEDED_GB = 7.0
STAMP = "outofsync-setup"


class SetupError(Exception):
    """Set-up cannot go on; the message says what to do."""


def fingerprint(*inputs: Path) -> str:
    """Changes whenever what these files describe, or the Python that reads them, does."""
    digest = hashlib.sha256(sys.version.encode())
    for path in inputs:
        digest.update(path.read_bytes())
    return digest.hexdigest()


def check_python() -> None:
    """Raises SetupError for a Python that cannot make the environment."""
    if sys.version_info[:2] not in PYTHONS:
        oldest, newest, found = (
            ".".join(str(number) for number in version)
            for version in (PYTHONS[0], PYTHONS[-1], sys.version_info[:2])
        )
        raise SetupError(
            f"OutOfSync needs Python {oldest} to {newest}, and {sys.executable} is {found}; its libraries "
            f"are not made for that one. Install python{oldest} (on Debian and Ubuntu also "
            f"python{oldest}-venv; pyenv and uv have it too) and call make PYTHON=/path/to/python{oldest}"
        )
    try:
        import ensurepip  # noqa: F401
    except ImportError:
        raise SetupError(
            f"{sys.executable} cannot make virtual environments. Install "
            f"python{sys.version_info[0]}.{sys.version_info[1]}-venv (Debian and Ubuntu)."
        ) from None


def check_disk(folder: Path) -> None:
    """Raises SetupError where torch and its companions would not fit."""
    free_gb = shutil.disk_usage(str(folder)).free / 1e9
    if free_gb < NEEDED_GB:
        raise SetupError(
            f"it needs {NEEDED_GB:.0f} GB, and {folder} has {free_gb:.1f} GB free; make room, or move it."
        )


def call(*words: object) -> None:
    """Run one step; raises SetupError where it fails."""
    step = [str(word) for word in words]
    if subprocess.call(step) != 0:
        raise SetupError(
            f"this step failed, the lines above say why; call make again to retry: {' '.join(step)}"
        )


def set_up(environment: Path, requirements: Path) -> None:
    """Bring the environment up to date; does nothing where it is."""
    stamp = environment / STAMP
    wanted = [fingerprint(requirements), fingerprint(*(ROOT / name / "pyproject.toml" for name in PACKAGES))]
    found = stamp.read_text().split() if stamp.is_file() else []
    if found == wanted:
        return
    pip = [environment / "bin" / "python", "-m", "pip", "install", "--disable-pip-version-check", "--quiet"]
    if found[:1] != wanted[:1]:
        check_disk(ROOT)
        sys.stdout.write(f"setup: making {environment.name} (some minutes, about 6 GB)\n")
        sys.stdout.flush()
        call(sys.executable, "-m", "venv", "--clear", environment)
        call(*pip, "--require-hashes", "-r", requirements)
    for name in PACKAGES:  # what they depend on is in the requirements already, pinned
        call(*pip, "--no-deps", "--no-build-isolation", "-e", ROOT / name)
    stamp.write_text(" ".join(wanted))


def main() -> int:
    parser = argparse.ArgumentParser(description="Make the virtual environment.")
    parser.add_argument("--environment", type=Path, default=ROOT / ".venv")
    parser.add_argument("--requirements", type=Path, default=ROOT / "requirements" / "dev.txt")
    options = parser.parse_args()
    os.environ.pop("PYTHONPATH", None)  # another project's packages must not leak in
    try:
        check_python()
        set_up(options.environment, options.requirements)
    except SetupError as error:
        sys.stderr.write(f"setup: {error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
