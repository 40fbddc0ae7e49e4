"""How a stored picture is to be turned and mirrored, from the display matrix that goes with it."""

from __future__ import annotations

import math
import struct
from dataclasses import dataclass

from av.sidedata.sidedata import Type
from av.video.frame import VideoFrame

from outofsync.errors import ErrorCode, OutOfSyncError, Stage

RIGHT_ANGLE = 90
_MATRIX = struct.Struct("=9i")  # a b u / c d v / x y w: x' = ax + cy + x, y' = bx + dy + y
_SLANTED = 0.1  # cosine of the angle between what were rows and columns
_FLAT = 0.01  # sine of that angle: nothing is left of one direction


@dataclass(frozen=True, slots=True)
class Orientation:
    """Quarter turns counter-clockwise, and then whether left and right are exchanged."""

    turns: int = 0
    mirrored: bool = False


def orientation_of(picture: VideoFrame) -> Orientation:
    """What the picture's matrix asks for, to the nearest quarter turn; raises ``unsupported_media``."""
    stored = picture.side_data.get(Type.DISPLAYMATRIX)  # type: ignore[call-overload]  # not only names
    if stored is None or stored.buffer_size < _MATRIX.size:
        return Orientation()
    return orientation(_MATRIX.unpack(bytes(stored)[: _MATRIX.size]))


def orientation(matrix: tuple[int, ...]) -> Orientation:
    """From nine numbers of a display matrix, row by row; one that cannot be undone is ignored.

    Sizes in it are left to the stream's aspect ratio. Raises ``unsupported_media`` for a slanted picture.
    """
    a, b, _, c, d = matrix[:5]
    lengths = math.hypot(a, b) * math.hypot(c, d)
    if not lengths or abs(a * d - b * c) <= _FLAT * lengths:
        return Orientation()
    if abs(a * c + b * d) > _SLANTED * lengths:
        raise OutOfSyncError(
            ErrorCode.UNSUPPORTED_MEDIA,
            "The video asks for its picture to be shown slanted, which is not done here.",
            stage=Stage.PROBE,
            hint="Store the picture as it is: ffmpeg -display_rotation:v:0 0 -i INPUT OUTPUT.mp4",
        )
    mirrored = a * d - b * c < 0
    angle = -math.degrees(math.atan2(b, -a if mirrored else a))
    return Orientation(round(angle / RIGHT_ANGLE) % 4, mirrored)
