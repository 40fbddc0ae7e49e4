"""The roll-out record: which pipelines there are, which one serves, which one is tried.

``STATE/pipelines.json`` is what should be; TorchServe forgets everything when it ends, and is made to match
the record at each start. It is replaced whole, under a lock, and read without one.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from outofsync_client.protocol import NODES, RECORD_FILE
from outofsync_client.protocol.private_files import write_private
from serving.rollout.errors import RecordError

FORMAT = 1


@dataclass(frozen=True)
class NodeVersion:
    """One version of a node, and the archive it is loaded from (a name in the model store)."""

    version: str
    archive: str
    sha256: str


@dataclass(frozen=True)
class Pipeline:
    """A version of the whole: one version of each node."""

    deblur: NodeVersion
    ensemble: NodeVersion

    def node(self, name: str) -> NodeVersion:
        """The version of one of ``NODES``."""
        node: NodeVersion = getattr(self, name)
        return node

    def nodes(self) -> Iterator[tuple[str, NodeVersion]]:
        """Each node's name and version, in the order in which a request passes them."""
        return ((name, self.node(name)) for name in NODES)


@dataclass(frozen=True)
class Canary:
    """A pipeline that is tried on ``share`` (0 to 1) of the requests.

    With ``shadow`` callers are answered by the promoted pipeline, and it judges afterwards, to be compared.
    """

    pipeline: str
    share: float
    shadow: bool


@dataclass(frozen=True)
class Event:
    """One step of the past: when (UTC), which, on what."""

    at: str
    step: str
    pipeline: str


@dataclass(frozen=True)
class Record:
    """What should be, and how it came about."""

    pipelines: Mapping[str, Pipeline]
    promoted: str
    previous: str | None = None  # where a roll-back leads
    canary: Canary | None = None
    workers: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    history: tuple[Event, ...] = field(default=(), repr=False)

    def after(self, step: str, pipeline: str, **changes: Any) -> Record:
        """The record with these fields changed by a step."""
        now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        return replace(self, history=(*self.history, Event(now, step, pipeline)), **changes)

    def uses(self, node: str, version: str) -> bool:
        """Whether any pipeline is made of this version of a node."""
        return any(pipeline.node(node).version == version for pipeline in self.pipelines.values())

    def scaled(self) -> Iterator[tuple[str, str, int]]:
        """Each version of a node that was scaled, and how many workers it is to have."""
        for node, counts in self.workers.items():
            for version, count in counts.items():
                if self.uses(node, version):
                    yield node, version, count

    def to_dict(self) -> dict[str, Any]:
        return {"format": FORMAT, **asdict(self)}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Record:
        """Raises KeyError, TypeError or ValueError where this is no record."""
        if values["format"] != FORMAT:
            raise ValueError(f"its format is {values['format']!r}, not {FORMAT}")
        pipelines = {
            version: Pipeline(**{name: NodeVersion(**nodes[name]) for name in NODES})
            for version, nodes in values["pipelines"].items()
        }
        canary = None if values["canary"] is None else Canary(**values["canary"])
        for named in (values["promoted"], values["previous"], canary and canary.pipeline):
            if named is not None and named not in pipelines:
                raise ValueError(f"it names the pipeline {named!r} without saying what that is")
        return cls(
            pipelines=pipelines,
            promoted=values["promoted"],
            previous=values["previous"],
            canary=canary,
            workers={node: dict(counts) for node, counts in values.get("workers", {}).items()},
            history=tuple(Event(**event) for event in values["history"]),
        )


class RecordFile:
    """The record of one state folder."""

    def __init__(self, state: Path) -> None:
        self.path = state / RECORD_FILE

    def read(self) -> Record | None:
        """The record, None before a server first ran here; raises :class:`RecordError`."""
        try:
            return Record.from_dict(json.loads(self.path.read_text(encoding="utf-8")))
        except FileNotFoundError:
            return None
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise RecordError(
                f"the roll-out record {self.path} cannot be read ({type(error).__name__}: {error})",
                hint="Mend it; or move it away, and the next start serves the model store's own archives.",
            ) from None

    def write(self, record: Record) -> None:
        """Replace the record; once this returns, it outlives a loss of power."""
        write_private(self.path, json.dumps(record.to_dict(), indent=2) + "\n")
