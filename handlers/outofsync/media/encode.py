"""Write a video again: new pictures, the sound that the source had."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import chain

import numpy as np
from numpy.typing import NDArray

from outofsync.errors import ErrorCode, OutOfSyncError, Stage
from outofsync.limits import Limits
from outofsync.media.containers import check_file
from outofsync.media.process import ChildProcess
from outofsync.media.protocol import COUNT, END, Task

# Encoding is our own work and may take as long as it takes; this only stops a child that spins after its
# parent died.
CPU_PER_WALL = 100
ROOM = 1 << 20  # bytes that a file takes beside the pictures and the source's sound, at most


def encode_video(
    source: bytes | bytearray,
    frames: Iterable[NDArray[np.uint8]],
    limits: Limits | None = None,
    *,
    video_track: int | None = None,
    audio_track: int | None = None,
) -> bytes:
    """An mp4 (H.264, 25 frames/s) of these pictures with the source's sound.

    Sound that mp4 can hold is copied as it is; other sound becomes AAC. An odd last row or column is cut
    off, for H.264 stores colour at half the size.

    Args:
        source: the file whose sound is used; the first frame belongs to its first picture.
        frames: batches of uint8 (frames, height, width, 3) RGB, all of one size; read as encoding goes on.
        limits: for reading the source; each step may wait ``decode_wall_s``.
        video_track, audio_track: as the frames were decoded with; see :class:`~outofsync.media.Decoder`.

    Raises:
        OutOfSyncError: the source cannot be read, or there are no frames (``too_short``).
    """
    limits = limits or Limits()
    kind = check_file(source, limits)
    batches = iter(frames)
    first = next(batches, None)
    if first is None:
        raise OutOfSyncError(
            ErrorCode.TOO_SHORT, "There are no frames to make a video of.", stage=Stage.ENCODE
        )
    height, width = (side - side % 2 for side in first.shape[1:3])
    task = Task(
        action="encode",
        kind=kind,
        bytes=len(source),
        limits=limits,
        cpu_s=round(limits.decode_wall_s * CPU_PER_WALL) + 1,
        shape=(height, width),
        video_track=video_track,
        audio_track=audio_track,
    )
    with ChildProcess(task, source, limits.decode_wall_s, stage=Stage.ENCODE) as child:
        most = len(source) + ROOM
        for batch in chain([first], batches):
            _send(child, batch, height, width)
            most += batch.nbytes
        child.renew()
        child.send(END)
        count = child.receive().get("bytes")
        if type(count) is not int or not 0 < count <= most:
            raise child.nonsense()
        return bytes(child.receive_bytes(count))


def _send(child: ChildProcess, batch: NDArray[np.uint8], height: int, width: int) -> None:
    child.renew()
    child.send(COUNT.pack(len(batch)))
    child.send(np.ascontiguousarray(batch[:, :height, :width]).data.cast("B"))
