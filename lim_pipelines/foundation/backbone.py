"""The backbone: a pre-norm Transformer over (patch, variable) tokens (paper, section 4.3, figure 6).

What does not belong here: what the tokens mean (`model.py`).

Attention runs over time and over variables at once. Order is in the tokens' encodings, so no position enters
here.
"""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional

from lim_pipelines.foundation.config import Shape


class Block(nn.Module):
    """Self-attention and a feed-forward layer, each behind an RMSNorm and beside a residual.

    Parameters
    ----------
    shape
        Width and heads.
    """

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        d = shape.d_model
        self.heads = shape.heads
        self.attention_norm = nn.RMSNorm(d)
        self.qkv = nn.Linear(d, 3 * d, bias=False)
        self.out = nn.Linear(d, d, bias=False)
        self.feed_norm = nn.RMSNorm(d)
        self.feed = nn.Sequential(nn.Linear(d, 2 * d), nn.GELU(), nn.Linear(2 * d, d))

    def forward(self, tokens: Tensor, mask: Tensor | None) -> Tensor:
        """Transform tokens (B, S, d); `mask` (B, 1, 1, S) is True where a token may be attended to."""
        batch, length, d = tokens.shape
        qkv = self.qkv(self.attention_norm(tokens)).view(batch, length, 3, self.heads, d // self.heads)
        q, k, v = qkv.permute(2, 0, 3, 1, 4).unbind(0)
        mixed = functional.scaled_dot_product_attention(q, k, v, attn_mask=mask)
        tokens = tokens + self.out(mixed.transpose(1, 2).reshape(batch, length, d))
        out: Tensor = tokens + self.feed(self.feed_norm(tokens))
        return out


class Backbone(nn.Module):
    """A stack of blocks and a last norm.

    Parameters
    ----------
    shape
        Width, depth and heads.
    """

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(Block(shape) for _ in range(shape.layers))
        self.norm = nn.RMSNorm(shape.d_model)

    def forward(self, tokens: Tensor, visible: Tensor) -> Tensor:
        """Transform tokens.

        Parameters
        ----------
        tokens
            (B, S, d).
        visible
            (B, S) bool; nobody attends to tokens that are not visible.

        Returns
        -------
        (B, S, d)
            Normed tokens; those of invisible tokens mean nothing.
        """
        # Without a mask SDPA takes its faster kernel; most batches have nothing to mask.
        mask = None if bool(visible.all()) else visible[:, None, None, :]
        for block in self.blocks:
            tokens = block(tokens, mask)
        out: Tensor = self.norm(tokens)
        return out
