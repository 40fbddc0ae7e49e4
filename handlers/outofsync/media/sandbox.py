"""What the child gives up before it looks at a stranger's file. Linux only.

Resource limits hold against files that cost too much. Confinement (:mod:`outofsync.confinement`) holds
against a file that gets its own code to run: nothing is left within its reach but its descriptors.
SECURITY.md says what that rests on, and what is around the whole server besides.
"""

from __future__ import annotations

import resource

from outofsync.confinement import confine

# The file, the link to the parent, standard error, the ring, and FFmpeg's duplicate of the file.
OPEN_FILES = 5


def restrict(memory_bytes: int, cpu_s: int) -> None:
    """Confine this process, bound its memory and time, let no file grow and no more be open than are needed.

    To be called by the child on itself, while it has one thread and all that it is going to import. Raises
    OSError where that cannot be done.
    """
    confine()
    _limit(resource.RLIMIT_AS, memory_bytes)
    _limit(resource.RLIMIT_CPU, cpu_s, grace=1)
    _limit(resource.RLIMIT_CORE, 0)
    _limit(resource.RLIMIT_FSIZE, 0)
    _limit(resource.RLIMIT_NOFILE, OPEN_FILES)


def _limit(kind: int, value: int, grace: int = 0) -> None:
    """Set a limit for good; one that is lower already stays."""
    hard = resource.getrlimit(kind)[1]
    most = value + grace if hard == resource.RLIM_INFINITY else min(value + grace, hard)
    resource.setrlimit(kind, (min(value, most), most))
