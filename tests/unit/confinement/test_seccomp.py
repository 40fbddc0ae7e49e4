"""The filter as a program: what it answers to each call, on both architectures, run as the kernel does."""

from __future__ import annotations

import errno

import pytest

from outofsync.confinement import seccomp, system_calls
from outofsync.confinement.seccomp import ALLOW, ARCHITECTURES, DENY, ERROR, KILL, program

PROCESS = 4321
ABSENT = ERROR | errno.ENOSYS
EXECUTABLE, THREAD, OPEN_RELATIVE = 4, 0x10000, 0x1000


def answer(architecture: str, number: int, *arguments: int, audit: int | None = None) -> int:
    """What the program returns for a call."""
    words = {seccomp.NUMBER: number, seccomp.AUDIT: audit or ARCHITECTURES[architecture][1]}
    words |= {seccomp.ARGUMENTS + 8 * place: value for place, value in enumerate(arguments)}
    instructions, at, loaded = program(architecture, PROCESS), 0, 0
    while True:
        code, true, false, operand = instructions[at]
        at += 1
        if code == seccomp.RETURN:
            return operand
        if code == seccomp.LOAD:
            loaded = words.get(operand, 0)
            continue
        holds = {
            seccomp.EQUAL: loaded == operand,
            seccomp.AT_LEAST: loaded >= operand,
            seccomp.ANY_BIT: bool(loaded & operand),
        }[code]
        at += true if holds else false


def number(architecture: str, name: str) -> int:
    tables = system_calls
    for table in (tables.ALLOWED, tables.CHECKED, tables.ABSENT, tables.BARRED):
        if name in table:
            found = table[name][ARCHITECTURES[architecture][0]]
            assert found is not None
            return found
    raise LookupError(name)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
@pytest.mark.parametrize(
    ("name", "arguments", "wanted"),
    [
        ("read", (0,), ALLOW),
        ("exit_group", (), ALLOW),
        ("execve", (), KILL),
        ("socket", (2, 1), KILL),
        ("clone3", (), ABSENT),
        ("clone", (THREAD | 0x100,), ALLOW),
        ("clone", (17,), KILL),
        ("mmap", (0, 4096, 3), ALLOW),
        ("mmap", (0, 4096, EXECUTABLE | 1), DENY),
        ("mprotect", (0, 4096, EXECUTABLE), DENY),
        ("newfstatat", (0, 0, 0, OPEN_RELATIVE), ALLOW),
        ("newfstatat", (0, 0, 0, 0), DENY),
        ("fcntl", (0, 1030), ALLOW),
        ("fcntl", (0, 8), DENY),
        ("tgkill", (PROCESS, PROCESS, 6), ALLOW),
        ("tgkill", (1, 1, 9), KILL),
        ("prctl", (15,), ALLOW),
        ("prctl", (4,), DENY),
        ("prlimit64", (0,), ALLOW),
        ("prlimit64", (1,), DENY),
    ],
)
def test_calls_and_their_arguments(
    architecture: str, name: str, arguments: tuple[int, ...], wanted: int
) -> None:
    assert answer(architecture, number(architecture, name), *arguments) == wanted


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_what_is_in_no_list_is_not_permitted(architecture: str) -> None:
    assert answer(architecture, 9999) == DENY


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_no_call_is_in_two_lists(architecture: str) -> None:
    column = ARCHITECTURES[architecture][0]
    tables = (system_calls.ALLOWED, system_calls.CHECKED, system_calls.ABSENT, system_calls.BARRED)
    numbers = [found[column] for table in tables for found in table.values() if found[column] is not None]
    assert len(numbers) == len(set(numbers))


def test_calls_of_another_interface_end_the_process() -> None:
    assert answer("x86_64", 0, audit=0x40000003) == KILL, "32-bit calls bear other numbers"
    assert answer("x86_64", 0x40000000) == KILL, "and so do those of x32"
