"""Node 1: finds the faces, restores the blurred ones, and hands clips on.

As a plain model (``/predictions/deblur``) it answers the deblurred video with its sound instead.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from batching import BatchHandler, error_answer
from outofsync.clip import Clip
from outofsync.nodes import DeblurNode, Request
from outofsync.spool import Spool


class DeblurHandler(BatchHandler):
    """TorchServe's view of :class:`outofsync.nodes.DeblurNode`."""

    answer_type = "video/mp4"

    node: DeblurNode

    def load(self, model_dir: Path, device: str, settings: dict[str, Any], spool: Spool | None) -> None:
        self.node = DeblurNode.load(model_dir, device, settings, spool)

    def run(self, requests: Sequence[Request]) -> list[bytes]:
        return self.node.run(requests) if self.in_workflow else self.node.restore(requests)

    def failure(self, error: dict[str, Any]) -> bytes:
        if self.in_workflow:
            return Clip.failed(error, request_id=error["request_id"]).to_bytes()
        return error_answer(error)
