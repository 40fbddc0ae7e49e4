"""What the networks say about the faces of some clips, each network called once for all of them."""

from __future__ import annotations

from collections.abc import Sequence

from outofsync.appearance.schedule import FaceJudge, known_until, starts_of
from outofsync.clip import Clip
from outofsync.constants import SAMPLES_PER_FRAME
from outofsync.findings import Alignment, TrackFinding, speakers
from outofsync.nodes.preview import Preview
from outofsync.nodes.spoken import Scores, Spoken
from outofsync.nodes.watched import WatchedFrames
from outofsync.progress import Progress, Share, Step
from outofsync.scoring.abstention import Abstention
from outofsync.scoring.score import Scorer, Segment
from outofsync.synchrony.activity import mouth_motion
from outofsync.synchrony.interface import SyncInput, SyncNetwork, SyncOutput
from outofsync.timing import Stopwatch


class Networks:
    """Synchronisation network, regressors and face network."""

    def __init__(
        self, network: SyncNetwork, scorer: Scorer, face: FaceJudge | None, abstention: Abstention
    ) -> None:
        self._network = network
        self._scorer = scorer
        self._face = face
        self._abstention = abstention

    def findings(
        self,
        clips: Sequence[Clip],
        watch: Stopwatch,
        progress: Progress,
        previews: Sequence[Preview | None],
    ) -> list[tuple[list[TrackFinding], Alignment | None]]:
        """See :meth:`outofsync.nodes.EnsembleNode.findings`."""
        found = self._seen_and_heard(clips, watch, progress, previews)
        judged = [
            Spoken(clip, speakers(findings), preview)
            for clip, findings, preview in zip(clips, found, previews, strict=True)
        ]
        share = Share(progress, Step.SCORE, sum(self._to_score(spoken) for spoken in judged))
        with watch.stage("regressors"):
            for spoken in judged:
                spoken.align(self._abstention)
                for offset in spoken.offsets:
                    spoken.keep(offset, [self._scored(one, offset, spoken, share) for one in spoken.findings])
                spoken.tell_scored()
        if self._face is not None:
            with watch.stage("face"):
                self._look([spoken for spoken in judged if self._looks_at(spoken.clip)], share)
        for spoken in judged:
            spoken.read()
        progress.finish()
        for clip in clips:
            clip.timing_ms |= watch.timing_ms
        return [(findings, spoken.alignment) for findings, spoken in zip(found, judged, strict=True)]

    def _to_score(self, spoken: Spoken) -> int:
        """How many frames are still to be looked at; beside that, reading what was compared takes no time."""
        lengths = [len(finding.track.frames) for finding in spoken.findings]
        return sum(lengths) if self._looks_at(spoken.clip) else 0

    def _looks_at(self, clip: Clip) -> bool:
        """Whether the face network is asked about a clip."""
        return self._face is not None and clip.options.mode == "full"

    def _scored(self, finding: TrackFinding, offset: int, spoken: Spoken, share: Share) -> Scores:
        """The segments of a track as they are once its sound is put right."""
        aligned = finding.output.aligned(offset)
        features = self._scorer.project(aligned.features)
        finding.features = features if finding.features is None else finding.features
        bounds = finding.bounds(spoken.clip.options.max_len)
        scores = []
        for start, stop in bounds:
            segment = Segment(aligned.delays[start:stop], features[start:stop])
            scores += self._scorer.score_segments([segment])
            share.add(0)
        return bounds, scores

    def _look(self, judged: Sequence[Spoken], share: Share) -> None:
        """Have the face network look at the speakers of clips."""
        assert self._face is not None
        speaking = [(spoken, finding) for spoken in judged for finding in spoken.findings]
        seen = [0] * len(speaking)

        def on_stretch(number: int, logits: Sequence[float]) -> None:
            spoken, finding = speaking[number]
            frames = len(finding.track.frames)
            known = known_until(starts_of(frames), len(logits), frames)
            share.add(known - seen[number])  # frames are read ahead: only what is judged counts
            seen[number] = known
            if spoken.preview is not None:
                spoken.preview.looked(finding, logits)

        frames = [finding.track.frames for _, finding in speaking]
        for (_, finding), logits in zip(
            speaking, self._face.evaluate(frames, on_stretch=on_stretch), strict=True
        ):
            finding.generated = logits

    def _seen_and_heard(
        self,
        clips: Sequence[Clip],
        watch: Stopwatch,
        progress: Progress,
        previews: Sequence[Preview | None],
    ) -> list[list[TrackFinding]]:
        """Delays and the mouth's motion of every track, by clip."""
        tracks = [(clip, track) for clip in clips for track in clip.tracks]
        places = [
            (preview, number)
            for clip, preview in zip(clips, previews, strict=True)
            for number in range(len(clip.tracks))
        ]

        def on_windows(number: int, output: SyncOutput) -> None:
            preview, own = places[number]
            if preview is not None:
                preview.compared(own, output)

        to_score = [len(track.frames) for clip, track in tracks if self._looks_at(clip)]
        progress.expect(Step.SCORE, sum(to_score))
        share = Share(progress, Step.COMPARE, sum(len(track.frames) for _, track in tracks))
        with watch.stage("synchrony"):
            outputs = self._network.evaluate(
                [
                    SyncInput(
                        WatchedFrames(track.frames, share), clip.audio[track.start * SAMPLES_PER_FRAME :]
                    )
                    for clip, track in tracks
                ],
                watch=watch,
                on_windows=on_windows if any(previews) else None,
            )
        with watch.stage("motion"):
            motions = [mouth_motion(track.frames) for _, track in tracks]
        found = iter(
            TrackFinding(track, output, motion)
            for (_, track), output, motion in zip(tracks, outputs, motions, strict=True)
        )
        return [[next(found) for _ in clip.tracks] for clip in clips]
