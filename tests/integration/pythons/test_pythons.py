"""The client alone, installed and tested on every Python it is made for that is at hand."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pytest

from serving.settings import ROOT

OTHERS = ("3.9", "3.13")  # both ends: what works there works between, where 3.11 runs everything else
AT_ONCE = 2
CLIENT_TESTS = ROOT / "tests" / "unit" / "client"
ASK_A_GATEWAY = ("test_jobs.py", "batch/test_as_jobs.py")  # which is not installed there
TOOLS = ("pytest", "pytest-timeout", "trustme")


def interpreter(version: str) -> Path | None:
    """A Python of this version that runs, on the path or where pyenv keeps its own."""
    found = [shutil.which(f"python{version}")]
    kept = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    found += [str(path) for path in sorted(kept.glob(f"{version}.*/bin/python"), reverse=True)]
    for program in filter(None, found):
        if subprocess.run([program, "-c", "import venv, ensurepip"], capture_output=True).returncode == 0:
            return Path(program)
    return None


def install(python: Path, folder: Path) -> Path:
    """An environment that holds the client, as its users get it, and what tests it."""
    source = shutil.copytree(
        ROOT / "client",
        folder / "client",
        ignore=shutil.ignore_patterns("build", "*.egg-info", "__pycache__"),
    )
    run(str(python), "-m", "venv", str(folder / "venv"))
    installed = folder / "venv" / "bin" / "python"
    # Most of what is installed is never imported: to compile all of it takes as long as the tests.
    run(str(installed), "-m", "pip", "install", "-q", "--no-compile", f"{source}[pandas]", *TOOLS)
    return installed


def client_tests(python: Path, folder: Path) -> str:
    """What pytest says of the client's own tests, with nothing of the server installed."""
    (folder / "pytest.ini").write_text(
        "[pytest]\naddopts = --import-mode=importlib -p no:cacheprovider\n"
        "markers = slow: takes seconds of processor time\n"
    )
    words = ["-m", "pytest", "-q", "-c", "pytest.ini", "--rootdir", str(ROOT / "tests"), "-W", "ignore"]
    words += ["--confcutdir", str(ROOT / "tests" / "unit"), str(CLIENT_TESTS), "--timeout", "300"]
    words += [word for name in ASK_A_GATEWAY for word in ("--ignore", str(CLIENT_TESTS / name))]
    return run(str(python), *words, cwd=folder, PYTHONPATH=f"{ROOT}{os.pathsep}{ROOT / 'tests'}")


def run(*command: str, cwd: Path | None = None, **environment: str) -> str:
    done = subprocess.run(
        command, cwd=cwd, env={**os.environ, **environment}, text=True, capture_output=True, check=False
    )
    assert done.returncode == 0, f"{' '.join(command)}\n{done.stdout[-5000:]}\n{done.stderr[-5000:]}"
    return done.stdout


def outcome_on(version: str, folder: Path) -> str | None:
    """What the tests say, None where there is no such Python."""
    python = interpreter(version)
    if python is None:
        return None
    return client_tests(install(python, folder), folder)


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Future[str | None]]]:
    """All versions, a few beside one another: they mostly wait."""
    with ThreadPoolExecutor(AT_ONCE) as pool:
        yield {
            version: pool.submit(outcome_on, version, tmp_path_factory.mktemp(f"python{version}"))
            for version in OTHERS
        }


@pytest.mark.parametrize("version", OTHERS)
def test_the_client_works_on(outcomes: dict[str, Future[str | None]], version: str) -> None:
    said = outcomes[version].result()
    if said is None:
        pytest.skip(f"Python {version} is not at hand")
    assert " passed" in said
    assert "failed" not in said
