"""System calls that neither Python nor the C library has a function for."""

from __future__ import annotations

import ctypes
import os
import platform

X86_64, AARCH64 = "x86_64", "aarch64"
ARCHITECTURE = platform.machine()

_LIBRARY = ctypes.CDLL(None, use_errno=True)
_LIBRARY.syscall.restype = ctypes.c_long


def system_call(number: int, *arguments: int) -> int:
    """Its result; addresses are numbers here. Raises OSError."""
    result: int = _LIBRARY.syscall(ctypes.c_long(number), *map(ctypes.c_long, arguments))
    if result < 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
    return result
