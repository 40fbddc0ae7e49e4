"""Builds the archives of a new checkpoint, with the project's own tools."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

from safetensors import SafetensorError, safe_open

from outofsync_client.protocol import SUMS_FILE
from serving.rollout.errors import BuildFailedError, StepRefusedError
from serving.rollout.record import Record
from serving.rollout.store import ModelStore, sha256_of
from serving.signing import signature_of

BUILDER = Path("archives") / "build.py"
BILLS = "sbom-*.cdx.json"  # what an archive is made of (archives/bill.py)


def find_project(*near: Path) -> Path:
    """The checkout that holds the build tools: a folder among these, or around one of them."""
    for place in near:
        for folder in (place.resolve(), *place.resolve().parents):
            if (folder / BUILDER).is_file():
                return folder
    raise BuildFailedError(
        "building an archive needs a checkout of the project, and none is near",
        hint="Call this inside the checkout, or name it with --project.",
    )


def build(
    store: ModelStore, record: Record | None, checkpoints: Sequence[Path], version: str, *, project: Path
) -> tuple[str, ...]:
    """Put a version's archives into the store; returns their names. What is registered is not replaced."""
    with tempfile.TemporaryDirectory(prefix="outofsync-models-") as folder:
        weights = Path(folder) / "checkpoints"
        weights.mkdir()
        _gather(checkpoints, weights)
        words = ("archives.build", "--version", version, "--checkpoints", str(weights))
        return make(store, record, words, project=project)


def make(store: ModelStore, record: Record | None, words: Sequence[str], *, project: Path) -> tuple[str, ...]:
    """Run a module of the project that builds archives, and put them into the store; returns their names."""
    python = project / ".venv" / "bin" / "python"
    if not python.exists():
        raise BuildFailedError(f"{project} is not set up", hint="Call `make setup` there.")
    with tempfile.TemporaryDirectory(prefix="outofsync-models-") as folder:
        built = Path(folder) / "built"
        command = [str(python), "-m", *words, "--output", str(built)]
        done = subprocess.run(command, cwd=project, env=_environment(), capture_output=True, text=True)
        if done.returncode:
            raise BuildFailedError(done.stderr.strip().removeprefix("archives: ") or "the archiver failed")
        made = sorted(built.glob("*.mar"))
        for archive in made:
            _refuse_to_replace(store, record, archive)
        store.path.mkdir(parents=True, exist_ok=True)
        for file in [*made, *map(signature_of, made), *built.glob(BILLS)]:
            if file.exists():  # who has no key of their own does not sign
                partial = store.path / f"{file.name}.partial"
                shutil.copyfile(file, partial)
                partial.replace(store.path / file.name)
    write_sums(store)
    return tuple(archive.name for archive in made)


def write_sums(store: ModelStore) -> None:
    """Name every archive of the store with its sum."""
    archives = sorted(store.path.glob("*.[mw]ar"))
    partial = store.path / f"{SUMS_FILE}.partial"
    partial.write_text("".join(f"{sha256_of(path)}  {path.name}\n" for path in archives), encoding="utf-8")
    partial.replace(store.path / SUMS_FILE)


def _gather(checkpoints: Sequence[Path], target: Path) -> None:
    """Copy weights under the names the builder looks for: what they are stands in each file."""
    files = [
        file
        for path in checkpoints
        for file in (sorted(path.glob("*.safetensors")) if path.is_dir() else [path])
    ]
    if not files:
        raise BuildFailedError(f"{checkpoints[0]} holds no .safetensors file")
    for file in files:
        if signature_of(file).exists() and (said := ModelStore(file.parent).unsigned(file)):
            raise BuildFailedError(f"{file} is not used: {said}")
        shutil.copyfile(file, target / f"{_kind_of(file)}.safetensors")


def _kind_of(file: Path) -> str:
    """``sync``, ``scoring`` or ``deblur``, as the checkpoint's metadata has it."""
    try:
        with safe_open(file, framework="numpy") as content:
            return str(content.metadata()["kind"])
    except (OSError, SafetensorError, KeyError, TypeError):
        raise BuildFailedError(
            f"{file} is no checkpoint of this project",
            hint="Published weights are imported first: `outofsync-import`, in the checkout's .venv.",
        ) from None


def _refuse_to_replace(store: ModelStore, record: Record | None, archive: Path) -> None:
    there = store.path / archive.name
    if not there.exists() or sha256_of(there) == sha256_of(archive) or record is None:
        return
    used = any(
        part.archive == archive.name for nodes in record.pipelines.values() for _, part in nodes.nodes()
    )
    if used:
        raise StepRefusedError(
            f"{archive.name} is registered, and these weights make another archive of that name",
            hint="Give them a version of their own.",
        )


def _environment() -> dict[str, str]:
    """Ours, without what would lead the project's Python to other packages."""
    return {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "PYTHONHOME")}
