"""Spans hold the frames and the sound that a file would, late sound has one sign, and weights add up."""

from __future__ import annotations

import numpy as np
import pytest

from outofsync.clip import Clip, Track
from outofsync.frames import FrameStore, JpegFrames, RawFrames
from training.spans import (
    MAX_LATE,
    MAX_PACE,
    Sound,
    Span,
    balanced_weights,
    cut_frames,
    draw_span,
    excerpt,
    frames_of,
    in_place,
    inverse_frequency_weights,
    overlap,
    pieces,
    shifted,
    with_sound_shifted,
    with_sound_swapped,
)

FRAMES, START = 12, 4


def sound(frames: int, first: int = 0) -> Sound:
    """Every sample holds the number of its frame."""
    return np.repeat(np.arange(first, first + frames), 640).astype(np.int16)


def clip(frames: int, *, start: int = 0) -> Clip:
    """Every pixel holds the number of its frame; the face comes into view at ``start``."""
    numbers = np.arange(start, frames, dtype=np.uint8)
    pictures = numbers[:, None, None, None] * np.ones((1, 2, 2, 3), np.uint8)
    track = Track(0, start, RawFrames(pictures), np.zeros((len(pictures), 4), np.float32))
    return Clip([track], sound(frames))


def pair(made: Clip | None) -> tuple[list[int], list[int]]:
    """Frame numbers seen, and those heard."""
    assert made is not None
    frames = made.tracks[0].frames
    seen = frames.read(0, len(frames))[:, 0, 0, 0].tolist()
    return seen, made.audio[::640].tolist()


def store(*, coded: bool) -> FrameStore:
    """Frame t is all 10 · t."""
    pictures = np.arange(FRAMES, dtype=np.uint8)[:, None, None, None] * 10 + np.zeros((224, 224, 3), np.uint8)
    if not coded:
        return RawFrames(pictures)
    frames = JpegFrames()
    for picture in pictures:
        frames.append(picture)
    return frames


def numbers(frames: FrameStore) -> list[int]:
    return [round(float(frame.mean()) / 10) for frame in frames.read(0, len(frames))]


@pytest.fixture
def audio() -> Sound:
    """Of a whole video; one frame of it comes after the last picture."""
    return sound(START + FRAMES + 1)


@pytest.mark.parametrize("late", [-9, -2, 0, 3, 9])
def test_late_sound_has_one_sign_everywhere(late: int) -> None:
    """However a span gets its sound late, putting it in place by that much brings picture t to sound t."""
    by_hand, cut = Span.of(30, 60, late), shifted(0, 90, late, 90)
    assert cut is not None
    assert by_hand.seen - by_hand.heard / 640 == cut.seen - cut.heard / 640 == late
    seen, heard = pair(with_sound_shifted(clip(90), 30, 60, late))
    assert {one - other for one, other in zip(seen, heard, strict=True)} == {late}
    drawn = [draw_span(np.random.default_rng(seed), 60, 20, 1.0) for seed in range(400)]
    pace, begin, drawn_late = next(each for each in drawn if each[2] == late)
    seen_from = begin + drawn_late * pace
    made = clip(60)
    frames, put_back = in_place(
        cut_frames(made.tracks[0].frames, int(seen_from), int(seen_from) + 20),
        made.audio[int(begin) * 640 : int(begin + 20) * 640],
        start=0,
        late=drawn_late,
    )
    assert frames.read(0, len(frames))[:, 0, 0, 0].tolist() == put_back[::640].tolist()


@pytest.mark.parametrize("coded", [False, True])
@pytest.mark.parametrize("late", [-6, -4, -2, 1, 3])
def test_each_picture_gets_the_sound_that_came_late(*, coded: bool, late: int, audio: Sound) -> None:
    frames, put_back = in_place(store(coded=coded), audio, start=START, late=late)
    heard = put_back.reshape(-1, 640)[:, 0].tolist()
    assert [number + START + late for number in numbers(frames)] == heard
    assert len(frames) == FRAMES - max(0, -late - START, late - 1)


def test_sound_may_be_late_by_a_part_of_a_frame(audio: Sound) -> None:
    frames, put_back = in_place(store(coded=False), audio, start=START, late=0.875)
    assert len(frames) == FRAMES
    assert put_back[0] == START
    assert put_back[80] == START + 1  # an eighth of a frame later


def test_sound_in_place_goes_on_after_the_picture(audio: Sound) -> None:
    frames, put_back = in_place(store(coded=True), audio, start=START, late=0)
    assert (len(frames), put_back.size) == (FRAMES, (FRAMES + 1) * 640)


@pytest.mark.parametrize("late", [-40, 40])
def test_a_clip_may_be_put_beyond_its_sound(late: int, audio: Sound) -> None:
    frames, put_back = in_place(store(coded=True), audio, start=START, late=late)
    assert (len(frames), put_back.size) == (0, 0)


