"""What a worker gives up before it loads anything: whatever gets the better of it is to reach little."""

from __future__ import annotations

import os
import resource
from collections.abc import Mapping
from typing import Any

GIB = 1024**3
OWN_FILES_ONLY = 0o077


def apply_rlimits(settings: Mapping[str, Any], *, on_gpu: bool) -> None:
    """Bound this process and its children for good; ``settings`` are the archive's ``worker:`` section.

    ``address_space_gib``, ``open_files`` and ``processes`` (of this user, threads included; root is not bound
    by it) are limits, None for none. Core files, which would hold faces, are never written. On a graphics
    card the address space is left alone: CUDA reserves more of it than there is memory. Raises ValueError for
    an unknown setting.
    """
    chosen = dict(settings)
    address_space = chosen.pop("address_space_gib", None)
    if address_space is not None and not on_gpu:
        _limit(resource.RLIMIT_AS, int(address_space * GIB))
    for name, kind in (("open_files", resource.RLIMIT_NOFILE), ("processes", resource.RLIMIT_NPROC)):
        if (value := chosen.pop(name, None)) is not None:
            _limit(kind, int(value))
    if chosen:
        raise ValueError(f"unknown settings of a worker: {sorted(chosen)}")
    _limit(resource.RLIMIT_CORE, 0)
    os.umask(OWN_FILES_ONLY)


def _limit(kind: int, value: int) -> None:
    """Set a limit for good; one that is lower already stays."""
    hard = resource.getrlimit(kind)[1]
    bound = value if hard == resource.RLIM_INFINITY else min(value, hard)
    resource.setrlimit(kind, (bound, bound))
