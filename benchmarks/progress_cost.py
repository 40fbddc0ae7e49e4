"""What it costs to tell how far a request is: ``make bench BENCH=progress_cost [ARGS="--rounds 6"]``.

Both nodes judge one video in this process on one thread: telling nobody, telling of stages and shares as
every request does, and telling of segments as jobs do, in turn. Printed is the processor time of each node,
which other work on the machine leaves nearly as it is.
"""

from __future__ import annotations

import secrets
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import torch

from benchmarks.engine import CHECKPOINTS
from benchmarks.footage import stored
from benchmarks.report import median, parser, print_table, write_json
from outofsync.nodes import DeblurNode, EnsembleNode, Request
from outofsync.progress import Progress
from outofsync.segment_file import SUFFIX

# What whoever waits makes beside each other, by the name of the one file.
TOLD: dict[str, tuple[str, ...]] = {"nothing": (), "stages": ("",), "stages and segments": ("", SUFFIX)}

Seconds = tuple[float, float]  # of the first node, and of the second


class Nodes:
    """The two nodes, and the folder in which they tell."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._deblur = DeblurNode.load(CHECKPOINTS, "cpu", {"threads": 1})
        self._ensemble = EnsembleNode.load(CHECKPOINTS, "cpu", {"threads": 1})

    def judge(self, video: bytes, told: Sequence[str]) -> Seconds:
        """Judge a video; processor time of this process, without the decoder's."""
        name = secrets.token_hex(16)
        files = [self._folder / f"{name}{suffix}" for suffix in told]
        for file in files:
            file.touch(0o600)
        began = time.process_time()
        clip = self._work(self._deblur, video, name if files else None)
        between = time.process_time()
        self._work(self._ensemble, clip, name if files else None)
        ended = time.process_time()
        for file in files:
            file.unlink()
        return between - began, ended - between

    def _work(self, node: DeblurNode | EnsembleNode, data: bytes, name: str | None) -> bytes:
        progress = Progress.open(self._folder, name)
        try:
            (answer,) = node.run([Request(data, None, "", progress=progress)])
        finally:
            progress.close()
        return answer


def main(arguments: Sequence[str] | None = None) -> int:
    options_of = parser(__doc__ or "")
    options_of.add_argument("--seconds", type=float, default=60.0, help="length of the video")
    options_of.add_argument("--rounds", type=int, default=6)
    options = options_of.parse_args(arguments)
    torch.set_num_threads(1)
    video = stored(options.seconds).read_bytes()
    taken: dict[str, list[Seconds]] = {kind: [] for kind in TOLD}
    with tempfile.TemporaryDirectory(prefix="outofsync-progress-") as folder:
        nodes = Nodes(Path(folder))
        nodes.judge(video, TOLD["stages and segments"])  # what is made ready at first
        for round_ in range(options.rounds):
            for kind in list(TOLD)[:: -1 if round_ % 2 else 1]:
                taken[kind].append(nodes.judge(video, TOLD[kind]))
    whole = {kind: median([sum(one) for one in rounds]) for kind, rounds in taken.items()}
    print_table(
        f"{options.seconds:g} s of video, median of {options.rounds} rounds in turn",
        ["told", "first node s", "second node s", "more than nothing"],
        [
            [
                kind,
                *(median(list(node)) for node in zip(*rounds, strict=True)),
                f"{whole[kind] / whole['nothing'] - 1:+.1%}",
            ]
            for kind, rounds in taken.items()
        ],
    )
    write_json(options.json, taken)
    return 0


if __name__ == "__main__":
    sys.exit(main())
