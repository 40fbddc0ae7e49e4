"""What other packages add where they are installed, as entry points.

On the machine that serves, the package that does adds ``outofsync models``, and the versions that
:attr:`Client.models` rolls out; from elsewhere, :class:`~outofsync_client.management.Management` is the way.
"""

from __future__ import annotations

from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import TYPE_CHECKING, Any, Optional

if TYPE_CHECKING:
    from outofsync_client.versions import Versions

COMMANDS = "outofsync_client.commands"  # name: a word after `outofsync`; what it names: a click command
VERSIONS = "outofsync_client.versions"  # what it names: called with a state folder and a model store


def commands() -> dict[str, EntryPoint]:
    """The commands that are added to the command line, by name; each is imported once it is loaded."""
    return {point.name: point for point in _entry_points(COMMANDS)}


def versions_at(state: Path, model_store: Optional[Path] = None) -> Versions:
    """The versions of the pipeline of a server on this machine; its model store lies beside its folder.

    Raises LookupError where nothing that serves is installed.
    """
    for point in _entry_points(VERSIONS):
        versions: Versions = point.load()(state, model_store)
        return versions
    raise LookupError("versions are rolled out where the server is installed, and it is not installed here")


def _entry_points(group: str) -> tuple[EntryPoint, ...]:
    found: Any = entry_points()
    if hasattr(found, "select"):
        return tuple(found.select(group=group))
    return tuple(found.get(group, ()))  # Python 3.9
