"""Bands of the verdict, fitted to genuine videos of one's own: in minutes, and without training.

>>> from outofsync_client.calibration import calibrate
>>> calibration = calibrate(client, "genuine", "calibrated")  # doctest: +SKIP
>>> calibration.bands, calibration.promise  # doctest: +SKIP
"""

from __future__ import annotations

from outofsync_client.calibration._bands import Bands, fit_bands, needed_people
from outofsync_client.calibration._calibrating import calibrate
from outofsync_client.calibration._calibration import Calibration, fit
from outofsync_client.calibration._errors import (
    BadCalibrationError,
    CalibrationError,
    MixedCheckpointsError,
    OtherProbabilitiesError,
    TooFewVideosError,
    UncalibratedError,
    UnknownCheckpointError,
)
from outofsync_client.calibration._own import LeftOut, OwnVideo, OwnVideos, Weights, own_videos
from outofsync_client.calibration._promise import Promise, Share, interval
from outofsync_client.calibration._scoring import ScoringCheckpoint

__all__ = [
    "BadCalibrationError",
    "Bands",
    "Calibration",
    "CalibrationError",
    "LeftOut",
    "MixedCheckpointsError",
    "OtherProbabilitiesError",
    "OwnVideo",
    "OwnVideos",
    "Promise",
    "ScoringCheckpoint",
    "Share",
    "TooFewVideosError",
    "UncalibratedError",
    "UnknownCheckpointError",
    "Weights",
    "calibrate",
    "fit",
    "fit_bands",
    "interval",
    "needed_people",
    "own_videos",
]
