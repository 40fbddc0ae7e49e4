"""Convolutions of small maps over time with a sixth of the multiplications (Winograd's minimal filtering).

A kernel of three taps slid over m + 2 numbers yields m outputs. Both can be evaluated, as polynomials are, at
m + 2 points and multiplied point by point, so that m + 2 products do what 3 · m did. That holds for each axis
of a convolution by itself (Lavin and Gray, "Fast Algorithms for Convolutional Neural Networks", CVPR 2016).
The outputs are those of the plain convolution but for rounding, which grows with m; hence the small tiles.

Here a whole axis is taken to its points, padding included, by one matrix product, and back by another.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate, groupby
from operator import itemgetter

import torch
from torch import Tensor, nn

TAPS = 3
# m + 2 of them serve a tile of m outputs. The last may sit anywhere but on another: of 2 and -2, 1/2 and -2,
# and 2 and -1/2, the latter two lose half as much to rounding.
POINTS = (0.0, 1.0, -1.0, math.inf, 2.0, -0.5)
SPACE_TILE = len(POINTS) - TAPS + 1
# A tile of four would need the kernels at one more point, and save nothing on five frames.
TIME_TILE = SPACE_TILE - 1

# (window, channel, frame, row, column) → (frame, row, column, window, channel)
_PLACES_FIRST = (2, 3, 4, 0, 1)
_CHANNELS_SECOND = (3, 4, 0, 1, 2)  # and back


@dataclass(frozen=True)
class Axis:
    """How one axis is cut into tiles, taken to their points, and taken back.

    A row is one tile at one point. Rows of one point are neighbours, since they meet the same kernel.
    """

    tiles: tuple[int, ...]  # how many there are at each point
    into: Tensor  # (rows, length)
    kernel: Tensor  # (points, taps)
    back: Tensor  # (length, rows)

    @classmethod
    def of(cls, length: int, largest: int) -> Axis:
        """Tiles of ``largest`` outputs, and a smaller one at the end if need be; beyond the ends is zero."""
        used = POINTS[: min(largest, length) + TAPS - 1]
        scale = _differences(used)
        rows = []
        for start in range(0, length, largest):
            outputs = min(largest, length - start)
            inputs = outputs + TAPS - 1
            points = used[:inputs]
            # Multiplying polynomials is back · (into · a) ⊙ (kernel · b); filtering is its transpose.
            into = torch.zeros(inputs, length + TAPS - 1, dtype=torch.float64)
            into[:, start : start + inputs] = torch.linalg.inv(_powers(points, inputs)).T * scale[:inputs]
            back = torch.zeros(inputs, length, dtype=torch.float64)
            back[:, start : start + outputs] = _powers(points, outputs)
            rows += list(zip(range(inputs), into[:, 1:-1], back, strict=True))
        rows.sort(key=itemgetter(0))
        tiles = tuple(len(list(group)) for _, group in groupby(rows, itemgetter(0)))
        kernel = _powers(used, TAPS) / scale
        return cls(
            tiles, torch.stack([row[1] for row in rows]), kernel, torch.stack([row[2] for row in rows], 1)
        )

    @property
    def rows(self) -> int:
        return sum(self.tiles)

    def spans(self) -> Iterator[slice]:
        """The rows of each point in turn."""
        for end, tiles in zip(accumulate(self.tiles), self.tiles, strict=True):
            yield slice(end - tiles, end)

    def alike(self) -> Iterator[tuple[slice, slice]]:
        """Points with equally many tiles, and their rows."""
        spans = list(self.spans())
        first = 0
        for _, group in groupby(self.tiles):
            last = first + len(list(group)) - 1
            yield slice(first, last + 1), slice(spans[first].start, spans[last].stop)
            first = last + 1


def _powers(points: Sequence[float], count: int) -> Tensor:
    """1, p, p² … of each point, (points, count); at infinity only the highest one counts."""
    highest = [0.0] * (count - 1) + [1.0]
    rows = [highest if math.isinf(p) else [p**power for power in range(count)] for p in points]
    return torch.tensor(rows, dtype=torch.float64)


def _differences(points: Sequence[float]) -> Tensor:
    """What to multiply a point's row of ``into`` with to clear its fractions, (points, 1)."""
    finite = [p for p in points if not math.isinf(p)]
    rows = [1.0 if math.isinf(p) else math.prod(p - q for q in finite if q != p) for p in points]
    return torch.tensor(rows, dtype=torch.float64)[:, None]


