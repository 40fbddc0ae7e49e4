"""What the child gives up before it looks at a stranger's file. Linux only.

These are resource limits. They hold against files that cost too much and libraries that open what a file
names; they do not hold a child that runs a file's own code. That can close one of its descriptors and open
another file or a socket instead, and delete, empty or rename what its user may. What stands in front of that
is around the whole server (config/systemd, config/container), and says so in SECURITY.md.
"""

from __future__ import annotations

import resource

# The file, the link to the parent, standard error, the ring, and FFmpeg's duplicate of the file.
OPEN_FILES = 5


def restrict(memory_bytes: int, cpu_s: int) -> None:
    """Bound memory and processor time for good, let no file grow, and no more be open than are needed.

    As long as those stay open, there is no number left for another file or socket.
    """
    resource.setrlimit(resource.RLIMIT_AS, (memory_bytes, memory_bytes))
    resource.setrlimit(resource.RLIMIT_CPU, (cpu_s, cpu_s + 1))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    resource.setrlimit(resource.RLIMIT_NOFILE, (OPEN_FILES, OPEN_FILES))
