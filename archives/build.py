"""Makes what TorchServe serves: ``deblur.mar``, ``ensemble.mar`` and the workflow ``deepfake.war``.

An archive holds everything its model needs (handler, engine, weights, settings), so that two versions with
different code run side by side. The same inputs give the same bytes. SHA256SUMS names them, another one
within each names its files, and NAME.sig beside each says who built it (serving/signing.py).

    python -m archives.build --checkpoints checkpoints --output model_store
    python -m archives.build --checkpoints my_checkpoints --output model_store --version 2.0
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path

from archives.bill import bill_name, write_bill
from archives.repack import read_sums, repack, write_sums
from outofsync import __version__
from outofsync_client.protocol import WORKFLOW, WORKFLOW_ARCHIVE, archive_of
from serving.signing import KEYS_VARIABLE, PRIVATE_NAME, Keys, SigningError, sign

ROOT = Path(__file__).resolve().parent.parent
HANDLERS = ROOT / "handlers"
SETTINGS = ROOT / "archives"
CHECKPOINTS = {"deblur": ("deblur",), "ensemble": ("sync", "scoring")}
OPTIONAL = {"deblur": (), "ensemble": ("face",)}  # published weights know no face network
# What both handlers import.
HANDLER_MODULES = (
    "batching.py",
    "in_flight.py",
    "metrics.py",
    "request_log.py",
    "rlimits.py",
    "trim_heap.py",
    "unpacked.py",
)


class BuildError(Exception):
    """An archive cannot be made; the message says what to do."""


def build(
    checkpoints: Path, output: Path, version: str | None = None, settings: Path = SETTINGS
) -> dict[Path, bool]:
    """Build every archive into ``output``, signed by whoever builds; says for each whether it changed.

    With a ``version`` of one's own, the models whose weights ``checkpoints`` holds become
    ``NAME-VERSION.mar``, to be registered beside those that serve; what these are made from is left alone.
    ``settings`` holds a folder for each archive with its model-config.yaml or workflow.yaml.
    """
    if version is not None:
        checked_version(version)
    output.mkdir(parents=True, exist_ok=True)
    before = read_sums(output)
    with tempfile.TemporaryDirectory(prefix="outofsync-build-") as folder:
        work = Path(folder)
        if version is None:
            made = [build_model(name, checkpoints, work, __version__, settings) for name in CHECKPOINTS]
            targets = {archive: output / archive.name for archive in [*made, build_workflow(work, settings)]}
        else:
            made = [
                build_model(name, checkpoints, work, version, settings) for name in models_in(checkpoints)
            ]
            targets = {archive: output / archive_of(archive.stem, version) for archive in made}
        changed = {target: repack(archive, target) for archive, target in targets.items()}
    write_sums(output)
    if said := sign_all(changed, before):
        sys.stderr.write(f"archives: {said}\n")
    return changed


def checked_version(version: str) -> str:
    """The version; raises :class:`BuildError` for what is none."""
    if not re.fullmatch(r"\d+(\.\d+)*", version):
        raise BuildError(f"the version {version!r} is not made of numbers and dots, like 2.0")
    return version


def models_in(checkpoints: Path) -> list[str]:
    """The models of which the folder holds any weights; raises :class:`BuildError` where there is none."""
    found = [
        name
        for name, kinds in CHECKPOINTS.items()
        if any((checkpoints / f"{kind}.safetensors").is_file() for kind in kinds)
    ]
    if not found:
        raise BuildError(f"{checkpoints} holds no weights of any model (make archives CHECKPOINTS=…)")
    return found


def build_model(name: str, checkpoints: Path, work: Path, version: str, settings: Path) -> Path:
    """``NAME.mar`` in ``work``."""
    contents = work / f"{name}-contents"
    shutil.copytree(
        HANDLERS / "outofsync", contents / "outofsync", ignore=shutil.ignore_patterns("__pycache__")
    )
    for module in HANDLER_MODULES:
        shutil.copy(HANDLERS / module, contents)
    for kind in CHECKPOINTS[name]:
        weights = checkpoints / f"{kind}.safetensors"
        if not weights.is_file():
            raise BuildError(
                f"{weights} is missing; name a folder that holds it (make archives CHECKPOINTS=…)"
            )
        shutil.copy(weights, contents)
    for kind in OPTIONAL[name]:
        if (checkpoints / f"{kind}.safetensors").is_file():
            shutil.copy(checkpoints / f"{kind}.safetensors", contents)
    run_archiver(
        ["model_archiver.model_packaging", "--model-name", name, "--version", version],
        ["--handler", str(HANDLERS / f"{name}_handler.py"), "--extra-files", str(contents)],
        ["--config-file", str(settings / name / "model-config.yaml")],
        work=work,
    )
    return work / archive_of(name)


def build_workflow(work: Path, settings: Path) -> Path:
    """``deepfake.war`` in ``work``."""
    run_archiver(
        ["workflow_archiver.workflow_packaging", "--workflow-name", WORKFLOW],
        ["--spec-file", str(settings / WORKFLOW / "workflow.yaml")],
        ["--handler", str(SETTINGS / WORKFLOW / "functions.py")],
        work=work,
    )
    return work / WORKFLOW_ARCHIVE


def run_archiver(*arguments: list[str], work: Path) -> None:
    """Run one of TorchServe's archivers, which leave files under their temporary directory."""
    module, *options = [word for part in arguments for word in part]
    command = [sys.executable, "-m", module, *options, "--export-path", str(work)]
    done = subprocess.run(command, env={**os.environ, "TMPDIR": str(work)}, capture_output=True, text=True)
    if done.returncode:
        raise BuildError(f"{module} failed:\n{done.stderr}")


def sign_all(built: Iterable[Path], before: Mapping[Path, str]) -> str:
    """Sign what was built, with the key of whoever builds; a sentence where there is something to say.

    ``before`` are the archives that lay there and were as SHA256SUMS said. Until the first key is made, sums
    are all that is trusted; so a new key signs those as well, or versions that serve could not be loaded.
    Raises :class:`BuildError`.
    """
    keys = Keys.of_environment()
    try:
        key, is_new = keys.signer()
        if key is None:
            return f"not signed: {keys.folder} holds no {PRIVATE_NAME}" if keys.folder else ""
        for path in {*built, *(before if is_new else ())}:
            sign(path, key)
    except (SigningError, OSError) as error:
        if keys.required:
            raise BuildError(f"the archives were built, but not signed: {error}") from None
        return f"not signed: {error}; {KEYS_VARIABLE}=FOLDER names another place for the key"
    return f"signed with a key made for that: {keys.folder}/{PRIVATE_NAME}; keep it private" if is_new else ""


def main() -> int:
    parser = argparse.ArgumentParser(description="Build the archives TorchServe serves.")
    parser.add_argument("--checkpoints", type=Path, default=ROOT / "checkpoints", help="folder of weights")
    parser.add_argument("--output", type=Path, default=ROOT / "model_store", help="folder to build into")
    parser.add_argument("--version", help="make NAME-VERSION.mar, to be registered beside the running models")
    options = parser.parse_args()
    try:
        changed = build(options.checkpoints, options.output, options.version)
        write_bill(changed, options.output / bill_name(options.version))
    except BuildError as error:
        sys.stderr.write(f"archives: {error}\n")
        return 1
    for path, new in changed.items():
        size = path.stat().st_size / 1e6
        sys.stdout.write(f"{path} {'built' if new else 'unchanged'}, {size:.1f} MB\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
