"""The steps of confinement, in the order in which each may still be taken."""

from __future__ import annotations

import os
from contextlib import suppress

from outofsync.confinement import landlock, seccomp
from outofsync.confinement.kernel import ARCHITECTURE, system_call

NOBODY = 65_534  # the user, and the group, to whom nothing belongs
PRCTL = {"x86_64": 157}.get(ARCHITECTURE, 167)
NO_NEW_PRIVILEGES = 38


def confine() -> None:
    """Leave this process nothing but its memory, its threads and its descriptors, for good.

    To be called while it has one thread, after its imports. What the kernel lacks is left out
    (:func:`missing` tells); raises OSError where it has it and refuses.
    """
    _be_nobody()
    system_call(PRCTL, NO_NEW_PRIVILEGES, 1, 0, 0, 0)
    if version := landlock.version():
        landlock.restrict(version)
    if seccomp.is_available():
        seccomp.restrict()


def missing() -> list[str]:
    """What of it this machine lacks; empty where all is there."""
    lacking = []
    if not landlock.version():
        lacking.append("Landlock (Linux 5.13)")
    if not seccomp.is_available():
        lacking.append("seccomp filters (Linux 4.14 on x86_64 or aarch64)")
    return lacking


def warning() -> str:
    """A sentence about what lacks, empty where nothing does."""
    if not (lacking := missing()):
        return ""
    return (
        f"this machine lacks {' and '.join(lacking)}, or a container's or service's rules hide it: "
        "decoders of strangers' files are confined less than SECURITY.md says"
    )


def _be_nobody() -> None:
    """Where root started this, go on as a user to whom nothing belongs.

    In a container that has no such user, root goes on, and what it may do is taken from it by the rest.
    """
    if os.geteuid() == 0:
        with suppress(OSError):
            os.setgroups([])
            os.setresgid(NOBODY, NOBODY, NOBODY)
            os.setresuid(NOBODY, NOBODY, NOBODY)
