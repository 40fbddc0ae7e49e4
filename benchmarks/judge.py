"""The shipped networks in this process: bytes of a file in, the result as callers get it out."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import torch

from outofsync.nodes import DeblurNode, EnsembleNode, Request


class Judge:
    """Both nodes, one after the other, on one thread."""

    def __init__(self, checkpoints: Path) -> None:
        torch.set_num_threads(1)
        self._deblur = DeblurNode.load(checkpoints, "cpu", {})
        self._ensemble = EnsembleNode.load(checkpoints, "cpu", {})
        self.decoders: Counter[str] = Counter()  # that a file ended, by how

    def result(self, data: bytes) -> dict[str, Any]:
        """The result, or the error's envelope."""
        clips = self._deblur.run([Request(data, None, "")])
        self.decoders.update(one.decoder for one in self._deblur.tally.take().outcomes if one.decoder)
        answer: dict[str, Any] = json.loads(self._ensemble.run([Request(clips[0], None, "")])[0])
        return answer
