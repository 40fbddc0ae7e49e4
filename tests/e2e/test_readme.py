"""The README can be followed: what it says to run runs."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest
from documented import blocks, check_command, checked_commands, make_checkout, reader_environment, run_block
from edge_fixture import installed
from server_fixture import MakeServer
from untrained import write_checkpoints

from outofsync.errors import ErrorCode
from outofsync.options import Options
from serving.settings import ROOT

README = ROOT / "README.md"
KINDS = {"bash run", "bash shown", "python run", "json", "text"}
JUDGES = re.compile(r"\bwfpredict/|\bdetect\b")
VERDICT = re.compile(r"\b(real|likely_real|likely_fake|fake|inconclusive)\b")


@pytest.fixture
def checkout(tmp_path: Path, model_store: Path) -> Path:
    """The repository as a reader has it, with weights of theirs."""
    folder = make_checkout(tmp_path / "checkout")
    shutil.copytree(model_store, folder / "model_store")
    (folder / "my_checkpoints").mkdir()
    write_checkpoints(folder / "my_checkpoints")
    return folder


@pytest.mark.server
def test_what_is_to_be_run_runs(checkout: Path, make_server: MakeServer) -> None:
    installed("nginx", "nginx")  # which the README tells its readers to have
    make_server(state=checkout / ".state", model_store=checkout / "model_store", plain_models=True)
    environment = reader_environment()
    for block in blocks(README):
        if block.kind.endswith(" run"):
            ran = run_block(block, checkout, environment)
            assert VERDICT.search(ran.output) or not JUDGES.search(block.source), ran.said
            environment = ran.environment


def test_every_block_says_what_becomes_of_it() -> None:
    assert blocks(README)
    for block in blocks(README):
        assert block.kind in KINDS, f"{block}: ```{block.kind} is none of {sorted(KINDS)}"


@pytest.mark.parametrize("command", checked_commands(README))
def test_what_is_only_shown_exists(command: str) -> None:
    check_command(command)


def test_links_lead_somewhere() -> None:
    links = re.findall(r"\]\((?!https?:|#)([^)#]+)", README.read_text())
    assert links
    assert not [link for link in links if not (ROOT / link).exists()]


def test_every_option_and_error_is_named() -> None:
    for name in [*Options().to_dict(), *(code.value for code in ErrorCode)]:
        assert f"`{name}`" in README.read_text()
