"""Reports: what a results folder holds about the videos that were judged."""

from __future__ import annotations

from outofsync_client._many import Outcome
from outofsync_client.reports.document import save_report
from outofsync_client.reports.folder import ReportFolder, write_delays, write_json

__all__ = ["Outcome", "ReportFolder", "save_report", "write_delays", "write_json"]
