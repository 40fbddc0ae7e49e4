"""What is shipped, and under which licence: the pinned libraries, the page's, the weights.

Libraries say it themselves, in their metadata where they are installed (pins), or in the lock file (the
page's). What says nothing is named in ``KNOWN_OTHERWISE``, or it has no place here.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, metadata
from pathlib import Path

from packaging.requirements import Requirement

ROOT = Path(__file__).resolve().parent.parent
REQUIREMENTS = ROOT / "requirements" / "base.txt"
PAGE_LOCK = ROOT / "client" / "web" / "package-lock.json"
PROJECT_LICENCE = "MIT"
CLASSIFIER = "License :: "
KNOWN_OTHERWISE = {
    "cuda-toolkit": "LicenseRef-NVIDIA-Proprietary",  # a name for the libraries that it asks for
    "combine-errors": "MIT",  # its Readme says so, its metadata nothing
}
_HASH = re.compile(r"--hash=(sha256:[0-9a-f]{64})")


class UnpinnedError(Exception):
    """A line of the requirements lacks a version or a hash; the message names it."""


@dataclass(frozen=True, order=True)
class Part:
    """One library; ``expression`` where the licence is an SPDX expression rather than a name."""

    ecosystem: str  # pypi or npm
    name: str
    version: str
    licence: str  # empty where nothing says it
    expression: bool = False

    @property
    def purl(self) -> str:
        """The package URL, by which scanners know it."""
        return f"pkg:{self.ecosystem}/{self.name.replace('@', '%40')}@{self.version}"


def pins(requirements: Path = REQUIREMENTS) -> Iterator[tuple[str, str]]:
    """Names and versions that are installed here; raises :class:`UnpinnedError` for a line without hashes."""
    text = requirements.read_text(encoding="utf-8").replace("\\\n", " ")
    for line in text.splitlines():
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        requirement = Requirement(line.partition(" --hash=")[0].strip())
        exact = re.fullmatch(r"==([^,*]+)", str(requirement.specifier))
        if exact is None or not _HASH.search(line):
            raise UnpinnedError(f"{requirements.name}: {requirement.name} has no exact version with hashes")
        if requirement.marker is None or requirement.marker.evaluate():
            yield requirement.name, exact[1]


def libraries(requirements: Path = REQUIREMENTS) -> list[Part]:
    """The pinned libraries, with what their metadata says."""
    return [Part("pypi", name, version, *_licence_of(name)) for name, version in pins(requirements)]


def page_libraries(lock: Path = PAGE_LOCK) -> list[Part]:
    """What is built into the page; the tools that build it are left out."""
    packages = json.loads(lock.read_text(encoding="utf-8"))["packages"]
    shipped = {
        path.removeprefix("node_modules/"): values
        for path, values in packages.items()
        if path and not values.get("dev")
    }
    return [
        Part("npm", name, values["version"], values.get("license") or KNOWN_OTHERWISE.get(name, ""), True)
        for name, values in shipped.items()
    ]


def unlicensed(parts: Iterable[Part]) -> list[Part]:
    """Those that say nothing of a licence."""
    return [part for part in parts if not part.licence]


def _licence_of(name: str) -> tuple[str, bool]:
    """The licence as the installed package states it, and whether that is an SPDX expression."""
    try:
        said = metadata(name)
    except PackageNotFoundError:
        return "", False
    if expression := said.get_all("License-Expression"):
        return str(expression[0]), True
    classifiers = [word for word in said.get_all("Classifier") or () if word.startswith(CLASSIFIER)]
    if names := [word.rpartition(" :: ")[2] for word in classifiers]:
        return " / ".join(names), False
    lines = "\n".join(said.get_all("License") or ()).strip().splitlines()
    return (lines[0] if lines else KNOWN_OTHERWISE.get(name, "")), False
