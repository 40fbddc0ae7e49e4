"""Jobs on the command lines of whatever starts a gateway."""

from __future__ import annotations

import argparse
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

from gateway.jobs.settings import DATABASE_VARIABLE, DAY_S, JobSettings

DEFAULTS = JobSettings()


def add_job_options(parser: argparse.ArgumentParser) -> None:
    """Where jobs lie, how many are worked on, and whom they may call back."""
    add = parser.add_argument
    add(
        "--jobs-folder",
        type=Path,
        help="uploads and SQLite's files (default: jobs in the first state folder); gateways that share a "
        f"PostgreSQL database, named by {DATABASE_VARIABLE}, share it too",
    )
    add("--jobs-at-once", type=int, default=DEFAULTS.at_once, help="jobs at a time by one gateway")
    days = DEFAULTS.retention_s / DAY_S
    add("--jobs-days", type=float, default=days, help="how long results of jobs are kept")
    add(
        "--jobs-callbacks",
        action="append",
        default=[],
        metavar="HOST",
        help="whom jobs may call back: hooks.example, *.hooks.example, hooks.example:8443, by https; "
        "http://10.1.2.3:8000 as it stands; again for each (default: nobody)",
    )
    add(
        "--jobs-callbacks-ca",
        type=Path,
        metavar="FILE",
        help="certificates (PEM) that vouch for whom jobs call back, in place of the system's",
    )


def job_settings(options: dict[str, Any]) -> JobSettings:
    """What was asked for, taken out of the parsed options."""
    folder: Path | None = options.pop("jobs_folder")
    certificates: Path | None = options.pop("jobs_callbacks_ca")
    chosen = JobSettings(
        folder=folder and folder.resolve(),
        at_once=options.pop("jobs_at_once"),
        retention_s=options.pop("jobs_days") * DAY_S,
        callbacks=tuple(options.pop("jobs_callbacks")),
        callbacks_ca=certificates and certificates.resolve(),
    )
    return with_database(chosen)


def with_database(settings: JobSettings) -> JobSettings:
    """The same, with the database that the environment names where the settings name none."""
    return replace(settings, database=settings.database or os.environ.get(DATABASE_VARIABLE) or None)
