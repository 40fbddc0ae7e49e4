"""Landlock with no exception: nothing by path, no TCP, no abstract socket, no signal to others."""

from __future__ import annotations

import ctypes
import os

from outofsync.confinement.kernel import system_call

# The same numbers on every architecture.
CREATE_RULESET, RESTRICT_SELF = 444, 446
ASK_VERSION = 1
# Rights over files that each version of the interface knows; the later ones of the others.
FILE_RIGHTS = {1: 13, 2: 14, 3: 15, 5: 16}
NETWORK_SINCE, BIND_AND_CONNECT = 4, 0b11
SCOPES_SINCE, SOCKETS_AND_SIGNALS = 6, 0b11


class _Ruleset(ctypes.Structure):
    _fields_ = (("files", ctypes.c_uint64), ("network", ctypes.c_uint64), ("scopes", ctypes.c_uint64))


def version() -> int:
    """The interface's version, 0 where the kernel has none or does not let us ask."""
    try:
        return system_call(CREATE_RULESET, 0, 0, ASK_VERSION)
    except OSError:
        return 0


def restrict(known: int) -> None:
    """Forbid this thread, and those it starts, all that this version knows. Raises OSError."""
    rights = max(count for since, count in FILE_RIGHTS.items() if since <= known)
    ruleset = _Ruleset(
        (1 << rights) - 1,
        BIND_AND_CONNECT if known >= NETWORK_SINCE else 0,
        SOCKETS_AND_SIGNALS if known >= SCOPES_SINCE else 0,
    )
    descriptor = system_call(CREATE_RULESET, ctypes.addressof(ruleset), ctypes.sizeof(ruleset), 0)
    try:
        system_call(RESTRICT_SELF, descriptor, 0)
    finally:
        os.close(descriptor)
