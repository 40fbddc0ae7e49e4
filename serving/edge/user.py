"""Who nginx's workers are: whoever started the edge, or an ordinary user where that was root."""

from __future__ import annotations

import grp
import os
import pwd
import stat
from dataclasses import dataclass
from pathlib import Path

from serving.edge.settings import EdgeSettings
from serving.settings import ServeError


@dataclass(frozen=True)
class WorkerUser:
    """The user whom root lets nginx's workers be."""

    name: str
    group: str
    uid: int
    gid: int

    def own(self, *paths: Path) -> None:
        """Make files and folders the user's."""
        for path in paths:
            if path.lstat().st_uid != self.uid:
                os.chown(path, self.uid, self.gid, follow_symlinks=False)

    def check_reach(self, folder: Path) -> None:
        """Raises :class:`ServeError` where a folder above this one keeps the user out."""
        for parent in folder.parents:
            if not parent.stat().st_mode & stat.S_IXOTH:
                raise ServeError(
                    f"nginx's workers are {self.name}, who may not enter {parent}; name another folder for "
                    "temporary files (TMPDIR), or start the edge as an ordinary user"
                )


def worker_user(settings: EdgeSettings) -> WorkerUser | None:
    """The user to be, None where whoever starts the edge is not root and stays who he is.

    Raises :class:`ServeError` for a user that is not there, or is root.
    """
    if os.geteuid() != 0:
        return None
    try:
        user = pwd.getpwnam(settings.user)
        group = grp.getgrgid(user.pw_gid)
    except (KeyError, ValueError):
        raise ServeError(
            f"nginx's workers should be the user {settings.user!r}, whom this machine does not have; "
            "name another with --user"
        ) from None
    if user.pw_uid == 0:
        raise ServeError(f"nginx's workers must not be root ({settings.user}); name an ordinary user: --user")
    return WorkerUser(user.pw_name, group.gr_name, user.pw_uid, user.pw_gid)
