"""What can go wrong while bands are fitted to videos of one's own.

::

    OutOfSyncError
    └── CalibrationError
        ├── TooFewVideosError         too_few_videos        (could be judged)
        ├── UncalibratedError         uncalibrated          (what judges has no bands of probability)
        ├── MixedCheckpointsError     mixed_checkpoints     (not all videos were judged by the same networks)
        ├── UnknownCheckpointError    unknown_checkpoint    (the weights that judged are not to be found here)
        ├── BadCalibrationError       bad_calibration       (a file that is no calibration)
        └── OtherProbabilitiesError   other_probabilities   (what serves judges otherwise than what judged)
"""

from __future__ import annotations

from outofsync_client._exceptions import OutOfSyncError


class CalibrationError(OutOfSyncError):
    """Bands could not be fitted, or not be put to use; what serves was not touched."""


class TooFewVideosError(CalibrationError):
    """Too few of the videos could be judged for their probabilities to say anything."""

    default_code = "too_few_videos"
    default_hint = "Add genuine videos of more people who are seen and heard speaking."


class UncalibratedError(CalibrationError):
    """The scoring checkpoint has no calibration, so that there are no bands to shift."""

    default_code = "uncalibrated"
    default_hint = "Fit one in training (training/README.md): it takes manipulated video as well."


class MixedCheckpointsError(CalibrationError):
    """The ledger holds results of more than one version of the networks."""

    default_code = "mixed_checkpoints"
    default_hint = "Begin again with another --output-dir, while one version answers everybody."


class UnknownCheckpointError(CalibrationError):
    """The weights that judged the videos are not to be found on this machine."""

    default_code = "unknown_checkpoint"
    default_hint = "Name the server's scoring.safetensors with --checkpoint, or call this where it serves."


class BadCalibrationError(CalibrationError):
    """A file is no calibration, or does not hold what one holds."""

    default_code = "bad_calibration"
    default_hint = "`outofsync calibrate` writes one."


class OtherProbabilitiesError(CalibrationError):
    """What serves gives the videos other probabilities, so that these bands mean nothing to it."""

    default_code = "other_probabilities"
    default_hint = "Nothing was promoted. Calibrate what serves now, with another --output-dir."
