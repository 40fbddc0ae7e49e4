"""What stops a run, in sentences for people."""

from __future__ import annotations


class ClusterError(Exception):
    """A run cannot begin or go on; the message says why, and what may be done about it."""


def reason_of(error: OSError) -> str:
    """Why a place cannot be read or written, in a few words."""
    if isinstance(error, FileNotFoundError):
        return "there is nothing of that name"
    if isinstance(error, PermissionError) or "ACCESS_DENIED" in str(error):
        return "permission was denied"
    if error.errno == 28:  # ENOSPC; Arrow keeps the number
        return "the disk is full"
    return (error.strerror or str(error)).splitlines()[0]
