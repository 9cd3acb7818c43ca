"""The backbone: a pre-norm Transformer with rotary positions (paper, section 4.3, figure 6).

What does not belong here: what the tokens mean (`layouts.py`, `model.py`).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from lim_pipelines.foundation.config import Shape
from lim_pipelines.foundation.elementwise import normed, squared_relu, turned

_BASE = 10_000.0
_MOST_BY_PRODUCTS = 512


def rotary(positions: Tensor, width: int) -> tuple[Tensor, Tensor]:
    """Cosines and sines of rotary position embedding (Su et al. 2021), of (S,): two of (S, width / 2)."""
    rates = _BASE ** -(torch.arange(0, width, 2, device=positions.device) / width)
    angle = positions[:, None].float() * rates
    return angle.cos(), angle.sin()


class Attention(nn.Module):
    """Multi-head attention behind an RMSNorm; queries and keys are normed too, which keeps bf16 stable.

    Norms have no gains: that of the tokens is in the matrix that follows, that of queries and keys is one
    number a head.

    Parameters
    ----------
    shape
        Width and heads.
    """

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        d = shape.d_model
        self.heads = shape.heads
        self.qkv = nn.Linear(d, 3 * d, bias=False)
        self.out = nn.Linear(d, d, bias=False)
        self.sharpness = nn.Parameter(torch.ones(shape.heads, 1))

    def forward(
        self, tokens: Tensor, turn: tuple[Tensor, Tensor] | None, mask: Tensor | None, causal: bool
    ) -> Tensor:
        """Mix tokens (B, S, d); `mask` (B or 1, 1, S, S) is True where a query may attend to a key."""
        batch, length, d = tokens.shape
        qkv = self.qkv(normed(tokens)).view(batch, length, 3, self.heads, d // self.heads)
        both = normed(qkv[:, :, :2])
        q, k = (both if turn is None else turned(both, *turn)).unbind(2)
        k = k * self.sharpness.to(k.dtype)
        q, k, v = q.transpose(1, 2), k.transpose(1, 2), qkv[:, :, 2].transpose(1, 2)
        mixed = attend(q, k, v, mask, causal)
        out: Tensor = self.out(mixed.transpose(1, 2).reshape(batch, length, d))
        return out


def attend(q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None, causal: bool) -> Tensor:
    """Scaled dot-product attention over (B, h, S, w).

    torch's fused kernel, but for bf16 on a CPU: its backward takes four times as long there as the plain
    products of short sequences (`benchmarks/foundation_step.py`).
    """
    length = q.shape[2]
    if q.device.type != "cpu" or q.dtype != torch.bfloat16 or length > _MOST_BY_PRODUCTS:
        return functional.scaled_dot_product_attention(
            q, k, v, attn_mask=mask, is_causal=causal and mask is None
        )
    bias = q.new_zeros(1, 1, length, length)
    if mask is not None:
        bias = bias.masked_fill(~mask, float("-inf"))
    elif causal:
        bias = bias + torch.full_like(bias, float("-inf")).triu(1)
    bias = bias.expand(*q.shape[:2], length, length).flatten(0, 1)
    scores = torch.baddbmm(bias, q.flatten(0, 1), k.flatten(0, 1).transpose(1, 2), alpha=q.shape[3] ** -0.5)
    return torch.bmm(scores.softmax(-1).to(v.dtype), v.flatten(0, 1)).view_as(q)


class Feed(nn.Module):
    """Feed-forward layer behind an RMSNorm; squared ReLU, as cheap as it gets (So et al. 2021, Primer)."""

    def __init__(self, d: int) -> None:
        super().__init__()
        self.up = nn.Linear(d, 4 * d, bias=False)
        self.down = nn.Linear(4 * d, d, bias=False)

    def forward(self, tokens: Tensor) -> Tensor:
        """Transform tokens (..., d)."""
        out: Tensor = self.down(squared_relu(self.up(normed(tokens))))
        return out


class Block(nn.Module):
    """Attention and feed-forward layer, each beside a residual.

    Parameters
    ----------
    shape
        Width and heads.
    over_variables
        Whether tokens attend over variables, too, in a layer of its own (two-level attention).
    """

    def __init__(self, shape: Shape, over_variables: bool = False) -> None:
        super().__init__()
        self.attention = Attention(shape)
        self.across = Attention(shape) if over_variables else None
        self.feed = Feed(shape.d_model)
        # Every block begins as the identity; with that, wide and narrow models start alike.
        nn.init.zeros_(self.attention.out.weight)
        nn.init.zeros_(self.feed.down.weight)
        if self.across is not None:
            nn.init.zeros_(self.across.out.weight)

    def forward(
        self,
        tokens: Tensor,
        turn: tuple[Tensor, Tensor],
        mask: Tensor | None,
        causal: bool,
        shown: Tensor | None = None,
    ) -> Tensor:
        """Transform tokens (B, S, d), or (B, v, S, d) with attention over v in turn.

        Parameters
        ----------
        tokens
            (B, S, d) or, two-level, (B, v, S, d).
        turn
            Rotary cosines and sines of the S positions.
        mask
            (B, 1, S, S) bool or None; for two-level tokens (B * v, 1, S, S).
        causal
            Whether no position attends to later ones, where there is no mask.
        shown
            (B, v, S) bool, variables that say anything at a position; two-level only.
        """
        if self.across is None:
            tokens = tokens + self.attention(tokens, turn, mask, causal)
        else:
            batch, v, length, d = tokens.shape
            over_time = self.attention(tokens.flatten(0, 1), turn, mask, causal)
            tokens = tokens + over_time.view(batch, v, length, d)
            rows = tokens.transpose(1, 2).flatten(0, 1)
            keys = None if shown is None else shown.transpose(1, 2).flatten(0, 1)[:, None, None, :]
            mixed = self.across(rows, None, keys, False)
            tokens = tokens + mixed.view(batch, length, v, d).transpose(1, 2)
        out: Tensor = tokens + self.feed(tokens)
        return out


class Backbone(nn.Module):
    """A stack of blocks and a last norm.

    Parameters
    ----------
    shape
        Width, depth and heads.
    over_variables
        See `Block`.
    """

    def __init__(self, shape: Shape, over_variables: bool = False) -> None:
        super().__init__()
        self.width = shape.d_model // shape.heads
        self.blocks = nn.ModuleList(Block(shape, over_variables) for _ in range(shape.layers))

    def forward(
        self,
        tokens: Tensor,
        positions: Tensor,
        mask: Tensor | None,
        causal: bool,
        shown: Tensor | None = None,
    ) -> Tensor:
        """Transform tokens; see `Block.forward`. `positions` are (S,)."""
        turn = rotary(positions, self.width)
        for block in self.blocks:
            tokens = block(tokens, turn, mask, causal, shown)
        return normed(tokens)
