"""From a folder of genuine videos to a calibration, by way of the server."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Callable, Optional

from outofsync_client._client import Client
from outofsync_client._many import Outcome
from outofsync_client.batch import Batch, Ledger, find_videos
from outofsync_client.calibration._calibration import (
    FALSE_ALARMS,
    LOWEST_ALARM,
    Calibration,
    fit,
    require_enough,
)
from outofsync_client.calibration._errors import UnknownCheckpointError
from outofsync_client.calibration._own import OwnVideos, Weights, own_videos
from outofsync_client.calibration._scoring import ScoringCheckpoint

CALIBRATION_FILE = "calibration.json"
MOST_FOLDER = 80  # letters of a folder's name that a calibration is called by
FindScoring = Callable[[Weights], ScoringCheckpoint]
OnOutcome = Callable[[Path, Outcome], object]


def calibrate(
    client: Client,
    folder: Path | str,
    output_dir: Path | str,
    *,
    name: Optional[str] = None,
    false_alarms: float = FALSE_ALARMS,
    lowest_alarm: float = LOWEST_ALARM,
    checkpoint: Optional[Path] = None,
    resume: bool = False,
    jobs: int = 4,
    on_outcome: Optional[OnOutcome] = None,
    **options: Any,
) -> Calibration:
    """Judge the genuine videos below a folder, and fit the verdict's bands to them.

    Videos in one sub-folder are of one person, and a file beside the sub-folders is of a person of its own.
    ``output_dir`` gets the ledger of a batch (``resume`` passes over what it holds) and
    ``calibration.json``. ``name`` is what results will call the calibration: the folder's name and the day
    where it is not given. ``false_alarms`` is the share of genuine videos that may be called fake or likely
    fake, ``lowest_alarm`` the least probability that may be. ``checkpoint`` is the server's
    ``scoring.safetensors``; a client that was made by :meth:`~outofsync_client.Client.of_state` finds it
    itself. The options are those of :meth:`~outofsync_client.Client.detect`. Nothing changes for anybody:
    see ``Client.models.roll_out``.

    Raises a :class:`CalibrationError` that fits, FileExistsError where the ledger is not to be resumed,
    OSError where a folder cannot be read or written, and ValueError for shares and names that make no sense.
    """
    top, output = Path(folder), Path(output_dir)
    if not top.is_dir():
        raise NotADirectoryError(f"{top} is no folder")
    paths = list(find_videos([str(top)]))
    with Ledger(output, {"include": [], **options}, resume=resume) as ledger:
        for path, outcome in Batch(client, ledger, jobs=jobs).run(paths):
            if on_outcome:
                on_outcome(path, outcome)
        videos = own_videos(top, paths, ledger)
    calibration = calibration_of(
        videos,
        in_store_of(client) if checkpoint is None else lambda _: ScoringCheckpoint.of_file(checkpoint),
        name=name or default_name(top, videos),
        options=options,
        false_alarms=false_alarms,
        lowest_alarm=lowest_alarm,
    )
    calibration.write(output / CALIBRATION_FILE)
    return calibration


def calibration_of(videos: OwnVideos, find: FindScoring, **choices: Any) -> Calibration:
    """:func:`fit`, with the checkpoint that judged: ``find`` finds it."""
    require_enough(videos)
    return fit(videos, find(videos.weights()), **choices)


def in_store_of(client: Client) -> FindScoring:
    """Looks among the archives of the client's server; raises :class:`UnknownCheckpointError`."""
    try:
        find: FindScoring = client.models.scoring
    except ValueError:
        raise UnknownCheckpointError("the server is not known to be this machine's") from None
    return find


def default_name(folder: Path, videos: OwnVideos) -> str:
    """The folder's name, and the day on which its last video was judged."""
    called = "".join(letter for letter in folder.resolve().name if letter.isprintable())
    return f"{called[:MOST_FOLDER]}-{videos.at[:10]}".strip("-")
