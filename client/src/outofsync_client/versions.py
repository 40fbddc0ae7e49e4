"""The shape of what :attr:`Client.models` offers where the server's own package is installed, for typing.

The package that serves has the code; nothing here imports it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from os import PathLike
from typing import Optional, Protocol, Union

from outofsync_client.calibration import Calibration, ScoringCheckpoint, Weights
from outofsync_client.management import Worker

Path = Union[str, "PathLike[str]"]


class Summary(Protocol):
    """A version and its part in serving; ``ready`` and ``answers`` are None where no server runs."""

    @property
    def version(self) -> str: ...
    @property
    def role(self) -> str: ...
    @property
    def share(self) -> Optional[float]: ...
    @property
    def ready(self) -> Optional[bool]: ...
    @property
    def answers(self) -> Optional[bool]: ...


class Node(Protocol):
    """A version's node; ``problem`` is empty where its archive is sound."""

    @property
    def node(self) -> str: ...
    @property
    def version(self) -> str: ...
    @property
    def archive(self) -> str: ...
    @property
    def sha256(self) -> str: ...
    @property
    def problem(self) -> str: ...
    @property
    def workers(self) -> Optional[tuple[Worker, ...]]: ...
    @property
    def queued(self) -> Optional[int]: ...


class Step(Protocol):
    """A step of the past; ``at`` is UTC."""

    @property
    def at(self) -> str: ...
    @property
    def step(self) -> str: ...
    @property
    def pipeline(self) -> str: ...


class Description(Protocol):
    """A registered version, node by node, and the steps it went through."""

    @property
    def version(self) -> str: ...
    @property
    def nodes(self) -> Sequence[Node]: ...
    @property
    def events(self) -> Sequence[Step]: ...


class Trial(Protocol):
    """A version that is tried on a ``share`` (0 to 1) of the requests."""

    @property
    def pipeline(self) -> str: ...
    @property
    def share(self) -> float: ...
    @property
    def shadow(self) -> bool: ...


class Record(Protocol):
    """Who serves, and how that came about."""

    @property
    def promoted(self) -> str: ...
    @property
    def previous(self) -> Optional[str]: ...
    @property
    def canary(self) -> Optional[Trial]: ...
    @property
    def history(self) -> Sequence[Step]: ...


class Judged(Protocol):
    """A clip that a version was warmed with; ``seconds`` is how long it took."""

    @property
    def clip(self) -> str: ...
    @property
    def verdict(self) -> str: ...
    @property
    def seconds(self) -> float: ...


class Comparison(Protocol):
    """Two versions on the same videos; ``differences`` are of probabilities."""

    @property
    def promoted(self) -> str: ...
    @property
    def candidate(self) -> str: ...
    @property
    def agreeing(self) -> int: ...
    @property
    def differences(self) -> Sequence[float]: ...


class Versions(Protocol):
    """Versions of the pipeline of a server on this machine. Every method blocks.

    Steps that cannot be taken raise an error of the package that serves, whose message says what to do.
    """

    def list(self) -> Sequence[Summary]:
        """Every version, registered or built."""

    def describe(self, version: str) -> Description:
        """A registered version in every detail."""

    def record(self) -> Record:
        """The roll-out record."""

    def build(
        self, checkpoints: Sequence[Path], version: str, *, project: Optional[Path] = None
    ) -> Sequence[str]:
        """Make the archives of new weights; their names."""

    def register(self, version: str, *, clips: Sequence[Path] = ()) -> Sequence[Judged]:
        """Verify a version, load it beside what serves, and let it judge these clips, or one of its own."""

    def canary(self, version: Optional[str], *, share: float = 1.0, shadow: bool = False) -> None:
        """Send a version a share of the gateway's requests, or judge again in its shadow; None ends it."""

    def compare(self, version: str, files: Sequence[Path] = ()) -> Comparison:
        """Against the promoted version: on files, or in shadow traffic so far."""

    def scale(self, version: str, workers: int) -> None:
        """Let a registered version have so many worker processes at each node."""

    def promote(self, version: str) -> None:
        """Let a registered version serve; what served stays loaded."""

    def rollback(self) -> None:
        """Let the version serve that served before."""

    def retire(self, version: str) -> None:
        """Unload a version that no longer serves, once its requests are answered."""

    def scoring(self, weights: Weights) -> ScoringCheckpoint:
        """The scoring checkpoint that judged, from the archive that holds these weights."""

    def roll_out(
        self,
        calibration: Calibration,
        *,
        clips: Sequence[Path],
        version: Optional[str] = None,
        project: Optional[Path] = None,
        say: Callable[[str], object] = ...,
    ) -> str:
        """Let a calibration judge from now on: built, registered, compared, promoted; its version."""
