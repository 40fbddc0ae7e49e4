"""Times as files have them, put on one line: by packets alone, without any file."""

from __future__ import annotations

from collections.abc import Iterable

import pytest

from outofsync.media.grid import MICROSECONDS
from outofsync.media.timeline import WRAP_US, Gap, Stamps, Timeline, TimesError

PICTURE, SOUND = 40_000, 64_000  # how long a packet is


def timeline(*parts: tuple[Iterable[int], Iterable[int]]) -> Timeline:
    """The times of pictures and of sound of each part, interleaved as a recorder would."""
    video, audio = Stamps(pictures=True), Stamps(pictures=False)
    place = 0
    for pictures, sound in parts:
        both = [(time, video, PICTURE) for time in pictures] + [(time, audio, SOUND) for time in sound]
        for index, (time, stamps, lasts) in enumerate(sorted(both, key=lambda one: one[0])):
            stamps.add(place, time, lasts, key=index == 0)
            place += 1
    return Timeline(video, audio)


def part(start: int, seconds: float = 4.0) -> tuple[range, range]:
    """Pictures and sound from ``start`` on."""
    end = start + round(seconds * MICROSECONDS)
    return range(start, end, PICTURE), range(start, end, SOUND)


def apart(line: Timeline, picture: int, sound: int) -> int:
    """How much later on the line one packet of sound is than a picture."""
    video = line.video.times[picture] + list(line.video.offsets())[picture]
    audio = line.audio.times[sound] + list(line.audio.offsets())[sound]
    return audio - video


def test_an_ordinary_file_is_left_as_it_is() -> None:
    line = timeline(part(0))
    assert not line.moved
    assert not line.gaps
    assert line.length_us == pytest.approx(4 * MICROSECONDS, abs=SOUND)


@pytest.mark.parametrize("start_s", [5, 3600, -1])
def test_a_late_start_is_no_length(start_s: int) -> None:
    line = timeline(part(start_s * MICROSECONDS))
    assert not line.moved
    assert line.length_us == pytest.approx(4 * MICROSECONDS, abs=SOUND)


@pytest.mark.parametrize("second", [0, 3600 * MICROSECONDS, -7 * MICROSECONDS])
def test_joined_parts_follow_each_other_each_with_its_own_sound(second: int) -> None:
    line = timeline(part(0), part(second))
    assert line.length_us == pytest.approx(8 * MICROSECONDS, abs=2 * SOUND)
    assert line.picture_times == sorted(line.picture_times)
    assert max(b - a for a, b in zip(line.picture_times, line.picture_times[1:], strict=False)) <= 2 * SOUND
    assert apart(line, 100, 63) == apart(line, 0, 0) == 0
    assert [gap.missing for gap in line.gaps] == ["time"]


def test_sound_of_the_second_part_may_come_before_the_last_picture_of_the_first() -> None:
    """Transport streams interleave loosely."""
    video, audio = Stamps(pictures=True), Stamps(pictures=False)
    for place, time in enumerate(range(0, 4_000_000, PICTURE)):
        video.add(2 * place, time, PICTURE, key=not place)
        video_end = 2 * place
    for place, time in enumerate(range(0, 4_000_000, SOUND)):
        audio.add(3 * place + 1, time, SOUND, key=True)
    for place, time in enumerate(range(0, 4_000_000, SOUND)):
        audio.add(video_end - 5 + 3 * place, time, SOUND, key=True)
    for place, time in enumerate(range(0, 4_000_000, PICTURE)):
        video.add(video_end + 1 + 2 * place, time, PICTURE, key=not place)
    line = Timeline(video, audio)
    assert apart(line, 100, 63) == 0


def test_a_clock_that_wraps_goes_on() -> None:
    before = WRAP_US - 2 * MICROSECONDS
    pictures = [time % WRAP_US for time in range(before, before + 4_000_000, PICTURE)]
    sound = [time % WRAP_US for time in range(before, before + 4_000_000, SOUND)]
    video, audio = Stamps(pictures=True), Stamps(pictures=False)
    for place, time in enumerate(pictures):
        video.add(2 * place, time, PICTURE, key=time < PICTURE)
    for place, time in enumerate(sound):
        audio.add(3 * place + 1, time, SOUND, key=True)
    line = Timeline(video, audio)
    assert line.length_us == pytest.approx(4 * MICROSECONDS, abs=SOUND)
    assert not line.gaps


def test_one_packet_with_a_wild_time_moves_nothing_else() -> None:
    pictures = list(range(0, 4_000_000, PICTURE))
    pictures[50] += 5 * 3600 * MICROSECONDS
    video, audio = Stamps(pictures=True), Stamps(pictures=False)
    for place, time in enumerate(pictures):
        video.add(2 * place, time, PICTURE, key=not place)
    for place, time in enumerate(range(0, 4_000_000, SOUND)):
        audio.add(3 * place + 1, time, SOUND, key=True)
    line = Timeline(video, audio)
    assert line.length_us == pytest.approx(4 * MICROSECONDS, abs=SOUND)
    assert apart(line, 99, 61) == 61 * SOUND - 99 * PICTURE


def test_what_was_left_of_another_recording_is_not_heard() -> None:
    stray = range(90_000 * MICROSECONDS, 90_000 * MICROSECONDS + 3 * SOUND, SOUND)
    line = timeline(((), stray), part(0))
    assert line.length_us < 7 * MICROSECONDS
    assert apart(line, 0, 3) == 0


def test_time_without_pictures_is_a_gap_and_a_slide_show_is_none() -> None:
    sound = range(0, 4_000_000, SOUND)
    line = timeline(([*range(0, 1_000_000, PICTURE), *range(3_000_000, 4_000_000, PICTURE)], sound))
    assert line.gaps == [Gap(1_000_000, 3_000_000, "picture")]
    assert not timeline((range(0, 4_000_000, 1_000_000), sound)).gaps


def test_time_without_sound_is_a_gap() -> None:
    sound = [*range(0, 1_024_000, SOUND), *range(3_072_000, 4_000_000, SOUND)]
    line = timeline((range(0, 4_000_000, PICTURE), sound))
    assert line.gaps == [Gap(1_024_000, 3_072_000, "sound")]


def test_a_picture_held_for_long_beside_sound_that_goes_on_is_no_jump() -> None:
    pictures = [0, PICTURE, 2 * PICTURE, 20_000_000, 20_040_000]
    line = timeline((pictures, range(0, 21_000_000, SOUND)))
    assert not line.moved


def test_times_that_run_backwards_all_along_make_no_sense() -> None:
    with pytest.raises(TimesError):
        timeline(*(((-place * 2 * MICROSECONDS,), ()) for place in range(5_000)))
