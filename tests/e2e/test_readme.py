"""The README can be followed: what it says to run runs, in one terminal from top to bottom.

The second word after a block's fence says what becomes of it here: ``bash run`` and ``python run`` are run
against a server of the test's own; the commands of ``bash shown`` set up, train or serve, so they are only
checked: their make targets, programs and options exist.
"""

from __future__ import annotations

import importlib.util
import os
import re
import shlex
import shutil
import subprocess
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest
from edge_fixture import installed
from server_fixture import MakeServer
from untrained import write_checkpoints

from config.settings import ROOT
from outofsync.errors import ErrorCode
from outofsync.options import Options

README = (ROOT / "README.md").read_text()
FENCE = re.compile(r"^```(?P<kind>[^\n]*)\n(?P<source>.*?)^```$", re.MULTILINE | re.DOTALL)
KINDS = {"bash run", "bash shown", "python run", "json", "text"}
BIN = ROOT / ".venv" / "bin"
OURS = {"model_store", ".state", "results", "runs", ".git"}  # what commands write, and the history
SERVER_COMMANDS = re.compile(r"make (serve|stop)(?= |$)")  # the test's own server stands for these
PROGRAM = re.compile(
    r"python3? -m (?P<module>[\w.]+)(?![\w.$])|\b(?P<command>outofsync(-import)?)(?P<action> [a-z]+)?(?= )"
)
JUDGES = re.compile(r"\bwfpredict/|\bdetect\b")
VERDICT = re.compile(r"\b(real|likely_real|likely_fake|fake|inconclusive)\b")
# Verdicts are exit codes below 3 (client/README.md): a fake among the samples is no failure.
PRELUDE = 'outofsync() { command outofsync "$@" || test $? -lt 3; }\n'
BLOCK_S = 1800  # a loop that waits for something that never comes ends, too


@dataclass(frozen=True)
class Block:
    """A fenced block: what its fence says, its text, and where it stands."""

    kind: str
    source: str
    line: int

    def commands(self) -> list[str]:
        """Its shell commands, one a line, without comments."""
        lines = self.source.replace("\\\n", " ").splitlines()
        return [line for line in lines if shlex.split(line, comments=True)]


def blocks() -> list[Block]:
    return [
        Block(match["kind"], match["source"], README.count("\n", 0, match.start()) + 1)
        for match in FENCE.finditer(README)
    ]


def checked_commands() -> list[str]:
    """The commands that are not run."""
    return [
        command
        for block in blocks()
        if block.kind.startswith("bash")
        for command in block.commands()
        if block.kind == "bash shown" or SERVER_COMMANDS.match(command)
    ]


@cache
def usage(*program: str) -> str:
    return subprocess.run([*program, "--help"], cwd=ROOT, capture_output=True, text=True, check=True).stdout


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
        for option in options:
            assert re.search(rf"{option}\b", usage(*words)), f"{' '.join(words)} has no option {option}"


def shell_environment() -> dict[str, str]:
    """A reader's, with .venv activated; PYTHON=true turns set-up into nothing: it is done already."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "OUTOFSYNC_"))}
    return {**kept, "PATH": f"{BIN}:{os.environ['PATH']}", "PYTHON": "true"}


@pytest.fixture
def checkout(tmp_path: Path, model_store: Path) -> Path:
    """The repository as a reader has it, with weights of theirs; what commands write stays in here."""
    folder = tmp_path / "checkout"
    folder.mkdir()
    for entry in ROOT.iterdir():
        if entry.name not in OURS:
            (folder / entry.name).symlink_to(entry)
    shutil.copytree(model_store, folder / "model_store")
    (folder / "my_checkpoints").mkdir()
    write_checkpoints(folder / "my_checkpoints")
    return folder


def run_block(block: Block, folder: Path, environment: dict[str, str]) -> dict[str, str]:
    """Run a block; gives the environment it leaves to the next, as one terminal would."""
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
    said = f"README.md:{block.line}\n{done.stdout}{done.stderr}"
    assert done.returncode == 0, said
    assert VERDICT.search(done.stdout) or not JUDGES.search(block.source), said
    if block.kind == "python run":
        return environment
    variables = carried.read_text().rstrip("\0").split("\0")
    return dict(variable.split("=", 1) for variable in variables)


@pytest.mark.server
def test_what_is_to_be_run_runs(checkout: Path, make_server: MakeServer) -> None:
    installed("nginx", "nginx")  # which the README tells its readers to have
    make_server(state=checkout / ".state", model_store=checkout / "model_store", plain_models=True)
    environment = shell_environment()
    for block in blocks():
        if block.kind.endswith(" run"):
            environment = run_block(block, checkout, environment)


def test_every_block_says_what_becomes_of_it() -> None:
    assert blocks()
    for block in blocks():
        assert block.kind in KINDS, f"README.md:{block.line}: ```{block.kind} is none of {sorted(KINDS)}"


@pytest.mark.parametrize("command", checked_commands())
def test_what_is_only_shown_exists(command: str) -> None:
    program, *words = shlex.split(command, comments=True)
    if program == "make":
        dry = ["make", "-n", *words]
        done = subprocess.run(dry, cwd=ROOT, env=shell_environment(), capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        for line in done.stdout.splitlines():
            check_options(line)
    elif program == "pip":
        assert (ROOT / words[-1] / "pyproject.toml").is_file()
    else:
        assert PROGRAM.match(command), f"nobody checks this command: {command}"
        check_options(command)


def test_links_lead_somewhere() -> None:
    links = re.findall(r"\]\((?!https?:|#)([^)#]+)", README)
    assert links
    assert not [link for link in links if not (ROOT / link).exists()]


def test_every_option_and_error_is_named() -> None:
    for name in [*Options().to_dict(), *(code.value for code in ErrorCode)]:
        assert f"`{name}`" in README
