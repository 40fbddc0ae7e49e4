"""Whole files as recorders, editors and phones leave them: late, joined, cut, cropped, mirrored."""

from __future__ import annotations

import struct

import numpy as np
import pytest
from media_factory import Media, click, click_time, draw, number_of

from outofsync.constants import FRAME_RATE, SAMPLE_RATE
from outofsync.limits import Limits
from outofsync.media import Decoder, probe
from samples.malformed.footage import Footage
from samples.malformed.matroska import Matroska

pytestmark = pytest.mark.slow  # every case codes and decodes a video

FRAMES = 50


@pytest.mark.parametrize("start_s", [5, 3600])
def test_a_recording_that_starts_late_lasts_as_long_as_it_lasts(start_s: int) -> None:
    media = Media(container="matroska", video_start=start_s, audio_start=start_s, sound=click(start_s + 1.0))
    with Decoder(media.to_bytes(), Limits()) as decoder:
        assert sum(len(batch) for batch in decoder.frames()) == FRAMES
        assert click_time(decoder.audio) == pytest.approx(1.0, abs=0.03)
    assert decoder.info.duration_s == pytest.approx(2.0, abs=0.15)


def test_a_stream_joined_of_two_plays_both_each_with_its_own_sound() -> None:
    first = Media(container="mpegts", sound=click(1.0)).to_bytes()
    second = Media(container="mpegts", sound=click(0.6)).to_bytes()
    with Decoder(first + second, Limits()) as decoder:
        shown = [number_of(frame) for batch in decoder.frames() for frame in batch]
    assert [shown.count(number) for number in range(FRAMES)] == [2] * FRAMES
    assert shown[FRAMES:] == list(range(FRAMES))
    assert click_time(decoder.audio) == pytest.approx(1.0, abs=0.01)
    later = decoder.audio[int(1.5 * SAMPLE_RATE) :]
    assert click_time(later) + 1.5 == pytest.approx(FRAMES / FRAME_RATE + 0.6, abs=0.03)
    assert [gap["missing"] for gap in decoder.info.gaps] == ["time"]


def test_frames_that_a_recorder_left_out_are_no_frozen_face() -> None:
    times = [*np.arange(25) / 25, *(2.0 + np.arange(25) / 25)]
    with Decoder(Media(container="matroska", times=times, seconds=3.0).to_bytes(), Limits()) as decoder:
        batches = [(len(batch), decoder.missing, batch.any()) for batch in decoder.frames()]
    assert sum(count for count, missing, _ in batches if missing) == 25
    assert all(bool(seen) is not missing for _, missing, seen in batches)
    assert decoder.info.gaps == [{"start": 1.0, "end": 2.0, "missing": "picture"}]


def test_a_recording_that_begins_inside_a_packet_is_read() -> None:
    data = Media(container="mpegts", frames=FRAMES).to_bytes()
    assert probe(b"\0" * 100 + data, Limits()).container == "mpegts"


def test_a_recording_that_begins_inside_its_only_key_picture_is_shown_from_there() -> None:
    data = Media(container="mpegts", frames=FRAMES, sound=click(1.0)).to_bytes()
    first = next(at for at in range(0, len(data), 188) if data[at + 1] == 0x41 and data[at + 2] == 0)
    packet = data[first : first + 188]
    skip = 5 + packet[4] if packet[3] & 0x20 else 4
    pictures = packet[skip + 9 + packet[skip + 8] :]  # without the header in front of them
    filled = bytes([0x47, 0x01, 0x00, 0x30 | packet[3] & 15, 188 - 5 - len(pictures), 0])
    cut = (
        b"\xaa" * 77 + filled + b"\xff" * (188 - len(filled) - len(pictures)) + pictures + data[first + 188 :]
    )
    with Decoder(cut, Limits()) as decoder:
        shown = [number_of(frame) for batch in decoder.frames() for frame in batch]
    assert shown == list(range(FRAMES))
    assert click_time(decoder.audio) == pytest.approx(1.0, abs=0.03)


