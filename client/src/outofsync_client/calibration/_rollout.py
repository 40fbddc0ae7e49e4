"""A calibration begins to judge: the steps of every roll-out, one after the other."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Callable, Optional, Union

from outofsync_client.calibration._calibration import Calibration
from outofsync_client.calibration._errors import OtherProbabilitiesError
from outofsync_client.calibration._own import OwnVideos

if TYPE_CHECKING:
    from outofsync_client.models import Models

MOST_CLIPS = 4  # judged twice more before anybody depends on the version
SAME = 0.01  # probabilities that differ by less are the same: a GPU's last bits


def roll_out(
    models: Models,
    calibration: Calibration,
    *,
    clips: Sequence[Union[Path, str]],
    version: Optional[str] = None,
    project: Union[Path, str, None] = None,
    say: Callable[[str], object] = lambda _: None,
) -> str:
    """Let a calibration judge from now on: built, registered, compared and promoted; returns its version.

    ``clips`` are a few of the videos: before the promotion, what serves and the new version must give them
    the same probabilities, or :class:`OtherProbabilitiesError` is raised and nothing was promoted. ``say``
    hears of each step. All may be repeated, also after it was interrupted; ``models.rollback()`` leads back.
    Raises a :class:`~outofsync_client.models.RolloutError` where a step fails.
    """
    built = models.build_calibrated(calibration, version, project=project)
    say(f"built version {built}: the same networks, judging by {calibration.name}")
    models.register(built, clips=clips[:1])
    comparison = models.compare(built, clips)
    apart = max(comparison.differences, default=None)
    if apart is None or apart > SAME:
        raise OtherProbabilitiesError(
            f"version {comparison.promoted}, which serves, gives these videos no probability to compare"
            if apart is None
            else f"version {comparison.promoted}, which serves, differs by {apart:.3f} in probability "
            "from what judged these videos"
        )
    say(f"version {built} gives {len(comparison.differences)} videos the same probabilities as what serves")
    models.promote(built)
    say(f"version {built} serves; back: outofsync models rollback")
    return built


def clips_among(videos: OwnVideos) -> list[Path]:
    """A few of them, from the most genuine one to the least."""
    ranked = sorted(videos.judged, key=lambda video: video.probability)
    last = len(ranked) - 1
    places = {round(place * last / (MOST_CLIPS - 1)) for place in range(MOST_CLIPS)}
    return [ranked[place].path for place in sorted(places)]
