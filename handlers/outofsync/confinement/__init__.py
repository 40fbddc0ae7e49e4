"""What a process gives up for good before it reads what a stranger sent. Linux only.

:func:`confine` leaves it its own memory, threads, clock and descriptors, whatever code comes to run in it:
no path can be opened, no socket made, no process started, signalled or looked into. Two of the kernel's own
means, each of which would do for most of that: Landlock (files, addresses, signals) and a seccomp filter
(system calls). Both are a few system calls, made by hand: archives hold no library that a system would have
to bring.
"""

from outofsync.confinement.confining import confine, missing, warning

__all__ = ["confine", "missing", "warning"]
