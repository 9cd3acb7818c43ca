"""The backbone: a pre-norm Transformer with rotary positions (paper, section 4.3, figure 6).

What does not belong here: what the tokens mean (`layouts.py`, `model.py`).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from lim_pipelines.foundation.config import Shape

_BASE = 10_000.0


def rotary(positions: Tensor, width: int) -> tuple[Tensor, Tensor]:
    """Cosines and sines of rotary position embedding (Su et al. 2021, RoFormer): (S,) -> two of (S, width / 2)."""
    rates = _BASE ** -(torch.arange(0, width, 2, device=positions.device) / width)
    angle = positions[:, None].float() * rates
    return angle.cos(), angle.sin()


def _turn(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Turn pairs of (B, h, S, w) by their positions' angles."""
    one, other = x.chunk(2, dim=-1)
    return torch.cat([one * cos - other * sin, other * cos + one * sin], dim=-1).to(x.dtype)


class Attention(nn.Module):
    """Multi-head attention behind an RMSNorm; queries and keys are normed too, which keeps bf16 stable.

    Parameters
    ----------
    shape
        Width and heads.
    """

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        d = shape.d_model
        self.heads = shape.heads
        self.norm = nn.RMSNorm(d)
        self.qkv = nn.Linear(d, 3 * d, bias=False)
        self.out = nn.Linear(d, d, bias=False)
        self.norm_q = nn.RMSNorm(d // shape.heads)
        self.norm_k = nn.RMSNorm(d // shape.heads)

    def forward(
        self, tokens: Tensor, turn: tuple[Tensor, Tensor] | None, mask: Tensor | None, causal: bool
    ) -> Tensor:
        """Mix tokens (B, S, d); `mask` (B or 1, 1, S, S) is True where a query may attend to a key."""
        batch, length, d = tokens.shape
        qkv = self.qkv(self.norm(tokens)).view(batch, length, 3, self.heads, d // self.heads)
        q, k, v = qkv.permute(2, 0, 3, 1, 4).unbind(0)
        q, k = self.norm_q(q), self.norm_k(k)
        if turn is not None:
            q, k = _turn(q, *turn), _turn(k, *turn)
        mixed = functional.scaled_dot_product_attention(
            q, k, v.to(q.dtype), attn_mask=mask, is_causal=causal and mask is None
        )
        out: Tensor = self.out(mixed.transpose(1, 2).reshape(batch, length, d))
        return out


class Feed(nn.Module):
    """Feed-forward layer behind an RMSNorm; squared ReLU, as cheap as it gets (So et al. 2021, Primer)."""

    def __init__(self, d: int) -> None:
        super().__init__()
        self.norm = nn.RMSNorm(d)
        self.up = nn.Linear(d, 4 * d, bias=False)
        self.down = nn.Linear(4 * d, d, bias=False)

    def forward(self, tokens: Tensor) -> Tensor:
        """Transform tokens (..., d)."""
        out: Tensor = self.down(functional.relu(self.up(self.norm(tokens))).square())
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
        return tokens + self.feed(tokens)


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
        self.norm = nn.RMSNorm(shape.d_model)

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
        out: Tensor = self.norm(tokens)
        return out
