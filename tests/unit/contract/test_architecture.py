"""Every import goes in a direction that the architecture page permits: its tables are read, not repeated."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

from serving.settings import ROOT

PAGE = ROOT / "docs" / "architecture.md"
# where our own packages and modules lie
SEARCHED = (ROOT, ROOT / "handlers", ROOT / "client" / "src", ROOT / "cluster" / "src")
NOT_OURS = {"results", "runs"}  # what commands write
EVERYTHING = "everything"


@dataclass(frozen=True)
class Room:
    """A row of the page: its name, its folders and modules, and what it may and may not import."""

    name: str
    paths: tuple[Path, ...]
    may: frozenset[str]
    never: frozenset[str]


@dataclass(frozen=True)
class Import:
    """One import statement's target: a module of ours (a file), or the name of another's package."""

    file: Path
    line: int
    name: str
    target: Path | None

    def __str__(self) -> str:
        return f"{self.file.relative_to(ROOT)}:{self.line} imports {self.name}"


def rooms() -> list[Room]:
    found = []
    for line in PAGE.read_text().splitlines():
        cells = [cell.strip() for cell in line.strip().strip("|").split("|")]
        if not line.startswith("| ") or len(cells) != 5 or cells[0] == "room":
            continue
        name, where, _, may, never = cells
        paths = tuple(ROOT / path for path in re.findall(r"`([^`]+)`", where))
        permitted = frozenset(word.strip() for word in may.split(",") if word.strip())
        found.append(Room(name, paths, permitted, frozenset(re.findall(r"`([^`]+)`", never))))
    return found


ROOMS = rooms()
BY_NAME = {room.name: room for room in ROOMS}


@cache
def room_of(file: Path) -> Room | None:
    """The room with the longest path that holds a file."""
    fitting = [(len(path.parts), room) for room in ROOMS for path in room.paths if file.is_relative_to(path)]
    return max(fitting, key=lambda pair: pair[0])[1] if fitting else None


@cache
def files() -> tuple[Path, ...]:
    """All modules of the repository."""
    tops = [
        path for path in ROOT.iterdir() if path.is_dir() and path.name[0] != "." and path.name not in NOT_OURS
    ]
    found = [path for top in tops for path in top.rglob("*.py")]
    return tuple(
        path for path in found if not any(part.startswith(".") for part in path.relative_to(ROOT).parts)
    )


@cache
def module(name: str) -> Path | None:
    """The file of a module of ours, or of the package or module that an imported name lies in."""
    first, *others = name.split(".")
    for top in SEARCHED:
        place = top / first
        if first not in _ours(top):
            continue
        for part in others:
            if not place.is_dir() or not ((place / part).is_dir() or (place / f"{part}.py").is_file()):
                break
            place = place / part
        return place / "__init__.py" if place.is_dir() else place.with_suffix(".py")
    return None


@cache
def _ours(top: Path) -> frozenset[str]:
    """Names that begin those of our modules in a folder; a folder without modules is no package."""
    return frozenset(
        file.relative_to(top).parts[0].removesuffix(".py") for file in files() if file.is_relative_to(top)
    )


@cache
def imports(file: Path) -> tuple[Import, ...]:
    """What a module imports, wherever in it and for whatever purpose."""
    return tuple(
        Import(file, line, name, module(name)) for line, name in _names(ast.parse(file.read_text()), file)
    )


def _names(tree: ast.Module, file: Path) -> Iterator[tuple[int, str]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = [".".join(file.relative_to(_top(file)).parts[: -node.level])] if node.level else []
            base = ".".join([*above, *([node.module] if node.module else [])])
            # A name may be a module of its own: from outofsync import errors.
            yield from ((node.lineno, f"{base}.{alias.name}") for alias in node.names)


def _top(file: Path) -> Path:
    return max((top for top in SEARCHED if file.is_relative_to(top)), key=lambda top: len(top.parts))


def breaches(room: Room, its_imports: Iterator[Import]) -> list[str]:
    """Imports of a room that its row does not permit."""
    found = []
    for one in its_imports:
        if one.target is None:
            if one.name.split(".")[0] in room.never:
                found.append(f"{one}, which the {room.name} never does")
            continue
        other = room_of(one.target)
        if other is None or other is room or EVERYTHING in room.may or other.name in room.may:
            continue
        found.append(f"{one} of {other.name}, which {room.name} may not")
    return found


def test_the_page_names_rooms_that_exist() -> None:
    assert len(BY_NAME) == len(ROOMS) >= 20
    for room in ROOMS:
        assert room.paths, room.name
        assert all(path.exists() for path in room.paths), room.name
        assert room.may <= {*BY_NAME, EVERYTHING}, room.name


def test_every_module_has_a_room() -> None:
    assert [str(file.relative_to(ROOT)) for file in files() if room_of(file) is None] == []


@pytest.mark.parametrize("name", [room.name for room in ROOMS])
def test_a_room_imports_what_it_may(name: str) -> None:
    room = BY_NAME[name]
    its_imports = (one for file in files() if room_of(file) is room for one in imports(file))
    assert breaches(room, its_imports) == []


def test_rooms_import_in_one_direction() -> None:
    """Taking away again and again what needs nothing that is left takes everything away."""
    left = {room.name: room.may - {room.name} for room in ROOMS if EVERYTHING not in room.may}
    while free := [name for name, needed in left.items() if not needed & left.keys()]:
        for name in free:
            del left[name]
    assert left == {}


@pytest.mark.parametrize("page", ["docs/architecture.md", "docs/method.md", "CONTRIBUTING.md"])
def test_what_a_page_names_is_there(page: str) -> None:
    named = re.findall(r"`([^`\s]+)`", (ROOT / page).read_text())
    paths = [name for name in named if "/" in name and name[0] != "/" and "mine" not in name]
    assert [path for path in paths if not any(ROOT.glob(path))] == []
    modules = [name for name in named if re.fullmatch(r"(outofsync|training|serving)(\.\w+)+", name)]
    assert [name for name in modules if not _is_module(name)] == []
    assert paths or modules


def _is_module(name: str) -> bool:
    found = module(name)
    return found is not None and name.rpartition(".")[2] in (found.stem, found.parent.name)


def test_a_breach_is_found() -> None:
    """This test can fail: an import against the direction, and one of a package that never is."""
    file = ROOT / "client" / "src" / "outofsync_client" / "made_up.py"
    lines = ["import torch", "from outofsync import errors", "from outofsync_client import protocol"]
    names = list(_names(ast.parse("\n".join(lines)), file))
    made = [Import(file, line, name, module(name)) for line, name in names]
    found = breaches(BY_NAME["client"], iter(made))
    assert [line.split(" imports ")[1].split(",")[0] for line in found] == [
        "torch",
        "outofsync.errors of terms",
    ]
    relative = list(_names(ast.parse("from . import protocol"), file))
    assert relative == [(1, "outofsync_client.protocol")]
