"""The documentation builds without a complaint, names all there is, and every block on its pages runs."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from documented import (
    BIN,
    blocks,
    check_command,
    checked_commands,
    make_checkout,
    reader_environment,
    run_block,
)
from edge_fixture import LiveEdge, edge_before, installed
from server_fixture import LiveServer
from untrained import write_checkpoints

import outofsync_client
from benchmarks.footage import footage
from outofsync_client import batch, calibration, management, reports
from serving import rollout
from serving.lifecycle import running
from serving.settings import ROOT, ServerSettings

DOCS = ROOT / "docs"
PAGES = [ROOT / "client" / "README.md", *sorted(DOCS.rglob("*.md"))]
KINDS = {"bash run", "bash shown", "python run", "{toctree}", "{eval-rst}"}
VIDEOS = {"interview.mp4": 1.6, "speech.mp4": 1.8, "blurry.mp4": 2.0}  # seconds: many blocks judge them
SIDE = 360
EDGES = re.compile(r"https://(detector|spare)\.example")  # the test's own stands for these
UNDOCUMENTED = {"RecordFile", "MAX_WORKERS", "Outcome"}  # of use to this project alone


@dataclass(frozen=True)
class Desk:
    """A reader's folder, with a server of theirs and an edge before it."""

    folder: Path
    edge: LiveEdge


@pytest.fixture(scope="module")
def desk(small_store: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    installed("nginx", "nginx")
    folder = make_checkout(tmp_path_factory.mktemp("desk") / "checkout")
    shutil.copytree(small_store, folder / "model_store")
    (folder / "my_checkpoints").mkdir()
    write_checkpoints(folder / "my_checkpoints")
    (folder / "videos").mkdir()
    for name, seconds in VIDEOS.items():
        (folder / name).write_bytes(footage(seconds, SIDE, SIDE))
        shutil.copy(folder / name, folder / "videos" / name)
    settings = ServerSettings(state=folder / ".state", model_store=folder / "model_store")
    with ExitStack() as left:
        server = LiveServer(left.enter_context(running(settings)), settings)
        edge = edge_before([server], left)
        shutil.copy(edge.authority, folder / "ca.pem")
        yield Desk(folder, edge)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The built pages; a warning is an error."""
    folder = tmp_path_factory.mktemp("site")
    words = [str(BIN / "sphinx-build"), "-q", "-W", "--keep-going", "-b", "html", str(DOCS), str(folder)]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return folder


@pytest.mark.server
@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_what_a_page_says_to_run_runs(desk: Desk, page: Path) -> None:
    environment = reader_environment()
    for block in blocks(page):
        if not block.kind.endswith(" run"):
            continue
        key = {"OUTOFSYNC_API_KEY": desk.edge.key} if EDGES.search(block.source) else {}
        here = replace(block, source=EDGES.sub(desk.edge.url, block.source))
        ran = run_block(here, desk.folder, {**environment, **key})
        assert ran.output or "print(" not in block.source, ran.said
        environment = {name: value for name, value in ran.environment.items() if name not in key}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_block_says_what_becomes_of_it(page: Path) -> None:
    for block in blocks(page):
        assert block.kind in KINDS, f"{block}: ```{block.kind} is none of {sorted(KINDS)}"


@pytest.mark.parametrize("command", [command for page in PAGES for command in checked_commands(page)])
def test_what_is_only_shown_exists(command: str) -> None:
    check_command(command)


@pytest.mark.parametrize(
    "package",
    [outofsync_client, batch, calibration, management, rollout, reports],
    ids=lambda one: one.__name__,
)
def test_everything_public_is_in_the_reference(site: Path, package: object) -> None:
    names = set(vars(package)["__all__"]) - UNDOCUMENTED
    pages = "".join(path.read_text() for path in (site / "reference").glob("*.html"))
    where = vars(package)["__name__"]
    assert not [name for name in sorted(names) if f'id="{where}.{name}"' not in pages]


def test_every_command_is_in_the_reference(site: Path) -> None:
    page = (site / "reference" / "shell.html").read_text()
    for name in (
        "detect",
        "deblur",
        "batch",
        "calibrate",
        "report",
        "models",
        "serve-status",
        "doctor",
        "completion",
        "submit",
        "jobs",
    ):
        assert f'id="outofsync-{name}"' in page
