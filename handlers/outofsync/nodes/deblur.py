"""Node 1: video files in, clips of faces out, the blurry ones restored."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np

from outofsync.checkpoints.store import Checkpoint
from outofsync.clip import Clip, Track
from outofsync.constants import FRAME_RATE
from outofsync.deblur.restorer import Restorer
from outofsync.deblur.sharpness import blurry_frames, sharpness
from outofsync.errors import OutOfSyncError
from outofsync.faces import FaceDetector, RetinaFaceDetector
from outofsync.frames import Frames
from outofsync.limits import Limits
from outofsync.media import Decoder, warm_up
from outofsync.media.encode import encode_video
from outofsync.nodes.crop import CropNode
from outofsync.nodes.outcome import Outcome, Tally
from outofsync.nodes.request import Failure, Request, attempt
from outofsync.options import Options
from outofsync.progress import Progress, Share, Step
from outofsync.spool import Spool, SpoolFile
from outofsync.timing import Stopwatch

# Crops held uncoded while they are restored; whoever leaves meanwhile is waited for.
CARD_FRAMES_AT_ONCE, FRAMES_AT_ONCE = 64, 16


@dataclass(frozen=True, slots=True)
class _Answer:
    """A clip as bytes, or where it lies in a file that is not yet handed over, and what is told of it."""

    data: bytes
    outcome: Outcome
    file: SpoolFile | None = None

    def hand_over(self) -> bytes:
        if self.file is not None:
            self.file.hand_over()
        return self.data


class DeblurNode:
    """Decodes, finds faces, measures blur and restores, each request of a batch in a thread of its own.

    Decoders are processes, and detection and the network leave Python's lock, so requests overlap; on a
    graphics card their frames share the network's passes.
    """

    def __init__(
        self,
        restorer: Restorer,
        detector: FaceDetector,
        limits: Limits,
        model: dict[str, str],
        spool: Spool | None = None,
    ) -> None:
        """With a spool, :meth:`run` answers where in it the clips lie instead of the clips."""
        self._restorer = restorer
        self._crops = CropNode(detector, limits, blurry_below=restorer.blurry_below)
        self._limits = limits
        self._model = model
        self._spool = spool
        self.tally = Tally()

    @classmethod
    def load(cls, model_dir: Path, device: str, settings: dict[str, Any], spool: Spool | None = None) -> Self:
        """Read ``deblur.safetensors``; ``settings`` may hold ``threads``, ``limits`` and ``precision``."""
        warm_up()
        checkpoint = Checkpoint.load(model_dir / "deblur.safetensors", kind="deblur")
        return cls(
            Restorer.from_checkpoint(checkpoint, device, settings.get("precision") or "float32"),
            RetinaFaceDetector(threads=settings.get("threads") or 1),
            Limits.from_settings(settings.get("limits")),
            {"version": checkpoint.version, "sha256": checkpoint.sha256},
            spool,
        )

    def run(self, requests: Sequence[Request]) -> list[bytes]:
        """A clip for each request, in order; a request that failed gets a clip holding its error."""
        return self._run(requests, self._answer)

    def run_clips(self, requests: Sequence[Request]) -> list[bytes]:
        """The same from the clips of :class:`CropNode`: their crops restored, errors passed on."""
        return self._run(requests, self._answer_clip)

    def _run(self, requests: Sequence[Request], answer: Callable[[Request], _Answer]) -> list[bytes]:
        if not requests:
            return []
        with ThreadPoolExecutor(len(requests)) as pool:
            answers = list(pool.map(lambda request: attempt(request, answer), requests))
        # Only now: the clips of a batch whose worker is killed have no readers.
        clips = [
            Clip.failed(answered.error, request_id=request.request_id).to_bytes()
            if isinstance(answered, Failure)
            else answered.hand_over()
            for answered, request in zip(answers, requests, strict=True)
        ]
        for answered in answers:
            if isinstance(answered, _Answer):
                self.tally.tell(answered.outcome)
                self.tally.spend(answered.outcome.timing_ms)
        self._tell_failures(answers)
        return clips

    def restore(self, requests: Sequence[Request]) -> list[bytes]:
        """Each whole video deblurred, as mp4 with its sound, or the error envelope as JSON.

        Every frame is restored unless ``deblur`` is ``never``: who asks for a deblurred video wants one.
        """
        outcomes = [attempt(request, self._restore_video) for request in requests]
        self._tell_failures(outcomes)
        return [
            json.dumps({"error": outcome.error}).encode() if isinstance(outcome, Failure) else outcome
            for outcome in outcomes
        ]

    def _tell_failures(self, outcomes: Sequence[object]) -> None:
        for outcome in outcomes:
            if isinstance(outcome, Failure):
                self.tally.tell(Outcome.of_error(outcome.error, decoder=outcome.decoder))

    def _answer(self, request: Request) -> _Answer:
        """The clip of one request, or where it lies."""
        if self._spool is None:
            clip = self._clip(request)
            return _Answer(clip.to_bytes(), _outcome(clip))
        with self._spool.create() as file:
            try:
                clip = self._clip(request, file)
                return _Answer(clip.to_spool(file), _outcome(clip), file)
            except BaseException:
                file.discard()
                raise

    def _answer_clip(self, request: Request) -> _Answer:
        """The clip of one request that came as a clip; raises what it holds instead of crops."""
        clip = Clip.from_bytes(request.data)
        if clip.error is not None:
            raise OutOfSyncError.from_dict(clip.error)
        clip = self._finished(clip, request.progress)
        return _Answer(clip.to_bytes(), _outcome(clip))

    def _clip(self, request: Request, file: SpoolFile | None = None) -> Clip:
        return self._finished(self._crops.crop(request, file), request.progress)

    def _finished(self, clip: Clip, progress: Progress) -> Clip:
        """The clip, its blurry crops restored."""
        clip.models["deblur"] = self._model
        watch = Stopwatch()
        with watch.stage("deblur"):
            clip.deblur = self._restore_blurry(clip, progress)
        progress.finish()
        clip.timing_ms |= watch.timing_ms
        clip.handed_on_s = time.time()
        return clip

    def _restore_blurry(self, clip: Clip, progress: Progress) -> dict[str, Any]:
        """Restore what the options ask for; says what was done. Sharpness is the mean over all crops."""
        before = _mean(clip.tracks)
        chosen = [(track, self._chosen(track, clip.options)) for track in clip.tracks]
        frames = sum(len(numbers) for _, numbers in chosen)
        share = Share(progress, Step.DEBLUR, frames)
        for track, numbers in chosen:
            self._restore(track, numbers, share)
        return {
            "applied": frames > 0,
            "frames": frames,
            "sharpness_before": before,
            "sharpness_after": _mean(clip.tracks),
        }

    def _chosen(self, track: Track, options: Options) -> list[int]:
        """Numbers of the frames to restore."""
        if options.deblur == "never":
            return []
        if options.deblur == "always":
            return list(range(len(track.frames)))
        return np.flatnonzero(blurry_frames(track.sharpness, self._restorer.blurry_below)).tolist()

    def _restore(self, track: Track, numbers: Sequence[int], share: Share) -> None:
        """Restore these frames of a track and measure them again."""
        at_once = CARD_FRAMES_AT_ONCE if self._restorer.on_card else FRAMES_AT_ONCE
        for first in range(0, len(numbers), at_once):
            group = numbers[first : first + at_once]
            blurred = np.concatenate([track.frames.read(number, number + 1) for number in group])
            restored = self._restorer.restore(blurred)
            for number, frame in zip(group, restored, strict=True):
                track.frames.replace(number, frame)
            track.sharpness[group] = sharpness(restored)
            share.add(len(group))

    def _restore_video(self, request: Request) -> bytes:
        options = Options.parse(request.options)
        request.progress.tell(Step.DECODE)
        for step in (Step.COMPARE, Step.SCORE):  # nothing is judged
            request.progress.expect(step, 0)

        def restored(decoder: Decoder) -> Iterator[Frames]:
            share = Share(request.progress, Step.DEBLUR, decoder.info.duration_s * FRAME_RATE)
            for frames in decoder.frames():
                yield frames if options.deblur == "never" else self._restorer.restore(frames)
                share.add(len(frames))

        video, audio = options.video_track, options.audio_track
        with Decoder(request.data, self._limits, video_track=video, audio_track=audio) as decoder:
            return encode_video(
                request.data, restored(decoder), self._limits, video_track=video, audio_track=audio
            )


def _outcome(clip: Clip) -> Outcome:
    return Outcome(clip.request_id, deblurred=bool(clip.deblur["applied"]), timing_ms=clip.timing_ms)


def _mean(tracks: Sequence[Track]) -> float | None:
    """Mean sharpness of all crops of some tracks."""
    values = np.concatenate([np.zeros(0, np.float32), *(track.sharpness for track in tracks)])
    return round(float(values.mean()), 4) if values.size else None
