"""What importing the package does, and in which order its modules need one another."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import outofsync_client

FOLDER = Path(outofsync_client.__file__).parent


def module_name(path: Path) -> str:
    parts = path.relative_to(FOLDER.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {module_name(path): path for path in sorted(FOLDER.rglob("*.py"))}


def imported(tree: ast.AST) -> Iterator[str]:
    """Names of modules that are imported at some time, within functions as well, but not for types alone."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING":
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            for alias in node.names:
                inner = f"{node.module}.{alias.name}"
                yield inner if inner in MODULES else node.module
        yield from imported(node)


def test_no_modules_import_one_another_in_a_circle() -> None:
    needs = {
        name: {one for one in imported(ast.parse(path.read_text(encoding="utf-8"))) if one in MODULES}
        for name, path in MODULES.items()
    }
    del needs["outofsync_client"]  # it knows all, and whoever imports its version nothing more of it
    while leaves := {name for name, others in needs.items() if not others & needs.keys()}:
        needs = {name: others for name, others in needs.items() if name not in leaves}
    assert {name: others & needs.keys() for name, others in needs.items()} == {}


SCRIPT = """
import sys
import outofsync_client, outofsync_client.cli.main
assert not {"matplotlib", "pandas"} & sys.modules.keys(), "few programs draw"
import matplotlib
before = dict.__getitem__(matplotlib.rcParams, "backend")  # the look-up of others would choose one
import outofsync_client.reports.document, outofsync_client.reports.folder
assert dict.__getitem__(matplotlib.rcParams, "backend") == before, "how a program draws is its own choice"
assert "matplotlib.pyplot" not in sys.modules
"""


def test_importing_the_package_changes_nothing_for_others() -> None:
    done = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
