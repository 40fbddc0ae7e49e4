"""Reports: what a results folder holds about the videos that were judged.

What draws is imported when it is asked for: matplotlib takes longer to import than most commands to run.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from outofsync_client._many import Outcome

if TYPE_CHECKING:
    from outofsync_client.reports.document import save_report
    from outofsync_client.reports.folder import ReportFolder, write_delays, write_json

__all__ = ["Outcome", "ReportFolder", "save_report", "write_delays", "write_json"]

FORMATS = ("html", "pdf", "png")  # of one video's report
_HOMES = {
    "save_report": "document",
    "ReportFolder": "folder",
    "write_delays": "folder",
    "write_json": "folder",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
