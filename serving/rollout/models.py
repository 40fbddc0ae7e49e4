"""The steps of a roll-out, each of which may be killed at any point and then be repeated.

The record says what should be, so a step writes it before or after its effect, whichever a restart completes:

- ``register`` records a version last, once it is loaded and has judged. Killed before that, it leaves a
  version that nothing names: its repetition loads it anew, a restart forgets it.
- ``promote`` and ``rollback`` record first, then change TorchServe's defaults. Killed in between, the old
  version answers on (``list`` says so) until the repetition or a restart.
- ``retire`` records first, so that nothing is sent there any more, waits, and unloads last. Killed in
  between, it leaves a version that nobody asks: its repetition or a restart unloads it.
- ``scale`` starts or ends workers, and records last.
- ``canary`` changes the record alone, ``build`` and ``build_calibrated`` replace each file whole, the others
  change nothing.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path

from outofsync_client import UnreachableError
from outofsync_client.calibration import Calibration, ScoringCheckpoint, Weights
from outofsync_client.management import Management
from outofsync_client.protocol import NODES, STORE_FOLDER, model_of
from serving.rollout.building import build, find_project
from serving.rollout.calibrating import build_calibrated, find_archive, roll_out
from serving.rollout.comparing import Comparison, compare_files, compare_shadow
from serving.rollout.deployment import Deployment
from serving.rollout.errors import StepRefusedError, VersionFailedError
from serving.rollout.overview import Described, VersionSummary, describe, list_versions
from serving.rollout.record import Canary, Pipeline, Record, RecordFile
from serving.rollout.registering import register
from serving.rollout.restoring import restore
from serving.rollout.retiring import retire
from serving.rollout.scaling import scale
from serving.rollout.store import OWN_ARCHIVES, ModelStore
from serving.rollout.verifying import verify, verify_content
from serving.rollout.warming import WarmUp, warm

Folder = str | os.PathLike[str]
RETIRE_S = 600.0  # a video of ten minutes may be under way


class Models:
    """The pipelines of one server on this machine, by its state folder and its model store.

    Every method may be repeated, also after it was interrupted at any point; then it ends as if it had been
    called once.
    """

    def __init__(
        self, state: Folder, model_store: Folder | None = None, *, management: Management | None = None
    ) -> None:
        """Where no model store is named, it lies beside the state folder."""
        folder = Path(state)
        self._deployment = Deployment(
            state=folder,
            store=ModelStore(Path(model_store or folder.resolve().parent / STORE_FOLDER)),
            records=RecordFile(folder),
            management=management or Management.of_state(folder),
        )

    def list(self) -> tuple[VersionSummary, ...]:
        """Every version, registered or built, with its part in serving."""
        return list_versions(self._deployment)

    def describe(self, version: str) -> Described:
        """A registered version in every detail: archives, processes, what waits, the steps so far."""
        return describe(self._deployment, version)

    def record(self) -> Record:
        """The roll-out record: pipelines, who serves, and how that came about."""
        return self._deployment.record()

    def build(
        self, checkpoints: Sequence[Folder], version: str, *, project: Folder | None = None
    ) -> tuple[str, ...]:
        """Make the archives of new weights (files, or folders of them) and put them into the model store.

        ``project`` is the checkout that builds, looked for around the working folder and the model store
        where it is not named. A model whose weights are not given is as in what serves. Returns the archives'
        names.
        """
        near = [Path(project)] if project else [Path.cwd(), self._deployment.store.path]
        weights = [Path(checkpoint) for checkpoint in checkpoints]
        record = self._deployment.records.read()
        return build(self._deployment.store, record, weights, version, project=find_project(*near))

    def scoring(self, weights: Weights) -> ScoringCheckpoint:
        """The scoring checkpoint that judged, from the archive that holds these weights.

        Raises :class:`~outofsync_client.calibration.UnknownCheckpointError` where no archive does.
        """
        store = self._deployment.store
        return ScoringCheckpoint.of_archive(find_archive(store, self._deployment.records.read(), weights))

    def build_calibrated(
        self, calibration: Calibration, version: str | None = None, *, project: Folder | None = None
    ) -> str:
        """Make a version of the weights that judged, with other bands; returns the version.

        Where none is given, it is the next one after theirs: 2.0.1 after 2.0. ``project`` is as for
        :meth:`build`.
        """
        near = [Path(project)] if project else [Path.cwd(), self._deployment.store.path]
        record = self._deployment.records.read()
        return build_calibrated(
            self._deployment.store, record, calibration, version, project=find_project(*near)
        )

    def roll_out(
        self,
        calibration: Calibration,
        *,
        clips: Sequence[Folder],
        version: str | None = None,
        project: Folder | None = None,
        say: Callable[[str], object] = lambda _: None,
    ) -> str:
        """Let a calibration judge from now on: built, registered, compared and promoted; returns its version.

        ``clips`` are a few of the videos: before the promotion, what serves and the new version must give
        them the same probabilities, or
        :class:`~outofsync_client.calibration.OtherProbabilitiesError` is raised and nothing was promoted.
        ``say`` hears of each step. :meth:`rollback` leads back.
        """
        return roll_out(self, calibration, clips=clips, version=version, project=project, say=say)

    def verify(self, version: str) -> Pipeline:
        """Check sums, signatures and contents of a version's archives; what it is made of."""
        record = self._deployment.record()
        known = record.pipelines.get(version)
        beside = known or record.pipelines[record.promoted]
        pipeline = self._deployment.store.pipeline(version, beside=beside)
        for node, part in pipeline.nodes():
            archive = self._deployment.store.path / part.archive
            verify(self._deployment.store, archive, node=node, version=part.version)
        return pipeline

    def archives(self, version: str) -> tuple[Path, ...]:
        """The files that a version is made of, whether or not it is registered."""
        record = self._deployment.records.read()
        beside = None
        if record is not None:
            beside = record.pipelines.get(version, record.pipelines[record.promoted])
        pipeline = self._deployment.store.pipeline(version, beside=beside)
        return tuple(self._deployment.store.path / part.archive for _, part in pipeline.nodes())

    def verify_own(self) -> None:
        """Check the archives that a start loads by itself; raises :class:`ArchiveError`."""
        for name in OWN_ARCHIVES:
            verify_content(self._deployment.store, self._deployment.store.path / name)

    def register(self, version: str, *, clips: Sequence[Folder] = ()) -> tuple[WarmUp, ...]:
        """Verify a version, load it beside what serves, and warm it (see ``warm``).

        Nobody is answered by it before it is promoted or tried. A version that fails is unloaded again.
        """
        return register(self._deployment, version, [Path(clip) for clip in clips])

    def warm(self, version: str, clips: Sequence[Folder] = ()) -> tuple[WarmUp, ...]:
        """Let a registered version judge clips; raises :class:`VersionFailedError` where it cannot.

        Where none are given, it judges a made-up one that every network has to work on.
        """
        pipeline = self._deployment.pipeline(self._deployment.record(), version)
        return warm(self._deployment, version, pipeline, [Path(clip) for clip in clips])

    def canary(self, version: str | None, *, share: float = 1.0, shadow: bool = False) -> None:
        """Send a registered version a share (0 to 1) of the gateway's requests; None ends the trial.

        With ``shadow`` callers hear the promoted version all the same, and the canary judges afterwards.
        """
        with self._deployment.changing_record(f"canary {version or 'off'}"):
            record = self._deployment.record()
            wanted = None
            if version is not None:
                pipeline = self._deployment.pipeline(record, version)
                if version == record.promoted:
                    raise StepRefusedError(f"version {version} is promoted: it answers everybody already")
                if not 0.0 <= share <= 1.0:
                    raise StepRefusedError(f"a share is between 0 and 1, not {share:g}")
                if self._is_running():
                    self._require_loaded(version, pipeline)
                wanted = Canary(version, share, shadow)
            if record.canary != wanted:
                named = version or (record.canary.pipeline if record.canary else "")
                step = "canary" if wanted else "canary ended"
                self._deployment.records.write(record.after(step, named, canary=wanted))

    def compare(self, version: str, files: Sequence[Folder] = ()) -> Comparison:
        """A registered version against the promoted one: on files, or in the gateway's shadow traffic."""
        record = self._deployment.record()
        pipeline = self._deployment.pipeline(record, version)
        if not files:
            return compare_shadow(self._deployment, record.promoted, version)
        promoted = (record.promoted, record.pipelines[record.promoted])
        paths = [Path(file) for file in files]
        return compare_files(self._deployment, promoted, (version, pipeline), paths)

    def scale(self, version: str, workers: int, *, nodes: Sequence[str] = NODES) -> None:
        """Let a registered version have so many worker processes at each of these nodes, for good.

        Fewer than before: a request that one of those is at is broken off, and clients send it again.
        """
        scale(self._deployment, version, workers, nodes)

    def retire(self, version: str, *, wait: float = RETIRE_S) -> None:
        """Unload a version that no longer serves, once its requests are answered (``wait``: s)."""
        retire(self._deployment, version, wait_s=wait)

    unregister = retire

    def promote(self, version: str) -> None:
        """Let a registered version serve from now on; what served stays loaded, for a roll-back."""
        with self._deployment.changing_record(f"promote {version}"):
            record = self._deployment.record()
            pipeline = self._deployment.pipeline(record, version)
            running = self._is_running()
            if running:
                self._require_loaded(version, pipeline)
            if record.promoted != version:
                record = record.after(
                    "promote",
                    version,
                    promoted=version,
                    previous=record.promoted,
                    canary=_unless(record, version),
                )
                self._deployment.records.write(record)
            if running:
                # Newer versions read what older ones hand on, so the later node changes first.
                self._deployment.serve(pipeline, order=reversed(NODES))

    def rollback(self) -> None:
        """Let the version serve that served before the last promotion. A second roll-back changes nothing."""
        with self._deployment.changing_record("rollback"):
            record = self._deployment.record()
            if record.previous is not None:
                record = record.after(
                    "rollback",
                    record.previous,
                    promoted=record.previous,
                    previous=None,
                    canary=_unless(record, record.previous),
                )
                if running := self._is_running():
                    self._require_loaded(record.promoted, record.pipelines[record.promoted])
                self._deployment.records.write(record)
            elif not _rolled_back(record):
                raise StepRefusedError(
                    f"there is nothing to roll back to: {record.promoted} serves, and none before it is left",
                    hint="`outofsync models promote` lets another registered version serve.",
                )
            else:
                running = self._is_running()
            if running:
                self._deployment.serve(record.pipelines[record.promoted], order=NODES)

    def restore(self) -> tuple[str, ...]:
        """Make TorchServe match the record, after a start; sentences about what could not be restored."""
        return restore(self._deployment)

    def _is_running(self) -> bool:
        """Whether there is a server to tell; without one, the record is what the next start goes by."""
        try:
            self._deployment.management.default(model_of(NODES[0]))
        except UnreachableError:
            return False
        return True

    def _require_loaded(self, version: str, pipeline: Pipeline) -> None:
        for node, part in pipeline.nodes():
            loaded = self._deployment.management.version(model_of(node), part.version)
            if loaded is None or not loaded.ready:
                raise VersionFailedError(
                    f"pipeline {version} cannot serve now: {node} {part.version} is not ready",
                    hint=f"Nothing was changed. `outofsync models register {version}` loads it.",
                )


def _unless(record: Record, version: str) -> object:
    """The record's canary, None where it is this version."""
    return None if record.canary is None or record.canary.pipeline == version else record.canary


def _rolled_back(record: Record) -> bool:
    """Whether the last change of what serves was a roll-back."""
    steps = [event.step for event in record.history if event.step in ("promote", "rollback")]
    return steps[-1:] == ["rollback"]
