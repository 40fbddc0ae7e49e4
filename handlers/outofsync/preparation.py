"""From a video file to a clip of face crops and sound."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from torch.nn import functional as F

from outofsync.clip import Clip, Track
from outofsync.constants import FACE_SIZE, FRAME_RATE, MAX_DELAY, SAMPLES_PER_FRAME, WINDOW_FRAMES
from outofsync.faces import FaceDetector, FaceTracker
from outofsync.faces.tracker import Measure
from outofsync.frames import Frames, RawFrames
from outofsync.limits import Limits
from outofsync.media import Decoder
from outofsync.options import Options
from outofsync.progress import NOBODY, Progress, Step
from outofsync.reasons import Reason, StatedReason
from outofsync.spool import SpoolFile
from outofsync.timing import Stopwatch


def prepare(
    data: bytes | bytearray,
    options: Options,
    limits: Limits,
    detector: FaceDetector,
    *,
    file: SpoolFile | None = None,
    measure: Measure | None = None,
    progress: Progress = NOBODY,
    foresee: Callable[[float], None] | None = None,
) -> Clip:
    """Decode a file and cut what ``options.mode`` looks at.

    Crops are kept in ``file`` where one is given; ``measure`` says how sharp each one is. ``foresee`` is
    called now and then, with the share of a video (above 0) that has been looked at.

    Raises :class:`~outofsync.errors.OutOfSyncError` for a file that cannot be read or breaks a limit, and
    :class:`~outofsync.progress.AbandonedError`. A readable video without a face is no error: its clip has no
    tracks and says why.
    """
    progress.tell(Step.DECODE)
    watch = Stopwatch()
    with watch.stage("digest"):
        digest = hashlib.sha256(data).hexdigest()
    if options.mode == "reference":
        clip = _reference(data, options, limits, measure, watch)
    else:
        tracker = FaceTracker(
            detector, most_tracks=limits.face_tracks, store=file, measure=measure, watch=watch
        )
        clip = _full(data, options, limits, tracker, watch, progress, foresee)
    clip.reasons = [*_of_the_file(clip.media), *clip.reasons]
    clip.options = options
    clip.digest = digest
    clip.timing_ms |= watch.timing_ms
    return clip


def _of_the_file(media: Mapping[str, Any]) -> list[StatedReason]:
    """What the file holds that was not judged."""
    tracks = [track for track in media["tracks"] if not track["still"]]
    left_out = Reason.TRACKS_LEFT_OUT.stated if any(not track["judged"] for track in tracks) else None
    gaps = Reason.GAPS.stated if media["gaps"] else None
    return [reason for reason in (left_out, gaps) if reason is not None]


def _full(
    data: bytes | bytearray,
    options: Options,
    limits: Limits,
    tracker: FaceTracker,
    watch: Stopwatch,
    progress: Progress,
    foresee: Callable[[float], None] | None,
) -> Clip:
    """Every face of the whole video."""
    scale = 1.0
    seen = 0
    with watch.stage("decode"):
        opened = Decoder(data, limits, video_track=options.video_track, audio_track=options.audio_track)
    with opened as decoder:
        expected = max(1.0, decoder.info.duration_s * FRAME_RATE)
        progress.expect(Step.FACES, expected)
        for chunk in watch.each("decode", decoder.frames()):
            if foresee is not None and seen:
                foresee(min(1.0, seen / expected))
            progress.tell(Step.FACES, seen / expected)
            seen += len(chunk)
            with watch.stage("track"):
                if decoder.missing:
                    tracker.skip(len(chunk))
                else:
                    tracker.push(chunk)
                scale = decoder.info.width / chunk.shape[2]  # large pictures arrive scaled down
        with watch.stage("track"):
            tracks = tracker.finish()
        for track in tracks:
            track.boxes *= scale
        clip = Clip(tracks, decoder.audio, media=decoder.info.to_dict())
    if not tracks:
        clip.reasons.append(Reason.NO_FACE.stated)
    if tracker.dropped_frames:
        clip.reasons.append(Reason.FACES_LEFT_OUT.stated)
    return clip


def _reference(
    data: bytes | bytearray, options: Options, limits: Limits, measure: Measure | None, watch: Stopwatch
) -> Clip:
    """The published protocol: whole frames squeezed to 224×224, the first ``max_len`` windows only."""
    most = options.max_len + WINDOW_FRAMES - 1
    # The last window is compared with sound up to the largest delay after it.
    with (
        watch.stage("decode"),
        Decoder(
            data,
            limits,
            max_frames=most + MAX_DELAY,
            video_track=options.video_track,
            audio_track=options.audio_track,
        ) as decoder,
    ):
        decoded = np.concatenate([squeeze(chunk) for chunk in decoder.frames()])
        audio, info = decoder.audio[: len(decoded) * SAMPLES_PER_FRAME], decoder.info
    frames = decoded[:most]
    box = np.array([0, 0, info.width, info.height], np.float32)
    track = Track(0, 0, RawFrames(frames), np.tile(box, (len(frames), 1)))
    if measure is not None:
        with watch.stage("sharpness"):
            track.sharpness = np.array([measure(frame) for frame in frames], np.float32)
    return Clip([track], audio, media=info.to_dict())


def squeeze(frames: Frames) -> Frames:
    """(frames, height, width, 3) → (frames, 224, 224, 3): bicubic, antialiased, aspect ratio not kept."""
    if frames.shape[1:3] == (FACE_SIZE, FACE_SIZE):
        return frames
    planes = torch.from_numpy(frames).permute(0, 3, 1, 2)
    small = F.interpolate(planes, (FACE_SIZE, FACE_SIZE), mode="bicubic", antialias=True)
    return np.ascontiguousarray(small.permute(0, 2, 3, 1).numpy())
