"""The process that parses a stranger's file; its parent has it forked and never imports this."""

from __future__ import annotations

import mmap
import os
import traceback

# PyAV imports these late, when no file can be opened any more.
import av.subtitles.codeccontext
import av.subtitles.stream  # noqa: F401
from av.video.frame import VideoFrame

from outofsync.errors import ErrorCode, OutOfSyncError, Stage
from outofsync.media.grid import MICROSECONDS
from outofsync.media.picture import PictureConverter
from outofsync.media.playback import Playback
from outofsync.media.protocol import FILE, LINK, RING, Link, MediaInfo, Task
from outofsync.media.remux import encode
from outofsync.media.ring import SLOTS, attach, frames_per_slot
from outofsync.media.sandbox import restrict
from outofsync.media.source import Source
from outofsync.media.tracks import Wanted

MOST_GAPS = 64  # that are listed; a result is no place for more


def main(text: str) -> None:
    """Carry out one task and answer; every failure is an answer too."""
    task, link = Task.from_json(text), Link(LINK)
    memory = attach(RING, task.slot) if task.slot else None
    restrict(task.limits.decode_memory_bytes, task.cpu_s)
    link.send(started=True)  # what fails from here on may be the file's doing
    try:
        if memory is None:
            _encode(task, link)
        else:
            _play(task, link, memory)
    except (BrokenPipeError, ConnectionResetError, EOFError):
        pass  # the parent has lost interest
    except OutOfSyncError as error:
        link.send(error=error.to_dict())
    except MemoryError:
        _give_up(link, "Decoding this file needs more memory than is allowed.")
    except Exception as error:
        sentence = "The decoder stopped at something in this file that it does not understand."
        _give_up(link, sentence, trace=_trace(error))
    os._exit(0)  # FFmpeg's threads and buffers need no orderly end


def _give_up(link: Link, sentence: str, trace: str = "") -> None:
    error = OutOfSyncError(ErrorCode.CORRUPT_MEDIA, sentence, stage=Stage.DECODE)
    link.send(error=error.to_dict(), trace=trace)


def _trace(error: Exception) -> str:
    """Its kind and where it was raised, innermost last; not its words, which may quote the file."""
    frames = traceback.StackSummary.extract(traceback.walk_tb(error.__traceback__), lookup_lines=False)
    places = (f"{os.path.basename(one.filename)}:{one.lineno} {one.name}" for one in frames)  # noqa: PTH119
    return f"{type(error).__name__} at {', '.join(places)}"


def _play(task: Task, link: Link, memory: mmap.mmap) -> None:
    source = Source.open(task.kind, FILE, task.limits, _wanted(task))
    playback = Playback(source, task.limits, task.max_frames)
    converter = PictureConverter(
        playback.first, source.video.sample_aspect_ratio, source.cropping, task.limits
    )
    info = _info(task, source, playback, converter)
    link.send(
        info=info.to_dict(),
        shape=(converter.height, converter.width),
        turns=converter.turns,
        mirrored=converter.mirrored,
    )
    if task.action == "probe":
        return
    writer = _RingWriter(link, memory, task.slot, converter)
    for picture, repeats in playback.shown():
        if picture is None:
            writer.flush()
            link.send(missing=repeats)
            continue
        converted = converter.convert(picture)
        for _ in range(repeats):
            writer.add(converted)
    writer.flush()
    samples = playback.sound()
    link.send(samples, bytes=len(samples), damaged=source.damaged)


def _encode(task: Task, link: Link) -> None:
    first = Source.open(task.kind, FILE, task.limits, _wanted(task))
    origin_us = Playback(first, task.limits, None).sound_origin_us
    first.container.close()
    encode(first.again(FILE, task.limits, _wanted(task)), origin_us, task, link)


def _wanted(task: Task) -> Wanted:
    return Wanted(task.video_track, task.audio_track)


def _info(task: Task, source: Source, playback: Playback, converter: PictureConverter) -> MediaInfo:
    width, height = converter.upright
    return MediaInfo(
        container=task.kind.name,
        video_codec=source.video.codec_context.codec.canonical_name,
        audio_codec=source.audio.codec_context.codec.canonical_name,
        width=width,
        height=height,
        frame_rate=round(float(source.frame_rate), 3),
        duration_s=round(source.duration_us / 1e6, 3),
        rotation=converter.turns * 90,
        sample_rate=source.audio.rate,
        channels=source.audio.channels,
        bytes=task.bytes,
        mirrored=converter.mirrored,
        tracks=source.tracks,
        gaps=[
            {
                "start": _seconds(gap.start_us - playback.origin_us),
                "end": _seconds(gap.end_us - playback.origin_us),
                "missing": gap.missing,
            }
            for gap in source.timeline.gaps[:MOST_GAPS]
        ],
    )


def _seconds(time_us: int) -> float:
    return round(max(0, time_us) / MICROSECONDS, 3)


class _RingWriter:
    """Fills slots in turn; waits for the parent before a slot is used again."""

    def __init__(self, link: Link, memory: mmap.mmap, slot: int, converter: PictureConverter) -> None:
        self._link = link
        self._memory = memory
        self._slot = slot
        self._converter = converter
        self._capacity = frames_per_slot(converter.width, converter.height, slot)
        self._batches = 0
        self._filled = 0  # pictures in the current slot

    def add(self, converted: VideoFrame) -> None:
        if not self._filled and self._batches >= SLOTS:
            self._link.receive(1)
        offset = self._batches % SLOTS * self._slot + self._filled * self._converter.bytes
        self._converter.write(converted, self._memory, offset)
        self._filled += 1
        if self._filled == self._capacity:
            self.flush()

    def flush(self) -> None:
        if self._filled:
            self._link.send(frames=self._filled)
            self._batches += 1
            self._filled = 0
