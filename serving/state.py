"""The state folder of one server: who runs it, where it answers, its log. Private to its owner."""

from __future__ import annotations

import json
import shutil
import tempfile
from dataclasses import asdict, dataclass, field
from pathlib import Path

from outofsync_client.protocol import LOG_FILE, PROGRESS_FOLDER, STATE_FILE, TEMPORARY_LINK
from outofsync_client.protocol.private_files import write_private
from outofsync_client.protocol.state import RunningServer
from serving.processes import SupervisedFolder, read_json


@dataclass(frozen=True)
class ServerState(RunningServer):
    """A server that is ready: what a client needs to find it, and what whoever runs it wants to know."""

    pid: int
    start_ms: dict[str, float] = field(default_factory=dict)  # what its start was spent on


class StateFolder(SupervisedFolder):
    """``server.json`` exists while the server is ready, ``processes.json`` while it runs at all."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.server_file = self.path / STATE_FILE
        self.properties_file = self.path / "server.properties"
        self.log_file = self.path / LOG_FILE
        self.java_folder = self.path / "java"
        self.progress_folder = self.path / PROGRESS_FOLDER
        self.temporary_link = self.path / TEMPORARY_LINK

    def create(self) -> None:
        """Make the folder; only its owner may look inside."""
        self.java_folder.mkdir(parents=True, exist_ok=True)
        self.progress_folder.mkdir(exist_ok=True)
        self.path.chmod(0o700)

    def make_temporary(self) -> Path:
        """A folder for sockets and unpacked archives, elsewhere: sockets' names must be short."""
        folder = Path(tempfile.mkdtemp(prefix="outofsync-"))
        self.temporary_link.symlink_to(folder)
        return folder

    def server(self) -> ServerState | None:
        """The ready server, None where there is none."""
        values = read_json(self.server_file)
        return None if values is None or self.supervisor() is None else ServerState(**values)

    def publish(self, server: ServerState) -> None:
        """Declare the server ready."""
        write_private(self.server_file, json.dumps(asdict(server), indent=2))

    def withdraw(self) -> None:
        """The server no longer takes requests."""
        self.server_file.unlink(missing_ok=True)

    def clear(self) -> None:
        """The server has ended; its log stays."""
        self.end_life()
        super().clear()

    def end_life(self) -> None:
        """TorchServe has ended, and its supervisor may start it anew."""
        self.withdraw()
        (self.java_folder / "key_file.json").unlink(missing_ok=True)
        for told in self.progress_folder.glob("*"):
            told.unlink(missing_ok=True)
        if self.temporary_link.is_symlink():
            shutil.rmtree(self.temporary_link.readlink(), ignore_errors=True)
            self.temporary_link.unlink()
