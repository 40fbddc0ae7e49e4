"""Pictures in shared memory: the child fills one slot while the parent reads another.

The memory is an anonymous file of fixed size, sealed by the parent, so that a child gone wrong cannot
shrink it under the parent's feet. Pages that no picture needs are never allocated.
"""

from __future__ import annotations

import fcntl
import mmap
import os

from outofsync.constants import FRAME_RATE

CHANNELS = 3
SLOTS = 2
SLOT_BYTES = 32 * 1024 * 1024


def slot_bytes(working_side_px: int) -> int:
    """Bytes of one slot: at least one of the largest pictures."""
    return max(SLOT_BYTES, working_side_px**2 * CHANNELS)


def frames_per_slot(width: int, height: int, slot: int) -> int:
    """Pictures that travel together: a second at most, fewer when they are large."""
    return min(FRAME_RATE, slot // (width * height * CHANNELS))


class SharedRing:
    """The parent's ring: a context manager that owns the memory and the descriptor a child inherits."""

    def __init__(self, slot: int) -> None:
        self.slot = slot
        self.descriptor = os.memfd_create("outofsync-frames", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
        try:
            os.ftruncate(self.descriptor, SLOTS * slot)
            seals = fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SEAL
            fcntl.fcntl(self.descriptor, fcntl.F_ADD_SEALS, seals)
            self.memory = mmap.mmap(self.descriptor, SLOTS * slot)
        except BaseException:
            os.close(self.descriptor)
            raise

    def close(self) -> None:
        self.memory.close()
        os.close(self.descriptor)

    def __enter__(self) -> SharedRing:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()


def attach(descriptor: int, slot: int) -> mmap.mmap:
    """The child's view of a ring; the descriptor is closed."""
    try:
        return mmap.mmap(descriptor, SLOTS * slot)
    finally:
        os.close(descriptor)
