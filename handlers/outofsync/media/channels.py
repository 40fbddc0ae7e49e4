"""Which channel a voice is found in, where mixing them all would lose it. For the child only.

Channels in opposite phase cancel each other, and films put speech into the centre, with music around it. One
channel is followed beside the mix, and taken instead of it where that is so.
"""

from __future__ import annotations

from typing import Literal

from av.audio.frame import AudioFrame

CENTRE = "FC"
NAMELESS, THIRD = "NONE", 2  # where a file does not name five channels or more, the third is the centre
# The mix of two channels holds half the power of either, if they are not related, and more if they are alike.
CANCELLED = 1 / 16
# Power of the centre, of all that is heard: speech far below music is still speech.
AUDIBLE = 1 / 1000
_STRIDE = 17  # every such sample tells loudness; no round number, with which tones would be in step
_WORDS: dict[int, Literal["B", "h", "i", "q"]] = {
    1: "B",
    2: "h",
    4: "i",
    8: "q",
}  # to move samples of so many bytes


def channel_beside(frame: AudioFrame) -> int | None:
    """The channel that is to be followed beside the mix: the centre, or one of two; None for others."""
    names = [channel.name for channel in frame.layout.channels]
    if len(names) == 2:
        return 0
    if len(names) > 2 and CENTRE in names:
        return names.index(CENTRE)
    return THIRD if len(names) >= 5 and set(names) == {NAMELESS} else None


def one_channel(frame: AudioFrame, channel: int) -> AudioFrame:
    """One channel of a frame, as it is."""
    width, count = frame.format.bytes, len(frame.layout.channels)
    alone = AudioFrame(frame.format.name.removesuffix("p"), "mono", frame.samples)
    alone.sample_rate, alone.pts, alone.time_base = frame.sample_rate, frame.pts, frame.time_base
    plane = memoryview(frame.planes[channel if frame.format.is_planar else 0])
    if not frame.format.is_planar:
        plane = plane[: frame.samples * count * width].cast(_WORDS[width])[channel::count]
    samples = plane.tobytes()[: frame.samples * width]
    alone.planes[0].update(samples.ljust(alone.planes[0].buffer_size, b"\0"))
    return alone


def voice_of(mix: bytearray, beside: bytearray, channels: int) -> bytearray:
    """The mix or the channel beside it (float32 samples, both at one rate), whichever has the voice."""
    limit = CANCELLED if channels == 2 else 1 / AUDIBLE
    return beside if _power(mix) < limit * _power(beside) else mix


def _power(samples: bytearray) -> float:
    values = memoryview(samples).cast("f")[::_STRIDE]
    return sum(value * value for value in values)
