"""A seccomp filter: which system calls go through, as a program that the kernel runs before each."""

from __future__ import annotations

import ctypes
import errno
import os
import struct
from collections.abc import Iterator

from outofsync.confinement.kernel import AARCH64, ARCHITECTURE, X86_64, system_call
from outofsync.confinement.system_calls import ABSENT, ALLOWED, BARRED, CHECKED, Numbers

# By architecture: its column in the tables, its name in the kernel's audit, the number of seccomp itself.
ARCHITECTURES = {X86_64: (0, 0xC000003E, 317), AARCH64: (1, 0xC00000B7, 277)}
OTHER_ABI = 0x40000000  # bit of the numbers of x86_64's second interface (x32)

SET_FILTER, ASK_ACTION = 1, 2
ALL_THREADS = 1
KILL, ALLOW, ERROR = 0x80000000, 0x7FFF0000, 0x00050000
DENY = ERROR | errno.EPERM

# The program's instructions: load a word of the call, jump on equality, order or a bit, return.
LOAD, EQUAL, AT_LEAST, ANY_BIT, RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
NUMBER, AUDIT, ARGUMENTS = 0, 4, 16  # offsets (bytes) in the call as a program sees it

PROT_EXEC = 4
CLONE_THREAD = 0x00010000
COPY, GET_FLAGS, SET_FLAGS, COPY_CLOSED = 0, 1, 2, 1030  # fcntl: F_DUPFD, F_GETFD, F_SETFD, F_DUPFD_CLOEXEC
GET_MODE = 3  # F_GETFL
AT_EMPTY_PATH = 0x1000
SET_NAME, GET_NAME = 15, 16  # prctl, of a thread

Instruction = tuple[int, int, int, int]  # code, jump where true, jump where false, operand


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("instructions", ctypes.c_char_p))


def is_available() -> bool:
    """Whether this kernel filters, and ends a process whose call is barred."""
    if ARCHITECTURE not in ARCHITECTURES:
        return False
    action = ctypes.c_uint32(KILL)
    try:
        system_call(ARCHITECTURES[ARCHITECTURE][2], ASK_ACTION, 0, ctypes.addressof(action))
    except OSError:
        return False
    return True


def restrict() -> None:
    """Filter this process's calls from now on, those of all its threads. Raises OSError."""
    instructions = [struct.pack("=HBBI", *instruction) for instruction in program(ARCHITECTURE, os.getpid())]
    filtering = _Program(len(instructions), b"".join(instructions))
    number = ARCHITECTURES[ARCHITECTURE][2]
    system_call(number, SET_FILTER, ALL_THREADS, ctypes.addressof(filtering))


def program(architecture: str, process: int) -> list[Instruction]:
    """The filter of one process."""
    column, audit, _ = ARCHITECTURES[architecture]
    found = [(LOAD, 0, 0, AUDIT), (EQUAL, 1, 0, audit), _returns(KILL), (LOAD, 0, 0, NUMBER)]
    if architecture == X86_64:
        found += [(AT_LEAST, 0, 1, OTHER_ABI), _returns(KILL)]
    for calls, result in ((ALLOWED, ALLOW), (ABSENT, ERROR | errno.ENOSYS), (BARRED, KILL)):
        for number in _numbers(calls, column):
            found += [(EQUAL, 0, 1, number), _returns(result)]
    for name, check in _checks(process).items():
        checked = CHECKED[name][column]
        assert checked is not None, "every architecture has these"
        found += [(EQUAL, 0, len(check), checked), *check]
    return [*found, _returns(DENY)]


def _checks(process: int) -> dict[str, list[Instruction]]:
    """What is looked at in the arguments of a call."""
    return {
        # Code comes from the libraries that are loaded already, and is not written anew.
        "mmap": _where_no_bit(2, PROT_EXEC),
        "mprotect": _where_no_bit(2, PROT_EXEC),
        # Threads are welcome; another process is not.
        "clone": [_loads(0), (ANY_BIT, 0, 1, CLONE_THREAD), _returns(ALLOW), _returns(KILL)],
        # A descriptor's owner would be sent signals.
        "fcntl": _where(1, (COPY, COPY_CLOSED, GET_FLAGS, SET_FLAGS, GET_MODE)),
        # How the C library asks about a descriptor. A path could stand there; it would tell its size.
        "newfstatat": _where(3, (AT_EMPTY_PATH,)),
        "prctl": _where(0, (SET_NAME, GET_NAME)),
        "prlimit64": _where(0, (0,)),
        # So that a library's abort ends this process as one.
        "tgkill": _where(0, (process,), otherwise=KILL),
    }


def _where(argument: int, values: tuple[int, ...], otherwise: int = DENY) -> list[Instruction]:
    """Allow a call with one of these as its argument (the low word, all that the kernel looks at here)."""
    tests = [part for value in values for part in ((EQUAL, 0, 1, value), _returns(ALLOW))]
    return [_loads(argument), *tests, _returns(otherwise)]


def _where_no_bit(argument: int, bits: int) -> list[Instruction]:
    return [_loads(argument), (ANY_BIT, 0, 1, bits), _returns(DENY), _returns(ALLOW)]


def _loads(argument: int) -> Instruction:
    return LOAD, 0, 0, ARGUMENTS + 8 * argument


def _returns(result: int) -> Instruction:
    return RETURN, 0, 0, result


def _numbers(calls: Numbers, column: int) -> Iterator[int]:
    return (number for numbers in calls.values() if (number := numbers[column]) is not None)
