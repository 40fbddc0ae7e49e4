"""Decoded pictures as RGB with square pixels and at most the working size."""

from __future__ import annotations

import mmap
from fractions import Fraction

import av
from av.video.frame import VideoFrame
from av.video.reformatter import VideoReformatter

from outofsync.errors import ErrorCode, OutOfSyncError, Stage
from outofsync.limits import Limits
from outofsync.media.description import Cropping
from outofsync.media.orientation import orientation_of
from outofsync.media.ring import CHANNELS

UNSPECIFIED = 2  # as a colour matrix: FFmpeg takes its default
MAX_ASPECT = 4  # pixels more oblong than this are a mistake in the file


def check_side(width: int, height: int, limits: Limits, stage: Stage) -> None:
    """Raises ``too_many_pixels`` for a picture with a side beyond the limit."""
    if max(width, height) > limits.side_px:
        raise OutOfSyncError(
            ErrorCode.TOO_MANY_PIXELS,
            f"The picture has {width} x {height} pixels; a side may have {limits.side_px}.",
            stage=stage,
        )


class PictureConverter:
    """Converts every picture of a file to the size that its first one decides.

    ``width`` and ``height`` are those of the stored orientation, without what the file crops; ``turns``
    quarter turns counter-clockwise, and then ``mirrored`` left and right, make the picture upright, which the
    reader of the ring does while it copies.
    """

    def __init__(
        self, first: VideoFrame, pixel_aspect: Fraction | None, cropping: Cropping, limits: Limits
    ) -> None:
        check_side(first.width, first.height, limits, Stage.PROBE)
        self._limits = limits
        self._reformatter = VideoReformatter()
        oriented = orientation_of(first)
        self.turns, self.mirrored = oriented.turns, oriented.mirrored
        stretch = Fraction(1)
        if pixel_aspect and Fraction(1, MAX_ASPECT) <= pixel_aspect <= MAX_ASPECT:
            stretch = pixel_aspect
        left, right, top, bottom = _shown(first, cropping)
        width, height = max(1, round((right - left) * stretch)), bottom - top
        self.upright = (height, width) if self.turns % 2 else (width, height)
        scale = min(1.0, limits.working_side_px / max(width, height))
        self.width, self.height = max(1, round(width * scale)), max(1, round(height * scale))
        # The whole picture is converted, and what is not to be shown is left out as it is written.
        across, down = self.width / (right - left), self.height / (bottom - top)
        self._left, self._top = round(left * across), round(top * down)
        self._whole = (
            self._left + self.width + round((first.width - right) * across),
            self._top + self.height + round((first.height - bottom) * down),
        )

    @property
    def bytes(self) -> int:
        return self.width * self.height * CHANNELS

    def convert(self, picture: VideoFrame) -> VideoFrame:
        """RGB by FFmpeg's defaults (the stream's matrix, bicubic); raises ``too_many_pixels``."""
        check_side(picture.width, picture.height, self._limits, Stage.DECODE)
        try:
            return self._rgb(picture)
        except av.FFmpegError:  # a matrix that FFmpeg's scaler does not know, or that nobody does
            picture.colorspace = UNSPECIFIED
            return self._rgb(picture)

    def _rgb(self, picture: VideoFrame) -> VideoFrame:
        return self._reformatter.reformat(picture, *self._whole, "rgb24", interpolation="BICUBIC", threads=1)

    def write(self, converted: VideoFrame, ring: mmap.mmap, offset: int) -> None:
        """Copy one converted picture into shared memory, without the padding of its rows."""
        plane = converted.planes[0]
        pixels, stride, row = memoryview(plane), plane.line_size, self.width * CHANNELS
        first = self._top * stride + self._left * CHANNELS
        if stride == row:
            ring[offset : offset + self.bytes] = pixels[first : first + self.bytes]
            return
        for index in range(self.height):
            ring[offset + index * row : offset + (index + 1) * row] = pixels[first + index * stride :][:row]


def _shown(picture: VideoFrame, cropping: Cropping) -> tuple[int, int, int, int]:
    """Left, right, top and bottom of what is to be shown; all of it where the file crops everything."""
    right, bottom = picture.width - cropping.right, picture.height - cropping.bottom
    if cropping.left < right and cropping.top < bottom:
        return cropping.left, right, cropping.top, bottom
    return 0, picture.width, 0, picture.height
