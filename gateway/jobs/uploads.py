"""The files of jobs that have not ended, in a folder that is its owner's alone."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path

PARTIAL = ".part"  # of a file that is still coming


class Uploads:
    """One file a job; whatever has another name is not a job's."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        folder.chmod(0o700)

    def path(self, job: str) -> Path:
        """Where a job's file is, or was."""
        return self._folder / job

    async def keep(self, job: str, chunks: AsyncIterator[bytes]) -> int:
        """Write a job's file, whole or not at all, and return its size in bytes; raises OSError.

        Once this returns, the file outlives a loss of power.
        """
        partial = self._folder / f"{job}{PARTIAL}"
        descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        size = 0
        try:
            with os.fdopen(descriptor, "wb") as file:
                async for chunk in chunks:
                    file.write(chunk)
                    size += len(chunk)
                file.flush()
                await asyncio.to_thread(os.fsync, file.fileno())
            partial.rename(self.path(job))
        except BaseException:
            partial.unlink(missing_ok=True)
            raise
        await asyncio.to_thread(self._settle)
        return size

    def remove(self, job: str) -> None:
        """A job's file is needed no longer."""
        self.path(job).unlink(missing_ok=True)

    def strays(self, older_than_s: float) -> list[str]:
        """The names of files that have lain here for so long, in seconds: of jobs, and of broken uploads."""
        oldest = time.time() - older_than_s
        found = []
        for path in self._folder.iterdir():
            with suppress(FileNotFoundError):
                if path.stat().st_mtime < oldest:
                    found.append(path.name)
        return found

    def _settle(self) -> None:
        """Make the folder's own entries outlive a loss of power."""
        folder = os.open(self._folder, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
