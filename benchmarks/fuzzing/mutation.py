"""Inputs made of others by chance: the same seed and number give the same bytes on every machine."""

from __future__ import annotations

import random
import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass

# Numbers at which readers slip: nothing, the ends of signed and unsigned, and one beyond.
EDGES = (0, 1, 0x7F, 0x80, 0xFF, 0x7FFF, 0x8000, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF)
FORMATS = (">B", ">H", "<H", ">I", "<I", ">Q", "<Q")
CHANGES = (1, 1, 1, 2, 4, 8)  # of an input: mostly so few that it is still read
LONGEST_PIECE = 64
LONGEST = 1 << 20  # bytes that an input may grow to

Change = Callable[[random.Random, bytearray], None]


@dataclass(frozen=True)
class Mutator:
    """Mutates ``seeds``; ``tokens`` are words of the format, put in here and there."""

    seeds: Sequence[bytes]
    tokens: Sequence[bytes] = ()
    seed: int = 0

    def __call__(self, number: int) -> bytes:
        """The ``number``-th input."""
        chance = random.Random(f"{self.seed}/{number}")
        data = bytearray(chance.choice(self.seeds))
        changes = [_flip, _overwrite, _edge, _remove, _repeat, self._splice]
        if self.tokens:
            changes.append(self._insert_token)
        for _ in range(chance.choice(CHANGES)):
            chance.choice(changes)(chance, data)
        return bytes(data[:LONGEST])

    def _insert_token(self, chance: random.Random, data: bytearray) -> None:
        at = chance.randint(0, len(data))
        token = chance.choice(self.tokens)
        data[at : at + (len(token) if chance.random() < 0.5 else 0)] = token

    def _splice(self, chance: random.Random, data: bytearray) -> None:
        """Go on as another seed does."""
        other = chance.choice(self.seeds)
        data[chance.randint(0, len(data)) :] = other[chance.randint(0, len(other)) :]


def _flip(chance: random.Random, data: bytearray) -> None:
    if data:
        data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)


def _overwrite(chance: random.Random, data: bytearray) -> None:
    at = chance.randint(0, len(data))
    piece = chance.randbytes(chance.choice((1, 2, 4, 16, LONGEST_PIECE)))
    data[at : at + len(piece)] = piece


def _edge(chance: random.Random, data: bytearray) -> None:
    """One of the numbers at which readers slip, in one of the ways in which formats write them."""
    form = chance.choice(FORMATS)
    size = struct.calcsize(form)
    at = chance.randint(0, max(0, len(data) - size))
    data[at : at + size] = struct.pack(form, chance.choice(EDGES) % (1 << 8 * size))


def _remove(chance: random.Random, data: bytearray) -> None:
    at = chance.randint(0, len(data))
    most = chance.choice((1, 8, max(1, len(data) // 4)))
    del data[at : at + chance.randint(1, most)]


def _repeat(chance: random.Random, data: bytearray) -> None:
    at = chance.randint(0, len(data))
    piece = data[at : at + chance.randint(1, LONGEST_PIECE)]
    data[at:at] = piece * chance.randint(1, 16)
