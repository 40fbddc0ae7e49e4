"""Features to 31 numbers as published: standardise, then principal components (docs/method.md)."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn


class Projection(nn.Module):
    """(…, features) → (…, 31), as scikit-learn's StandardScaler and unwhitened PCA compute it.

    ``mean`` and ``scale`` (features,) standardise; ``centre`` (features,) and ``components`` (31, features)
    rotate. All are float64, as they were fitted.
    """

    mean: Tensor
    scale: Tensor
    centre: Tensor
    components: Tensor

    def __init__(self, tensors: Mapping[str, Tensor]) -> None:
        super().__init__()
        for name in ("mean", "scale", "centre", "components"):
            self.register_buffer(name, tensors[name].to(torch.float64))

    def forward(self, features: Tensor) -> Tensor:
        standard = (features.to(torch.float64) - self.mean) / self.scale
        return (standard - self.centre) @ self.components.T
