"""Bands of size and sharpness, and families of generators: what is compared with what."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import pairwise

from training.evaluation.judging import Subject

SIZES = (170, 230)  # px of the face in its video: thirds of what there is
SHARPNESSES = (0.16, 0.185, 0.21)  # of face crops (outofsync.deblur.sharpness): quarters
# What follows a generator's name: how it was used, and which version it is.
_USE = re.compile(r"\s*[(+:].*")
_VERSION = re.compile(r"[-\s]?[vV]?\d+(\.\d+)?$")


def _names(edges: Sequence[float], name: str, unit: str) -> tuple[str, ...]:
    between = [f"{name} {low:g} to {high:g}{unit}" for low, high in pairwise(edges)]
    return (f"{name} below {edges[0]:g}{unit}", *between, f"{name} from {edges[-1]:g}{unit}")


SIZE_BANDS = _names(SIZES, "face", " px")
SHARPNESS_BANDS = _names(SHARPNESSES, "sharpness", "")


def size_band(subject: Subject) -> str:
    return SIZE_BANDS[sum(subject.face_px >= edge for edge in SIZES)]


def sharpness_band(subject: Subject) -> str:
    return SHARPNESS_BANDS[sum(subject.sharpness >= edge for edge in SHARPNESSES)]


def both_bands(subject: Subject) -> str:
    """The group within which a picture gives nothing away by its size and sharpness."""
    return f"{size_band(subject)}, {sharpness_band(subject)}"


def family_of(generator: str) -> str:
    """What one group made: Hallo and Hallo2, Wav2Lip and Wav2Lip(-GAN)."""
    name = _USE.sub("", generator) or generator
    return _VERSION.sub("", name) or name
