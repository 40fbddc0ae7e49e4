"""The published transformer, with what pairs share computed once and the last block cut to what is read.

Up to the first attention a token is the same in every pair that holds it, and so are its query, key and
value: they are computed once for each window and each chunk. After the last attention only the class token is
read. As it alone asks there, its query is taken to where the tokens are instead of every token to a key, and
tokens are mixed before they are made a value instead of after.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from outofsync.constants import DELAYS
from outofsync.synchrony.published.fusion import Attention, Block, Fusion


class SharedFusion(nn.Module):
    """Judges each window against its 31 chunks, with the weights of ``fusion``."""

    def __init__(self, fusion: Fusion) -> None:
        super().__init__()
        self._fusion = fusion
        blocks = [block for block in fusion.transformer.layers if isinstance(block, Block)]
        self._first, *self._others = blocks

    def projected(self, tokens: Tensor) -> Tensor:
        """What the first attention makes of tokens (…, width): queries, keys and values (…, 3 · width)."""
        norm, attention, _ = self._first.parts()
        out: Tensor = attention.to_qkv(norm(tokens))
        return out

    def logits(
        self, visual: Tensor, visual_projected: Tensor, audio: Tensor, audio_projected: Tensor
    ) -> Tensor:
        """Tokens (windows, 5, width) and (windows, 31, 4, width) with their projections → (windows, 31)."""
        class_token = self._fusion.cls_token[0]
        tokens = _pairs(class_token, audio, visual)
        projected = _pairs(self.projected(class_token), audio_projected, visual_projected)
        _, attention, feed_forward = self._first.parts()
        tokens = tokens + attention.mixed(projected)
        tokens = tokens + feed_forward(tokens)
        for block in self._others[:-1]:
            tokens = block(tokens)
        read = _class_token(self._others[-1], tokens) if self._others else tokens[:, 0]
        out: Tensor = self._fusion.mlp_head(read)
        return out.view(-1, DELAYS)


def _pairs(class_token: Tensor, audio: Tensor, visual: Tensor) -> Tensor:
    """Every pair's class token, audio and visual tokens in a row: (windows · 31, tokens, width)."""
    visual = visual[:, None].expand(-1, DELAYS, -1, -1)
    first = class_token.expand(*audio.shape[:2], -1, -1)
    return torch.cat([first, audio, visual], dim=2).flatten(0, 1)


def _class_token(block: Block, tokens: Tensor) -> Tensor:
    """The class token after a block: (pairs, tokens, width) → (pairs, width)."""
    norm, attention, feed_forward = block.parts()
    own = tokens[:, 0] + _first_asks(attention, norm(tokens))
    out: Tensor = own + feed_forward(own)
    return out


def _first_asks(attention: Attention, tokens: Tensor) -> Tensor:
    """What the first of (pairs, tokens, width) gets from attention, (pairs, width)."""
    width = tokens.shape[-1]
    # each (heads, head size, width)
    to_query, to_key, to_value = attention.to_qkv.weight.view(3, attention.heads, -1, width)
    query = torch.matmul(tokens[:, 0], to_query.transpose(1, 2))  # (heads, pairs, head size)
    asked = torch.bmm(query, to_key).transpose(0, 1)  # (pairs, heads, width)
    scores = torch.bmm(asked, tokens.transpose(1, 2)) * to_key.shape[1] ** -0.5  # (pairs, heads, tokens)
    mixed = torch.bmm(scores.softmax(dim=-1), tokens).transpose(0, 1)  # (heads, pairs, width)
    values = torch.bmm(mixed, to_value.transpose(1, 2))  # (heads, pairs, head size)
    out: Tensor = attention.to_out(values.transpose(0, 1).flatten(1))
    return out
