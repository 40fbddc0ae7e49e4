"""The model store: the folder of archives that TorchServe loads from."""

from __future__ import annotations

import hashlib
import json
import zipfile
from collections.abc import Iterator
from pathlib import Path

from outofsync_client.protocol import (
    MANIFEST,
    NODES,
    SUMS_FILE,
    WORKFLOW_ARCHIVE,
    archive_of,
)
from serving.rollout.errors import ArchiveError, UnknownVersionError
from serving.rollout.record import NodeVersion, Pipeline
from serving.signing import Keys, SigningError, check

OWN_ARCHIVES = (*map(archive_of, NODES), WORKFLOW_ARCHIVE)


class ModelStore:
    """One folder of archives.

    ``NODE.mar`` is what the workflow loads by itself; ``NODE-VERSION.mar`` is loaded beside it.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def archive(self, node: str, version: str) -> Path | None:
        """The archive of a version of a node, None where there is none."""
        named = self.path / archive_of(node, version)
        if named.is_file():
            return named
        own = self.path / archive_of(node)
        return own if own.is_file() and manifest_version(own) == version else None

    def versions(self) -> tuple[str, ...]:
        """Versions of which the store holds an archive to be loaded beside the workflow's own."""
        found = set()
        for node in NODES:
            for archive in self.path.glob(f"{node}-*.mar"):
                found.add(archive.stem[len(node) + 1 :])
        return tuple(sorted(found))

    def pipeline(self, version: str, *, beside: Pipeline | None) -> Pipeline:
        """The pipeline of a version; a node without an archive of it is as in ``beside``, which serves.

        Raises :class:`UnknownVersionError` where no node, or too few, have an archive of this version.
        """
        archives = {node: self.archive(node, version) for node in NODES}
        if not any(archives.values()):
            raise UnknownVersionError(f"{self.path} holds no archive of version {version}")
        nodes = {}
        for node, archive in archives.items():
            if archive is not None:
                nodes[node] = NodeVersion(version, archive.name, sha256_of(archive))
            elif beside is not None:
                nodes[node] = beside.node(node)
            else:
                raise UnknownVersionError(f"{self.path} holds no archive of {node} {version}")
        return Pipeline(**nodes)

    def own_pipeline(self) -> tuple[str, Pipeline]:
        """The version and the pipeline of the archives that the workflow loads by itself."""
        archives = {node: self.path / archive_of(node) for node in NODES}
        versions = {node: manifest_version(archive) for node, archive in archives.items()}
        nodes = {
            node: NodeVersion(versions[node], archive.name, sha256_of(archive))
            for node, archive in archives.items()
        }
        return versions[NODES[-1]], Pipeline(**nodes)

    def difference(self, node: NodeVersion) -> str:
        """How the archive in the store differs from the recorded one, in words; empty where it does not."""
        archive = self.path / node.archive
        if not archive.is_file():
            return f"{node.archive} is missing from {self.path}"
        found = sha256_of(archive)
        if found != node.sha256:
            return (
                f"{node.archive} in {self.path} is not the archive that was registered "
                f"(its SHA-256 is {found[:12]}…, {node.sha256[:12]}… is recorded)"
            )
        said = self.unsigned(archive)
        return said and f"{node.archive} in {self.path} is not to be trusted: {said}"

    def unsigned(self, path: Path) -> str:
        """Why no signature vouches for a file, in words; empty where one does, or none is asked for."""
        try:
            if trusted := Keys.of_environment().trusted():
                check(path, trusted)
        except SigningError as error:
            return str(error)
        return ""

    def sums(self) -> dict[str, str]:
        """What ``SHA256SUMS`` says: an archive's name, and its sum. Raises :class:`ArchiveError`."""
        try:
            return dict(parse_sums((self.path / SUMS_FILE).read_text(encoding="utf-8").splitlines()))
        except (OSError, ValueError):
            raise ArchiveError(f"{self.path / SUMS_FILE} cannot be read") from None


def parse_sums(lines: list[str]) -> Iterator[tuple[str, str]]:
    """Names and sums, as ``sha256sum`` writes them; raises ValueError for anything else."""
    for line in lines:
        digest, separator, name = line.partition("  ")
        if len(digest) != 64 or not separator or not name:
            raise ValueError(f"{line!r} is no line of sha256sum")
        yield name, digest


def manifest_version(archive: Path) -> str:
    """The version that an archive says it is; raises :class:`ArchiveError` where it says none."""
    try:
        with zipfile.ZipFile(archive) as file:
            return str(json.loads(file.read(MANIFEST))["model"]["modelVersion"])
    except (OSError, zipfile.BadZipFile, KeyError, ValueError, TypeError) as error:
        raise ArchiveError(f"{archive} does not say which version it is ({type(error).__name__})") from None


def sha256_of(path: Path) -> str:
    """The SHA-256 of a file's bytes, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
