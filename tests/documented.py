"""Pages that can be followed: what they say to run is run, in one terminal from top to bottom.

The second word after a block's fence says what becomes of it: ``bash run`` and ``python run`` are run; the
commands of ``bash shown`` set up, train or serve, so they are only checked: their make targets, programs and
options exist.
"""

from __future__ import annotations

import atexit
import importlib.util
import os
import re
import shlex
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from serving.settings import ROOT

FENCE = re.compile(r"^```(?P<kind>[^\n]*)\n(?P<source>.*?)^```$", re.MULTILINE | re.DOTALL)
BIN = ROOT / ".venv" / "bin"
OURS = {"model_store", ".state", "results", "runs", ".git"}  # what commands write, and the history
SERVER_COMMANDS = re.compile(r"make (serve|stop)(?= |$)")  # the test's own server stands for these
PROGRAM = re.compile(
    r"python3? -m (?P<module>[\w.]+)(?![\w.$])|"
    r"\b(?P<command>outofsync(-import|-cluster)?)(?P<action> [a-z][a-z-]*)?(?= |$)"
)
# Verdicts are exit codes below 3 (client/README.md): a fake among the samples is no failure.
PRELUDE = 'outofsync() { command outofsync "$@" || test $? -lt 3; }\n'
BLOCK_S = 1800  # a loop that waits for something that never comes ends, too


@dataclass(frozen=True)
class Block:
    """A fenced block: its page, what its fence says, its text, and on which line it stands."""

    page: Path
    kind: str
    source: str
    line: int

    def __str__(self) -> str:
        return f"{self.page.relative_to(ROOT)}:{self.line}"

    def commands(self) -> list[str]:
        """Its shell commands, one a line, without comments."""
        lines = self.source.replace("\\\n", " ").splitlines()
        return [line for line in lines if shlex.split(line, comments=True)]


def blocks(page: Path) -> list[Block]:
    """All blocks of a page, in order."""
    text = page.read_text()
    return [
        Block(page, match["kind"], match["source"], text.count("\n", 0, match.start()) + 1)
        for match in FENCE.finditer(text)
    ]


def checked_commands(page: Path) -> list[str]:
    """The commands that are not run."""
    return [
        command
        for block in blocks(page)
        if block.kind.startswith("bash")
        for command in block.commands()
        if block.kind == "bash shown" or SERVER_COMMANDS.match(command)
    ]


def check_command(command: str) -> None:
    """What is only shown exists: make targets, packages, programs and their options."""
    program, *words = shlex.split(command, comments=True)
    if program == "make":
        dry = ["make", "-n", *words]
        done = subprocess.run(dry, cwd=ROOT, env=reader_environment(), capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        for line in done.stdout.splitlines():
            check_options(line)
    elif program == "pip":
        assert (ROOT / words[-1] / "pyproject.toml").is_file()
    else:
        assert PROGRAM.match(command), f"nobody checks this command: {command}"
        check_options(command)


def check_options(command: str) -> None:
    """Every program of ours in the command exists, and knows the options it is given."""
    for program in PROGRAM.finditer(command):
        options = re.findall(r"(?<=\s)--[a-z][\w-]*", command[program.end() :])
        if module := program["module"]:
            assert importlib.util.find_spec(module), f"there is no module {module}"
            words = [str(BIN / "python"), "-m", module]
        else:
            words = [str(BIN / program["command"]), *(program["action"] or "").split()]
            assert Path(words[0]).exists(), f"there is no command {words[0]}"
        usage_ = usage(*words) if options or program["command"] else ""
        for option in options:
            assert re.search(rf"{option}\b", usage_), f"{' '.join(words)} has no option {option}"


@cache
def usage(*program: str) -> str:
    return subprocess.run([*program, "--help"], cwd=ROOT, capture_output=True, text=True, check=True).stdout


# Where their first build puts its key; the tests' own have none.
READERS_SETTINGS = tempfile.mkdtemp(prefix="outofsync-reader-")
atexit.register(shutil.rmtree, READERS_SETTINGS, ignore_errors=True)


def reader_environment() -> dict[str, str]:
    """A reader's, with .venv activated; PYTHON=true turns set-up into nothing: it is done already."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "OUTOFSYNC_"))}
    return {
        **kept,
        "PATH": f"{BIN}:{os.environ['PATH']}",
        "PYTHON": "true",
        "XDG_CONFIG_HOME": READERS_SETTINGS,
    }


def make_checkout(folder: Path) -> Path:
    """The repository as a reader has it; what commands write stays in here."""
    folder.mkdir()
    for entry in ROOT.iterdir():
        if entry.name not in OURS:
            (folder / entry.name).symlink_to(entry)
    return folder


@dataclass(frozen=True)
class Ran:
    """What a block printed, and the environment it leaves to the next, as one terminal would."""

    said: str
    output: str
    environment: dict[str, str]


def run_block(block: Block, folder: Path, environment: dict[str, str]) -> Ran:
    """Run a block; it must end well."""
    carried = folder / "environment"
    if block.kind == "python run":
        command = [str(BIN / "python"), "-c", block.source]
    else:
        kept = [line for line in block.source.splitlines(True) if not SERVER_COMMANDS.match(line)]
        script = f"{PRELUDE}{''.join(kept)}\nenv -0 > {shlex.quote(str(carried))}"
        command = ["bash", "-euo", "pipefail", "-c", script]
    done = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, timeout=BLOCK_S
    )
    said = f"{block}\n{done.stdout}{done.stderr}"
    assert done.returncode == 0, said
    if block.kind == "bash run":
        variables = carried.read_text().rstrip("\0").split("\0")
        environment = dict(variable.split("=", 1) for variable in variables)
    return Ran(said, done.stdout, environment)
