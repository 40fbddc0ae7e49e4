"""What can go wrong while versions are rolled out, beside what TorchServe and its management API answer.

::

    OutOfSyncError
    └── RolloutError
        ├── UnknownVersionError     unknown_version   (neither in the record nor in the model store)
        ├── BuildFailedError        build_failed
        ├── ArchiveError            bad_archive       (damaged, altered, or holds what it must not)
        ├── RecordError             bad_record        (the record cannot be read, or names what is not there)
        ├── StepRefusedError        step_refused      (it would take away what serves)
        ├── StepInProgressError     step_in_progress  (another command is at it)
        ├── VersionFailedError      version_failed    (it does not load, or does not judge)
        └── StillBusyError          still_busy        (requests under way kept it from being retired)
"""

from __future__ import annotations

from outofsync_client import OutOfSyncError


class RolloutError(OutOfSyncError):
    """A step that did not succeed; it can be repeated once its cause is gone."""


class UnknownVersionError(RolloutError):
    """No pipeline has this version."""

    default_code = "unknown_version"
    default_hint = "`outofsync models list` shows what there is; `outofsync models build` makes another."


class BuildFailedError(RolloutError):
    """The archives of a version could not be made."""

    default_code = "build_failed"


class ArchiveError(RolloutError):
    """An archive is damaged, was altered, or holds what it must not."""

    default_code = "bad_archive"
    default_hint = "Build it again (`outofsync models build`), and find out who changed it."


class RecordError(RolloutError):
    """The roll-out record cannot be read, or names what is not there."""

    default_code = "bad_record"


class StepRefusedError(RolloutError):
    """The step would take away what serves, or makes no sense now."""

    default_code = "step_refused"


class StepInProgressError(RolloutError):
    """Another command works on the same server."""

    default_code = "step_in_progress"
    default_hint = "Wait until it has ended, and repeat."


class VersionFailedError(RolloutError):
    """The version does not load, or does not judge."""

    default_code = "version_failed"


class StillBusyError(RolloutError):
    """Requests are still under way on the version, so it stays loaded."""

    default_code = "still_busy"
    default_hint = "Repeat the step later: it waits again, and loses nothing."
