"""Honest files in unusual clothes, and files that change what they are midway."""

from __future__ import annotations

import io
import struct
from collections.abc import Callable
from fractions import Fraction

import av
import numpy as np

from samples.malformed.boxes import find, index_first
from samples.malformed.footage import X265, Footage, Writing

Make = Callable[[Footage], bytes]
STREAM = Writing(container="mpegts", video="libx264", audio="aac", sample_rate=48_000)

HONEST: dict[str, Make] = {
    "interlaced MPEG-2": Writing(
        container="mpeg",
        video="mpeg2video",
        audio="mp2",
        sample_rate=48_000,
        video_options={"flags": "+ildct+ilme"},
    ),
    "interlaced H.264": Writing(video_options={"x264-params": "interlaced=1"}),
    "10 bits, H.264": Writing(pixel_format="yuv420p10le"),
    "10 bits, H.265": Writing(video="libx265", pixel_format="yuv420p10le"),
    "HDR (PQ, BT.2020)": Writing(
        video="libx265",
        pixel_format="yuv420p10le",
        video_options={"x265-params": f"{X265}:colorprim=bt2020:transfer=smpte2084:colormatrix=bt2020nc"},
    ),
    "a colour matrix that scalers do not know": Writing(video_options={"x264-params": "colormatrix=YCgCo"}),
    "alpha, ProRes 4444": Writing(
        container="mov", video="prores_ks", audio="pcm_s16le", pixel_format="yuva444p10le"
    ),
    "alpha, VP9": Writing(
        container="webm", video="libvpx-vp9", audio="libopus", sample_rate=48_000, pixel_format="yuva420p"
    ),
    "4:4:4, H.264": Writing(pixel_format="yuv444p"),
    "grey, H.264": Writing(pixel_format="gray"),
    "one frame a second": Writing(rate=Fraction(1)),
    "fragments": Writing(container_options={"movflags": "+frag_keyframe+empty_moov+default_base_moof"}),
    "index last": Writing(),
    "index first": lambda footage: index_first(Writing()(footage)),
    "starts before zero": Writing(container="matroska", audio="flac", start_s=Fraction(-2)),
    "starts after a year": Writing(container="matroska", audio="flac", start_s=Fraction(31_536_000)),
}


def joined(*how: tuple[Writing, tuple[int, int] | None], footage: Footage) -> bytes:
    """Transport streams one after another, each in its own way."""
    parts = [way(footage.resized(*size) if size else footage) for way, size in how]
    return b"".join(parts)


def changing_size(footage: Footage) -> bytes:
    return joined((STREAM, None), (STREAM, (64, 320)), (STREAM, (16, 16)), footage=footage)


def growing_beyond(footage: Footage) -> bytes:
    """From small to larger than is allowed."""
    return joined((STREAM, None), (STREAM, (8192, 16)), footage=footage)


def changing_rate(footage: Footage) -> bytes:
    faster = Writing(container="mpegts", sample_rate=48_000, rate=Fraction(100))
    return joined((STREAM, None), (faster, None), footage=footage)


def changing_channels(footage: Footage) -> bytes:
    wide = Writing(container="mpegts", sample_rate=48_000, layout="5.1")
    slow = Writing(container="mpegts", sample_rate=22_050, layout="stereo")
    return joined((STREAM, None), (wide, None), (slow, None), footage=footage)


def with_numbers(value: float) -> Make:
    """Sound of floating-point numbers that are none, or none that are heard."""

    def make(footage: Footage) -> bytes:
        sound = footage.sound.copy()
        sound[len(sound) // 4 : len(sound) // 2] = value
        return Writing(container="mov", audio="pcm_f32le")(Footage(footage.pictures, sound))

    return make


def of_size(width: int, height: int) -> Make:
    """Real pictures of this size, four of them."""

    def make(footage: Footage) -> bytes:
        picture = np.zeros((height, width, 3), np.uint8)
        return Writing(audio="aac")(Footage((picture,) * 8, footage.sound[: 8 * 640]))

    return make


def declared_size(width: int, height: int) -> Make:
    """An mp4 that says so in its codec's entry; the pictures are as they are."""

    def make(footage: Footage) -> bytes:
        data = Writing()(footage)
        place = find(data, b"stsd").body + 8 + 32
        return data[:place] + struct.pack(">HH", width, height) + data[place + 4 :]

    return make


def pictures_of_another_codec(footage: Footage) -> bytes:
    """An mp4 that says H.265 of what is H.264."""
    data = Writing()(footage)
    return data.replace(b"avc1", b"hvc1").replace(b"avcC", b"hvcC")


def sound_of_another_codec(footage: Footage) -> bytes:
    """An mp4 that says AMR of what is AAC."""
    return Writing()(footage).replace(b"mp4a", b"samr", 1)


def a_hundred_tracks(footage: Footage) -> bytes:
    """A hundred tracks, of which the first two are as they should be."""
    file = io.BytesIO()
    with av.open(file, "w", format="matroska") as output:
        inner = av.open(io.BytesIO(Writing(container="matroska")(footage)), "r")
        own = {stream.index: output.add_stream_from_template(stream) for stream in inner.streams}
        streams = [output.add_stream("pcm_s16le", rate=8000, layout="mono") for _ in range(98)]
        for packet in inner.demux():
            if packet.dts is not None:
                packet.stream = own[packet.stream.index]
                output.mux(packet)
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 800), np.int16), format="s16", layout="mono")
        frame.sample_rate, frame.pts = 8000, 0
        for stream in streams:
            output.mux(stream.encode(frame))
    return file.getvalue()
