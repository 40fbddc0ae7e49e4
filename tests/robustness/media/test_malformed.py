"""Every file of the corpus comes to what its table says; none gets the better of the decoder's process."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby

import pytest

from outofsync.errors import DecoderDiedError, DecoderEnd, OutOfSyncError
from outofsync.limits import Limits
from outofsync.media import Decoder
from samples.malformed.corpus import CORPUS, READ, SECONDS, SIDE, File, truncated
from samples.malformed.footage import Footage

pytestmark = (
    pytest.mark.slow
)  # some two hundred files; make robustness takes all of them, through networks too

CUTS_LEFT_OUT = 9  # of ten places at which an mp4 is cut off
KINDS = {kind: list(files) for kind, files in groupby(CORPUS, key=lambda file: file.kind)}
GENERIC = "that it does not understand"


@pytest.fixture(scope="module")
def footage() -> Footage:
    return Footage.read(SECONDS, SIDE)


def outcome(data: bytes) -> str:
    """What comes of a file; a decoder that dies, or does not know why it stops, is no code."""
    try:
        with Decoder(data, Limits(decode_wall_s=30)) as decoder:
            for _ in decoder.frames():
                pass
    except DecoderDiedError as error:
        return error.code if error.how is DecoderEnd.TIMEOUT else error.message
    except OutOfSyncError as error:
        return error.message if GENERIC in error.message else error.code
    return READ


def wrong(files: Sequence[File], footage: Footage) -> dict[str, str]:
    """What came of each file of which something else was to come."""
    outcomes = [(file, outcome(file.make(footage))) for file in files if not file.costly]
    return {file.name: code for file, code in outcomes if code not in file.expected}


@pytest.mark.parametrize("kind", KINDS)
def test_every_malformed_file_comes_to_what_its_table_says(kind: str, footage: Footage) -> None:
    assert wrong(KINDS[kind], footage) == {}


def test_a_file_cut_off_at_any_box_is_read_or_refused(footage: Footage) -> None:
    assert wrong(list(truncated(footage))[:: CUTS_LEFT_OUT + 1], footage) == {}
