"""What the child gives up before it looks at a stranger's file. Linux only."""

from __future__ import annotations

import resource

# The file, the link to the parent, standard error, the ring, and FFmpeg's duplicate of the file.
OPEN_FILES = 5


def restrict(memory_bytes: int, cpu_s: int) -> None:
    """From here on: bounded memory and processor time, nothing written, no further file or socket opened."""
    resource.setrlimit(resource.RLIMIT_AS, (memory_bytes, memory_bytes))
    resource.setrlimit(resource.RLIMIT_CPU, (cpu_s, cpu_s + 1))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    resource.setrlimit(resource.RLIMIT_NOFILE, (OPEN_FILES, OPEN_FILES))
