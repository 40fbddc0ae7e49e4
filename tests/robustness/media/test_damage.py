"""Damaged files give what still plays or an error that says so; nothing else, and never a hang."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from media_factory import Media, number_of

from outofsync.errors import ErrorCode, OutOfSyncError
from outofsync.limits import Limits
from outofsync.media import Decoder

MUTATIONS = 60
CONTAINERS = {
    "mp4": ("libx264", "aac"),
    "matroska": ("libx264", "aac"),
    "avi": ("mpeg4", "pcm_s16le"),
    "mpeg": ("mpeg2video", "mp2"),
    "mpegts": ("libx264", "aac"),
}
EXPECTED = {
    ErrorCode.UNSUPPORTED_MEDIA,
    ErrorCode.CORRUPT_MEDIA,
    ErrorCode.NO_VIDEO,
    ErrorCode.NO_AUDIO,
    ErrorCode.TOO_SHORT,
    ErrorCode.TOO_LONG,
    ErrorCode.TOO_MANY_PIXELS,
    ErrorCode.DECODE_TIMEOUT,
}


def play(data: bytes) -> list[int]:
    """The numbers of the pictures shown; the child may be waited for at most 10 s."""
    with Decoder(data, Limits(decode_wall_s=10)) as decoder:
        shown = [number_of(frame) for batch in decoder.frames() for frame in batch]
        assert decoder.audio.dtype == np.int16
        return shown


def outcome(data: bytes) -> str:
    try:
        play(data)
    except OutOfSyncError as error:
        return error.code
    return "played"


def make(container: str, frames: int = 75) -> bytes:
    video, audio = CONTAINERS[container]
    return Media(container=container, video=video, audio=audio, sample_rate=48_000, frames=frames).to_bytes()


@pytest.mark.parametrize("share", [0.01, 0.3, 0.6, 0.8])
@pytest.mark.parametrize("container", ["mp4", "matroska", "avi"])
def test_a_file_cut_off_early_is_refused(container: str, share: float) -> None:
    data = make(container)
    with pytest.raises(OutOfSyncError) as caught:
        play(data[: int(share * len(data))])
    assert caught.value.code in {ErrorCode.CORRUPT_MEDIA, ErrorCode.UNSUPPORTED_MEDIA}


@pytest.mark.parametrize(("container", "share"), [("mpeg", 0.4), ("mpegts", 0.7)])
def test_streams_without_a_declared_end_play_as_far_as_they_go(container: str, share: float) -> None:
    data = make(container)
    shown = play(data[: int(share * len(data))])
    assert 25 < len(shown) < 75
    assert shown[:25] == list(range(25))


def test_a_few_damaged_bytes_are_tolerated() -> None:
    data = bytearray(make("mpegts"))
    middle = len(data) // 2
    data[middle : middle + 20] = bytes(20)
    assert len(play(bytes(data))) == 75


@pytest.mark.parametrize("container", ["mp4", "matroska"])
def test_random_mutations_give_a_result_or_an_error(container: str) -> None:
    random = np.random.default_rng(20_240_229)
    original = np.frombuffer(make(container, frames=30), np.uint8)
    outcomes: Counter[str] = Counter()
    for _ in range(MUTATIONS // 2):
        mutated = original.copy()
        places = random.integers(0, len(mutated), random.integers(1, 40))
        mutated[places] = random.integers(0, 256, len(places))
        outcomes[outcome(mutated.tobytes())] += 1
    assert set(outcomes) <= EXPECTED | {"played"}
    assert outcomes["played"], "mutations this small leave some files playable"
