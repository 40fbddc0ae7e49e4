"""Children that confine themselves as the decoder does, and then try what a stranger's code would.

``python trying_child.py TARGET ATTEMPTS``: attempts are a JSON list of (code, means to leave out); it writes
a list of (status, words) in the same order. Imports are made once; each attempt is made in a fork of its own,
whose descriptors are those of the decoder: 0 the file, 1 the link to the parent.
"""

from __future__ import annotations

import ctypes
import fcntl
import json
import mmap
import os
import resource
import socket
import subprocess
import sys
import termios
import threading

import av
import numpy as np

from outofsync.confinement import landlock, seccomp
from outofsync.media.sandbox import restrict

LIBRARY = ctypes.CDLL(None, use_errno=True)
# What attempts may name.
MEANS = (av, ctypes, fcntl, mmap, np, os, resource, socket, subprocess, termios, threading)


def failing(result: int) -> None:
    """Raise as Python does for what the C library answered."""
    if result < 0:
        raise OSError(ctypes.get_errno(), "failed")


def attempt(code: str, without: str, target: str) -> str:
    """Confine this process, try, and say what came of it."""
    if without == "seccomp":
        seccomp.is_available = lambda: False
    if without == "landlock":
        landlock.version = lambda: 0
    restrict(1 << 32, 60)
    names = {module.__name__: module for module in MEANS}
    try:
        exec(code, {**names, "library": LIBRARY, "failing": failing, "target": target})
    except OSError as error:
        return f"errno {error.errno}"
    except BaseException as error:
        return repr(error)
    return "done"


def tried(code: str, without: str, target: str) -> tuple[int, str]:
    """The status and the words of a child that tries this."""
    ours, theirs = os.pipe()
    process = os.fork()
    if process == 0:
        os.close(ours)
        os.dup2(theirs, 1)
        os.close(theirs)
        os.write(1, attempt(code, without, target).encode())
        os._exit(0)
    os.close(theirs)
    with os.fdopen(ours) as said:
        words = said.read()
    return os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]), words


if __name__ == "__main__":
    wanted = json.loads(sys.argv[2])
    sys.stdout.write(json.dumps([tried(code, without, sys.argv[1]) for code, without in wanted]))
