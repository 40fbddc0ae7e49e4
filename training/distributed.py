"""Several processes that train one network together (torchrun), or one that trains alone."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeVar

import torch
from torch import distributed, nn
from torch.nn.parallel import DistributedDataParallel

Value = TypeVar("Value")


@dataclass(frozen=True)
class Team:
    """Which of how many processes this is, and the device it works on."""

    rank: int
    size: int
    device: str

    @property
    def leads(self) -> bool:
        """Whether this process looks at val, writes files and talks."""
        return self.rank == 0

    def share(self, network: nn.Module) -> nn.Module:
        """The network, its gradients averaged over the team."""
        if self.size == 1:
            return network
        on_gpu = torch.device(self.device).type == "cuda"
        return DistributedDataParallel(network, device_ids=[self.device] if on_gpu else None)

    def agree(self, value: bool) -> bool:
        """What the leader says, for everybody; waits until all have asked."""
        if self.size == 1:
            return value
        said = torch.tensor([float(value)], device=self.device)
        distributed.broadcast(said, 0)
        return bool(said.item())

    def gather(self, value: Value) -> list[Value]:
        """What each process has, by rank; waits until all have asked."""
        values = [value] * self.size
        if self.size > 1:
            distributed.all_gather_object(values, value)
        return values


@contextmanager
def team(device: str) -> Iterator[Team]:
    """The team that torchrun started this process in; without torchrun, a team of one."""
    size = int(os.environ.get("WORLD_SIZE", "1"))
    if size == 1:
        yield Team(0, 1, device)
        return
    on_gpu = torch.device(device).type == "cuda"
    if on_gpu:
        device = f"cuda:{os.environ['LOCAL_RANK']}"
        torch.cuda.set_device(device)
    distributed.init_process_group("nccl" if on_gpu else "gloo")
    try:
        yield Team(distributed.get_rank(), size, device)
    finally:
        distributed.destroy_process_group()