@pytest.mark.parametrize("coded", [False, True])
def test_cut_frames_read_like_those_they_were_cut_from(*, coded: bool) -> None:
    assert numbers(cut_frames(store(coded=coded), 3, 7)) == [3, 4, 5, 6]
    assert numbers(cut_frames(store(coded=coded), 10, 99)) == [10, 11]


def test_what_picture_and_sound_share() -> None:
    assert overlap((0, 30), (0, 30 * 640), 5) == Span(5, 0, 25)
    assert overlap((0, 30), (0, 30 * 640), -5) == Span(0, 5 * 640, 25)
    assert overlap((10, 30), (0, 99 * 640), 2.5) == Span(10, 7 * 640 + 320, 20)
    assert overlap((0, 30), (0, 30 * 640), 31).frames == 0


def test_an_excerpt_keeps_time() -> None:
    made = excerpt(clip(100, start=20), 10, 50)
    seen, heard = pair(made)
    assert (made.tracks[0].start, seen[0], seen[-1], len(made.tracks[0].boxes)) == (10, 20, 49, 30)
    assert (heard[0], heard[-1], frames_of(made)) == (10, 49, 40)


def test_a_face_out_of_view_is_not_in_an_excerpt() -> None:
    assert excerpt(clip(100, start=60), 0, 50).tracks == []


def test_pieces_are_full_but_for_a_last_one_that_is_long_enough() -> None:
    assert list(pieces(120, 55)) == [(0, 55), (55, 110)]
    assert list(pieces(54, 55)) == []
    assert list(pieces(85, 30, 25)) == [(0, 30), (30, 60), (60, 85)]
    assert list(pieces(84, 30, 25)) == [(0, 30), (30, 60)]


def test_a_shift_keeps_the_length_where_the_clip_goes_on() -> None:
    seen, heard = pair(with_sound_shifted(clip(100), 20, 75, 6))
    assert (seen[0], heard[0], len(seen), len(heard)) == (20, 14, 55, 55)
    seen, heard = pair(with_sound_shifted(clip(100), 0, 55, -6))
    assert (seen[0], heard[0], len(seen), len(heard)) == (0, 6, 55, 55)
    seen, heard = pair(with_sound_shifted(clip(100), 0, 55, 6))  # nothing before it: the picture goes on
    assert (seen[0], heard[0], len(seen), len(heard)) == (6, 0, 55, 55)


@pytest.mark.parametrize("late", [15, -15])
def test_a_shift_of_a_whole_clip_cuts_it(late: int) -> None:
    seen, heard = pair(with_sound_shifted(clip(60), 0, 60, late))
    assert len(seen) == len(heard) == 45
    assert seen[0] - heard[0] == late


def test_too_short_to_shift() -> None:
    assert with_sound_shifted(clip(20), 0, 20, 11) is None


def test_a_swap_takes_the_same_place_or_the_beginning() -> None:
    seen, heard = pair(with_sound_swapped(clip(110), 55, 110, sound(120, 1000)))
    assert (seen[0], heard[0], len(heard)) == (55, 1055, 55)
    seen, heard = pair(with_sound_swapped(clip(110), 55, 110, sound(80, 1000)))
    assert (seen[0], heard[0], len(heard)) == (55, 1000, 55)
    seen, heard = pair(with_sound_swapped(clip(110), 55, 110, sound(40, 1000)))
    assert (len(seen), len(heard)) == (40, 40)
    assert with_sound_swapped(clip(110), 55, 110, sound(20)) is None


@pytest.mark.parametrize("available", [24, 40, 200])
def test_drawn_spans_lie_within_their_clip(available: int) -> None:
    random = np.random.default_rng(1)
    drawn = [draw_span(random, available, 20, MAX_PACE) for _ in range(300)]
    for pace, heard, late in drawn:
        assert 1 / MAX_PACE <= pace <= MAX_PACE
        assert abs(late) <= MAX_LATE
        for first in (heard, heard + late * pace):
            assert -1e-9 <= first <= available - (19 * pace + 1) + 1e-9
    assert 0.2 < np.mean([pace == 1 for pace, _, _ in drawn]) < 0.4


def test_every_group_counts_alike_or_by_a_power_of_its_size() -> None:
    people = ["a", "a", "a", "b"]
    assert inverse_frequency_weights(people).tolist() == pytest.approx([1 / 3, 1 / 3, 1 / 3, 1])
    by_root = inverse_frequency_weights(people, 0.5)
    assert by_root[:3].sum() / by_root[3] == pytest.approx(3**0.5)
    by_length = np.array([10, 20, 30, 40]) * inverse_frequency_weights(people, 1.0, [10, 20, 30, 40])
    assert by_length[:3].sum() == pytest.approx(by_length[3])


def test_kinds_of_manipulation_count_alike() -> None:
    kinds = ["genuine", "genuine", "shifted", "shifted", "shifted", "swapped"]
    weights = balanced_weights(kinds, ["a", "b", "a", "a", "b", "a"], "genuine")
    assert weights.tolist() == pytest.approx([0.25, 0.25, 0.0625, 0.0625, 0.125, 0.25])