class WinogradConv3d(nn.Module):
    """Stands in for a 3×3×3 convolution of stride 1 on maps of one size, padded by one on all sides.

    Maps are (windows, channels, frames, side, side). They should lie in memory as what is returned does:
    places first, then windows, then channels.
    """

    into_time: Tensor
    from_time: Tensor
    into_space: Tensor
    from_space: Tensor
    kernels: Tensor
    bias: Tensor

    def __init__(self, conv: nn.Conv3d, frames: int, side: int) -> None:
        super().__init__()
        self._time, self._space = Axis.of(frames, TIME_TILE), Axis.of(side, SPACE_TILE)
        tensors = {
            "into_time": self._time.into.float(),
            "from_time": self._time.back.float(),
            "into_space": self._space.into.float(),
            "from_space": self._space.back.float(),
            "kernels": self._at_points(conv.weight.detach()),
            "bias": torch.zeros(conv.out_channels) if conv.bias is None else conv.bias.detach(),
        }
        for name, tensor in tensors.items():
            self.register_buffer(name, tensor, persistent=False)

    def _at_points(self, weight: Tensor) -> Tensor:
        """Kernels at (row point, time point, column point): (6, 5, 6, inputs, outputs)."""
        space, time = self._space.kernel, self._time.kernel
        taps = weight.double().permute(3, 2, 4, 1, 0).flatten(3).flatten(0, 2)  # (27, inputs · outputs)
        kernels = weight.new_empty(len(space), len(time), len(space), *weight.shape[1::-1])
        for point, kernel in zip(space, kernels, strict=True):
            # A row point at a time: in double precision all of them would take gigabytes.
            at_points = torch.einsum("y,at,bx->abytx", point, time, space).flatten(2).flatten(0, 1)
            kernel.copy_((at_points @ taps).view_as(kernel))
        return kernels

    def forward(self, maps: Tensor) -> Tensor:
        """(windows, inputs, frames, side, side) → (windows, outputs, frames, side, side)."""
        places = maps.permute(_PLACES_FIRST).contiguous()
        frames, side, _, windows, _ = places.shape
        out = self.bias.repeat(frames, side, side * windows, 1).flatten(2)
        for point, rows in enumerate(self._space.spans()):
            products = self._products(self._enter(places, rows), point)
            back = self.from_space[:, rows].expand(frames, -1, -1)
            out.baddbmm_(back, self._leave(products, rows).reshape(frames, -1, out.shape[-1]))
        return out.view(frames, side, side, windows, -1).permute(_CHANNELS_SECOND)

    def _enter(self, places: Tensor, rows: slice) -> Tensor:
        """Maps at one row point: (time rows, column rows, tiles · windows, channels)."""
        frames, side, _, windows, channels = places.shape
        columns = places.flatten(3).transpose(1, 2)  # (frames, columns, rows, windows · channels)
        into = self.into_space[rows].expand(side, -1, -1)
        at_rows = places.new_empty(frames, side, rows.stop - rows.start, windows * channels)
        for entered, frame in zip(at_rows, columns, strict=True):
            torch.bmm(into, frame, out=entered)
        in_time = self.into_time @ at_rows.view(frames, -1)
        into = self.into_space.expand(self._time.rows, -1, -1)
        return torch.bmm(into, in_time.view(self._time.rows, side, -1)).view(
            self._time.rows, self._space.rows, -1, channels
        )

    def _products(self, entered: Tensor, row_point: int) -> Tensor:
        """Every place at its point times the kernels there; as entered, with the outputs as channels."""
        kernels = self.kernels[row_point]
        products = entered.new_empty(*entered.shape[:3], kernels.shape[-1])
        for time_point, time_rows in enumerate(self._time.spans()):
            for points, rows in self._space.alike():
                for product, factor in zip(products[time_rows, rows], entered[time_rows, rows], strict=True):
                    count = points.stop - points.start
                    torch.bmm(
                        factor.view(count, -1, factor.shape[-1]),
                        kernels[time_point, points],
                        out=product.view(count, -1, product.shape[-1]),
                    )
        return products

    def _leave(self, products: Tensor, rows: slice) -> Tensor:
        """Back from column points and time points: (frames, tiles, columns, windows · outputs)."""
        tiles = rows.stop - rows.start
        back = self.from_space.expand(tiles, -1, -1)
        by_tile = products.reshape(*products.shape[:2], tiles, -1).transpose(1, 2)
        columns = products.new_empty(len(by_tile), tiles, len(self.from_space), by_tile.shape[-1])
        for left, time_row in zip(columns, by_tile, strict=True):
            torch.bmm(back, time_row, out=left)
        return (self.from_time @ columns.flatten(1)).view(-1, *columns.shape[1:])


class PointwiseConv3d(nn.Module):
    """Stands in for a 1×1×1 convolution, on maps that lie in memory as those of :class:`WinogradConv3d`."""

    def __init__(self, conv: nn.Conv3d) -> None:
        super().__init__()
        self.linear = nn.Linear(conv.in_channels, conv.out_channels, bias=conv.bias is not None)
        with torch.no_grad():
            self.linear.weight.copy_(conv.weight.flatten(1))
            if conv.bias is not None:
                self.linear.bias.copy_(conv.bias)

    def forward(self, maps: Tensor) -> Tensor:
        """(windows, inputs, frames, side, side) → (windows, outputs, frames, side, side)."""
        out: Tensor = self.linear(maps.permute(_PLACES_FIRST)).permute(_CHANNELS_SECOND)
        return out


def use_winograd(network: nn.Module, frames: int, side: int) -> None:
    """Replace, in place, every convolution of a network whose maps all have one size."""
    for module in list(network.modules()):
        for name, conv in list(module.named_children()):
            if isinstance(conv, nn.Conv3d):
                pointwise = conv.kernel_size == (1, 1, 1)
                setattr(
                    module, name, PointwiseConv3d(conv) if pointwise else WinogradConv3d(conv, frames, side)
                )
