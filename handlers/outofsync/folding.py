"""Batch norms folded into the convolutions before them."""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval


def fold_batch_norms(network: nn.Module, dtype: torch.dtype = torch.float64) -> None:
    """Fold, in place, every batch norm of a network that is done learning.

    A batch norm belongs to the convolution declared right before it. Folding is done in ``dtype``: in double
    precision only the final rounding of each weight differs from the unfolded network.
    """
    for module in list(network.modules()):
        for (conv_name, conv), (norm_name, norm) in pairwise(list(module.named_children())):
            if isinstance(conv, (nn.Conv2d, nn.Conv3d)) and isinstance(
                norm, (nn.BatchNorm2d, nn.BatchNorm3d)
            ):
                folded = fuse_conv_bn_eval(conv.to(dtype).eval(), norm.to(dtype).eval())
                setattr(module, conv_name, folded.float())
                setattr(module, norm_name, nn.Identity())
