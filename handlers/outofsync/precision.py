"""What float32 means on a graphics card, while somebody needs it to mean float32."""

from __future__ import annotations

import threading
from typing import ClassVar

import torch

# TF32 in convolutions, TF32 in products, and only kernels that sum in a fixed order.
Switches = tuple[bool, bool, bool]


class FullFloat32:
    """Within this block float32 means float32 on a graphics card too, and results can be had again.

    The switches belong to the process, and so do the blocks that are open: the first one in turns them and
    the last one out turns them back. Threads may hold blocks at once.
    """

    _lock: ClassVar = threading.Lock()
    _open: ClassVar[int] = 0
    _before: ClassVar[Switches] = (False, False, False)

    def __enter__(self) -> None:
        with self._lock:
            if not FullFloat32._open:
                cudnn, matmul = torch.backends.cudnn, torch.backends.cuda.matmul
                FullFloat32._before = (cudnn.allow_tf32, matmul.allow_tf32, cudnn.deterministic)
                _turn((False, False, True))
            FullFloat32._open += 1

    def __exit__(self, *exception: object) -> None:
        with self._lock:
            FullFloat32._open -= 1
            if not FullFloat32._open:
                _turn(FullFloat32._before)


def _turn(switches: Switches) -> None:
    cudnn, matmul = torch.backends.cudnn, torch.backends.cuda.matmul
    cudnn.allow_tf32, matmul.allow_tf32, cudnn.deterministic = switches
