"""What serves is what was built, and what the roll-out record says: a start sees to both."""

from __future__ import annotations

from pathlib import Path

from outofsync_client import OutOfSyncError
from outofsync_client.models import Door, Management, Models
from serving.settings import ServeError


def check_archives(state: Path, model_store: Path) -> None:
    """To be called before anything is loaded; raises :class:`ServeError` for archives that were altered."""
    try:
        Models(state, model_store).verify_own()
    except OutOfSyncError as error:
        raise ServeError(f"{error.message}; build it again: make archives") from None


def restore_pipelines(state: Path, model_store: Path, url: str, token: str) -> tuple[str, ...]:
    """Load the recorded pipelines and let the promoted one serve; to be called once the workflow is loaded.

    ``url`` and ``token`` are of the management interface. Returns sentences for the log, about what is not as
    it was before. Raises :class:`ServeError` where the promoted pipeline cannot be served as it was
    registered.
    """
    management = Management(lambda: Door(url, token))
    try:
        return Models(state, model_store, management=management).restore()
    except OutOfSyncError as error:
        raise ServeError(str(error)) from None
