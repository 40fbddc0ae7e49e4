"""Node 2: judges clips by synchrony and answers results. Alone, it takes a video as well."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from batching import BatchHandler, error_answer
from outofsync.nodes import EnsembleNode, Request
from outofsync.spool import Spool


class EnsembleHandler(BatchHandler):
    """TorchServe's view of :class:`outofsync.nodes.EnsembleNode`."""

    node: EnsembleNode

    def load(self, model_dir: Path, device: str, settings: dict[str, Any], spool: Spool | None) -> None:
        self.node = EnsembleNode.load(model_dir, device, settings, spool)

    def run(self, requests: Sequence[Request]) -> list[bytes]:
        return self.node.run(requests)

    def failure(self, error: dict[str, Any]) -> bytes:
        return error_answer(error)
