"""What a TorchServe that has just started is made to load, and how it is asked."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from contextlib import suppress
from http import HTTPStatus
from pathlib import Path

from outofsync_client import OutOfSyncError
from outofsync_client.management import Management
from outofsync_client.protocol import NODES, WORKFLOW_ARCHIVE, archive_of
from serving.processes import POLL_S
from serving.rollout import Models
from serving.settings import ServeError
from serving.signing import SigningError, trust

LISTEN_S = 5.0  # for one look at whether it listens
ALREADY = (HTTPStatus.CONFLICT,)  # what is registered already is as good

# Seconds left; raises where waiting is in vain, as Java has ended or time is up.
Remaining = Callable[[], float]


def check_archives(state: Path, model_store: Path) -> None:
    """Raises :class:`ServeError` for archives that were altered since they were built."""
    try:
        if said := trust():
            sys.stderr.write(f"{said}\n")
        Models(state, model_store).verify_own()
    except SigningError as error:
        raise ServeError(str(error)) from None
    except OutOfSyncError as error:
        raise ServeError(f"{error.message}; build it again: make archives") from None


def wait_until_listening(management: Management, remaining: Remaining) -> None:
    """Until the management API answers as it should."""
    while True:
        with suppress(OutOfSyncError):
            management.call("GET", "workflows", timeout=LISTEN_S)
            return
        remaining()
        time.sleep(POLL_S)


def load_workflow(management: Management, remaining: Remaining, *, plain_models: bool) -> None:
    """Load the workflow and, beside it, the models that answer alone; until all are ready.

    Raises the management API's errors.
    """
    models = NODES if plain_models else ()
    for name in models:  # these load while the workflow does
        query = {"url": archive_of(name), "initial_workers": "1", "synchronous": "false"}
        management.call("POST", "models", query, timeout=remaining(), as_good=ALREADY)
    management.call("POST", "workflows", {"url": WORKFLOW_ARCHIVE}, timeout=remaining(), as_good=ALREADY)
    for name in models:
        while (loaded := management.version(name)) is None or not loaded.ready:
            remaining()
            time.sleep(POLL_S)


def renew_tokens(management: Management) -> None:
    """Let TorchServe make its tokens anew, in its key file; the management's own is the key for that."""
    for purpose in ("inference", "management"):
        management.tell("GET", "token", {"type": purpose})