def test_few_frames_a_second_stay_with_their_sound() -> None:
    """At 12.5 a second half of all frames show the picture before; sound waits for them."""
    rate, at = 12.5, 1.2
    frames = int(2 * rate)
    media = Media(frames=frames, times=list(np.arange(frames) / rate), seconds=2.0, sound=click(at))
    with Decoder(media.to_bytes(), Limits()) as decoder:
        shown = [number_of(frame) for batch in decoder.frames() for frame in batch]
    seen = np.mean([frame / FRAME_RATE for frame, number in enumerate(shown) if number == round(at * rate)])
    middle = 0.5 / FRAME_RATE  # a frame is heard from its own time on
    assert click_time(decoder.audio) == pytest.approx(seen, abs=0.005 + middle / 10)


def test_an_aperture_is_kept_to() -> None:
    data = Media(container="mov", width=160, height=120, frames=10).to_bytes()
    # aperture 120 x 100, its middle 10 px to the right and 4 px below that of the picture
    crop = struct.pack(">I4s8i", 40, b"clap", 120, 1, 100, 1, 10, 1, 4, 1)
    with Decoder(data, Limits()) as decoder:
        whole = np.concatenate(list(decoder.frames()))
    path = [b"moov", b"trak", b"mdia", b"minf", b"stbl", b"stsd", b"avc1", b"avcC"]
    with Decoder(_with_box(data, path, crop), Limits()) as decoder:
        shown = np.concatenate(list(decoder.frames()))
    assert (decoder.info.width, decoder.info.height) == (120, 100)
    assert np.array_equal(shown, whole[:, 14:114, 30:150])


@pytest.mark.parametrize("cropped", [(16, 24, 8, 12), (0, 40, 0, 0), (3, 0, 5, 0)])
def test_what_matroska_crops_is_not_shown(cropped: tuple[int, int, int, int]) -> None:
    footage = Footage(tuple(draw(number, 160, 120) for number in range(10)), np.zeros(6400, np.float32))
    with Decoder(Matroska()(footage), Limits()) as decoder:
        whole = np.concatenate(list(decoder.frames()))
    with Decoder(Matroska(cropped=cropped)(footage), Limits()) as decoder:
        shown = np.concatenate(list(decoder.frames()))
    left, right, top, bottom = cropped
    assert (decoder.info.width, decoder.info.height) == (160 - left - right, 120 - top - bottom)
    assert np.array_equal(shown, whole[:, top : 120 - bottom, left : 160 - right])


def test_a_front_camera_s_picture_is_mirrored() -> None:
    data = Media(width=160, height=120, frames=10).to_bytes()
    straight = struct.pack(">9i", 1 << 16, 0, 0, 0, 1 << 16, 0, 0, 0, 1 << 30)
    mirror = struct.pack(">9i", -(1 << 16), 0, 0, 0, 1 << 16, 0, 160 << 16, 0, 1 << 30)
    at = data.index(straight, data.index(b"tkhd"))
    with Decoder(data, Limits()) as decoder:
        stored = np.concatenate(list(decoder.frames()))
    with Decoder(data[:at] + mirror + data[at + len(mirror) :], Limits()) as decoder:
        shown = np.concatenate(list(decoder.frames()))
    assert decoder.info.mirrored
    assert decoder.info.rotation == 0
    assert np.array_equal(shown, stored[:, :, ::-1])


def _with_box(data: bytes, path: list[bytes], box: bytes, start: int = 0, stop: int | None = None) -> bytes:
    """The file with a box put after the first one of this path; the boxes around it grow."""
    stop = len(data) if stop is None else stop
    at = start
    while at < stop:
        size, name = int.from_bytes(data[at : at + 4]), data[at + 4 : at + 8]
        if name == path[0] and len(path) == 1:
            return data[: at + size] + box + data[at + size :]
        if name == path[0]:
            fields = {b"stsd": 8, b"avc1": 78}.get(name, 0)
            data = _with_box(data, path[1:], box, at + 8 + fields, at + size)
            return data[:at] + struct.pack(">I", size + len(box)) + data[at + 4 :]
        at += size
    raise KeyError(path[0])
