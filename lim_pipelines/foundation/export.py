"""The same weights made fast for processors: one context at once, or a whole cross-section.

What does not belong here: training; other devices, where the model is fast as it is.

    one context   the backbone as an ONNX graph with 8-bit weights (`onnx_graph.py`): few operations to start,
                  and products of a quarter the bytes
    many          the backbone in bfloat16: a large product is bound by arithmetic, of which there is twice as
                  much a second where the processor has it (AVX512-BF16, AMX); elsewhere it is slower

In both only the last patch is decoded: the last layer's queries, its output and its feed-forward layer are
computed for one position instead of all. Scales, features and heads stay as they are, in fp32. What it gains
and what it costs: `benchmarks/inference.py`, docs/foundation-api.md.
"""

from __future__ import annotations

import copy
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional

from lim_pipelines.foundation.backbone import Backbone, Block, rotary
from lim_pipelines.foundation.config import FoundationConfig
from lim_pipelines.foundation.heads import Head
from lim_pipelines.foundation.model import Forecast, FoundationModel, Inputs

_NEVER = -1e9


class FastModel:
    """A model's weights, fast on a CPU; fulfils `rollout.Speaker`.

    Parameters
    ----------
    model
        Model of layout `patch` and a causal objective, on the CPU. The backbone's weights are copied.

    Raises
    ------
    ImportError
        The extra `infer` is not installed.
    ValueError
        The model is another one.
    """

    def __init__(self, model: FoundationModel) -> None:
        config = model.config
        if config.layout != "patch" or config.objective == "masked":
            raise ValueError(
                f"{config.name}: layout {config.layout}, objective {config.objective} have no fast"
                " path; it is made for layout patch and decodes the last patch. Use the model as it is"
            )
        if next(model.parameters()).device.type != "cpu":
            raise ValueError(f"{config.name}: the fast path is for processors; use the model as it is")
        self.config: FoundationConfig = config
        self.head: Head = model.head
        tokens = (config.context + config.coarse) // config.patch
        self._one = _with_backbone(model, _quantised(model.backbone, tokens))
        self._many = _with_backbone(model, _bfloat16(model.backbone, tokens))

    def __call__(self, inputs: Inputs, /) -> Forecast:
        """Say what follows each context of L_X bars."""
        said: Forecast = (self._one if len(inputs.values) == 1 else self._many)(inputs)
        return said


class LastState(nn.Module):
    """The backbone's state at the last position alone.

    Parameters
    ----------
    backbone
        Where the weights are from; of tokens (B, S, d).
    tokens
        S, positions of a context.
    """

    cos: Tensor
    sin: Tensor

    def __init__(self, backbone: Backbone, tokens: int) -> None:
        super().__init__()
        self.blocks = copy.deepcopy(backbone.blocks)
        cos, sin = rotary(torch.arange(tokens), backbone.width)
        self.register_buffer("cos", torch.cat([cos, cos], dim=-1)[:, None])
        self.register_buffer("sin", torch.cat([-sin, sin], dim=-1)[:, None])

    def forward(self, tokens: Tensor, bias: Tensor) -> Tensor:
        """Read tokens (B, S, d) with what is added to attention, (1 or B, 1, S, S); return (B, 1, d)."""
        batch, length, d = tokens.shape
        for i, block in enumerate(self.blocks):
            assert isinstance(block, Block)
            attention, feed = block.attention, block.feed
            weight, split = attention.qkv.weight, (attention.heads, d // attention.heads)
            first = length - 1 if i + 1 == len(self.blocks) else 0
            x = _normed(tokens)
            q = functional.linear(x[:, first:], weight[:d]).view(batch, length - first, *split)
            k, v = functional.linear(x, weight[d:]).view(batch, length, 2, *split).unbind(2)
            q = self._turned(_normed(q), first)
            k = self._turned(_normed(k), 0) * attention.sharpness
            mixed = functional.scaled_dot_product_attention(
                q.transpose(1, 2), k.transpose(1, 2), v.transpose(1, 2), attn_mask=bias[:, :, first:]
            )
            mixed = mixed.transpose(1, 2).reshape(batch, length - first, d)
            tokens = tokens[:, first:] + attention.out(mixed)
            tokens = tokens + feed.down(functional.relu(feed.up(_normed(tokens))).square())
        return _normed(tokens)

    def _turned(self, x: Tensor, first: int) -> Tensor:
        one, other = x.chunk(2, dim=-1)
        return x * self.cos[first:] + torch.cat([other, one], dim=-1) * self.sin[first:]


class _InPlace(nn.Module):
    """Stands where a backbone stood: every position gets the state of the last one, which alone is asked."""

    def __init__(self, last: Callable[[Tensor, Tensor], Tensor]) -> None:
        super().__init__()
        self.last = last

    def forward(self, tokens: Tensor, positions: Tensor, mask: Tensor | None, causal: bool) -> Tensor:
        if mask is None:
            mask = (positions[:, None] >= positions)[None, None]
        bias = torch.zeros_like(mask, dtype=tokens.dtype).masked_fill(~mask, _NEVER)
        return self.last(tokens, bias).expand(-1, tokens.shape[1], -1)


def _with_backbone(model: FoundationModel, last: Callable[[Tensor, Tensor], Tensor]) -> FoundationModel:
    """Copy a model, but for its backbone; nothing else is copied."""
    found = copy.copy(model)
    found._modules = model._modules | {"backbone": _InPlace(last)}
    return found


def _bfloat16(backbone: Backbone, tokens: int) -> Callable[[Tensor, Tensor], Tensor]:
    last = LastState(backbone, tokens).eval().to(torch.bfloat16)

    def run(tokens: Tensor, bias: Tensor) -> Tensor:
        found: Tensor = last(tokens.bfloat16(), bias.bfloat16())
        return found.float()

    return run


def _quantised(backbone: Backbone, tokens: int) -> Callable[[Tensor, Tensor], Tensor]:
    """Run one context by ONNX Runtime, with 8-bit weights."""
    try:
        import onnxruntime

        from lim_pipelines.foundation.onnx_graph import BIAS, TOKENS, quantised
    except ImportError as error:
        raise ImportError(
            f"LIM.fast needs the extra `infer` ({error}): pip install 'lim-pipelines[infer]', or use the"
            " model as it is"
        ) from error
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    session = onnxruntime.InferenceSession(
        quantised(backbone, tokens), options, providers=["CPUExecutionProvider"]
    )

    def run(tokens: Tensor, bias: Tensor) -> Tensor:
        (found,) = session.run(None, {TOKENS: tokens.numpy(), BIAS: bias.numpy()})
        return torch.from_numpy(found)

    return run


def _normed(x: Tensor) -> Tensor:
    return functional.rms_norm(x, (x.shape[-1],))
