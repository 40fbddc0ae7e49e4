"""Pictures and sound on one time base, whatever the file's own rates and offsets are."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

import numpy as np
import pytest
from media_factory import ENCODER_OPTIONS, Media, click, click_time, number_of
from numpy.typing import NDArray

from outofsync.constants import FRAME_RATE, SAMPLE_RATE
from outofsync.limits import Limits
from outofsync.media import Decoder
from outofsync.media.grid import MICROSECONDS, REACH_US, FrameGrid, mean_delay_us

pytestmark = pytest.mark.slow  # every case codes and decodes a video


def decode(media: Media) -> tuple[list[int], NDArray[np.int16]]:
    with Decoder(media.to_bytes(), Limits()) as decoder:
        shown = [number_of(frame) for batch in decoder.frames() for frame in batch]
        return shown, decoder.audio


def is_nearest(shown: Sequence[int], times: Sequence[float]) -> bool:
    """Whether frame k shows the picture nearest to k/25 s, or one of two nearest.

    None is shown long before its time; what containers round is forgiven.
    """
    reach = REACH_US / MICROSECONDS + 1e-9
    for frame, number in enumerate(shown):
        moment = frame / FRAME_RATE
        nearest = min(abs(time - moment) for time in times if time <= moment + reach)
        if abs(times[number] - moment) > nearest + 0.0021:
            return False
    return True


@pytest.mark.parametrize("rate", [15, Fraction(24_000, 1001), 25, Fraction(30_000, 1001), 30, 50, 60])
@pytest.mark.parametrize("container", ["mp4", "matroska"])
def test_constant_rates(rate: Fraction | int, container: str) -> None:
    frames = int(2 * rate)
    shown, _ = decode(Media(container=container, rate=rate, frames=frames))
    assert len(shown) == pytest.approx(frames / rate * FRAME_RATE, abs=1)
    assert is_nearest(shown, [float(i / rate) for i in range(frames)])


def test_fifty_frames_a_second_gives_every_other_picture() -> None:
    shown, _ = decode(Media(rate=50, frames=100))
    assert shown == list(range(0, 100, 2))


def test_times_that_jitter_by_a_millisecond_map_one_to_one() -> None:
    jitter = np.random.default_rng(7).choice([-0.0005, 0.0, 0.0005], 75)
    shown, _ = decode(Media(frames=75, times=list(0.001 + np.arange(75) / 25 + jitter)))
    assert shown == list(range(75))


def test_variable_rate_holds_each_picture_for_its_time() -> None:
    times = [0.0, 0.04, 0.08, 0.5, 0.51, 0.52, 0.6, 1.0, 1.04, 1.08]
    shown, _ = decode(Media(container="matroska", frames=len(times), times=times, seconds=1.1))
    assert is_nearest(shown[:28], times)


@pytest.mark.parametrize("container", ["mp4", "matroska", "mpegts"])
@pytest.mark.parametrize(("video_start", "audio_start"), [(0.0, 0.0), (0.48, 0.0), (0.0, 0.36)])
def test_a_click_stays_with_its_picture(container: str, video_start: float, audio_start: float) -> None:
    """The click sounds at 1.2 s on the file's clock; the first picture is shown at ``video_start``."""
    media = Media(
        container=container,
        sample_rate=48_000,
        video_start=video_start,
        audio_start=audio_start,
        sound=click(1.2),
        seconds=2.4 - audio_start,
    )
    shown, sound = decode(media)
    assert shown == list(range(50))
    assert click_time(sound) == pytest.approx(1.2 - video_start, abs=0.002)
    assert len(sound) / SAMPLE_RATE == pytest.approx(2.4 - video_start, abs=0.03)


def test_sound_that_starts_late_is_preceded_by_silence() -> None:
    _, sound = decode(Media(audio="pcm_s16le", container="mov", audio_start=0.4, seconds=1.6))
    assert not sound[: int(0.39 * SAMPLE_RATE)].any()
    assert sound[int(0.41 * SAMPLE_RATE) :].any()


@pytest.mark.parametrize("b_frames", ["0", "3"])
def test_avi_keeps_sound_and_pictures_together(b_frames: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """AVI holds no presentation times; reordered pictures must not come late."""
    options = {"preset": "medium", "bf": b_frames}
    monkeypatch.setitem(ENCODER_OPTIONS, "libx264", options)
    shown, sound = decode(Media(container="avi", audio="pcm_s16le", sound=click(1.0)))
    assert shown == list(range(50))
    assert click_time(sound) == pytest.approx(1.0, abs=0.002)


@pytest.mark.parametrize("sample_rate", [8_000, 16_000, 22_050, 44_100, 96_000])
def test_resampling_moves_nothing(sample_rate: int) -> None:
    media = Media(
        container="mov", audio="pcm_s16le", sample_rate=sample_rate, sound=click(0.75), layout="stereo"
    )
    _, sound = decode(media)
    assert len(sound) == pytest.approx(2 * SAMPLE_RATE, abs=8)
    assert click_time(sound) == pytest.approx(0.75, abs=0.001)


class TestFrameGrid:
    def test_the_first_picture_is_not_due_before_time_passes(self) -> None:
        assert FrameGrid().until(0) == 0

    def test_a_millisecond_early_or_late_is_in_time(self) -> None:
        grid = FrameGrid()
        assert [grid.until(time) for time in (39_000, 81_000, 120_000)] == [1, 1, 1]
        assert grid.end(160_900) == 1

    def test_time_that_runs_backwards_shows_nothing_again(self) -> None:
        grid = FrameGrid()
        assert [grid.until(time) for time in (400_000, 80_000, 440_000)] == [9, 0, 2]

    def test_a_picture_that_is_held_for_long_gives_way_just_before_the_next(self) -> None:
        assert FrameGrid().until(1_000_000) == 24  # the last of them at 0.92 s

    def test_no_more_frames_than_were_asked_for(self) -> None:
        grid = FrameGrid(max_frames=3)
        assert grid.until(1_000_000) == 3
        assert grid.full
        assert grid.until(2_000_000) == 0


class TestMeanDelay:
    @pytest.mark.parametrize("rate", [15, 24_000 / 1001, 25, 30_000 / 1001, 30, 50, 60_000 / 1001])
    def test_the_nearest_picture_is_late_as_often_as_early(self, rate: float) -> None:
        assert mean_delay_us([round(i * 1e6 / rate) for i in range(int(20 * rate))]) == 0

    def test_what_is_left_is_measured(self) -> None:
        """At 12.5 a second every other frame has no nearest picture and shows the one before."""
        assert mean_delay_us(range(0, 4_000_000, 80_000)) == pytest.approx(20_000, abs=500)

    def test_pictures_that_are_held_do_not_count(self) -> None:
        pictures = range(0, 4_000_000, 40_000)
        assert mean_delay_us([*pictures, *(time + 9_000_000 for time in pictures)]) == 0
