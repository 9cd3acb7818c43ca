"""A backbone as an ONNX graph with 8-bit weights, which reads one context and tells its last state.

What does not belong here: when it is used (`export.py`).

Written node by node: there are a dozen kinds of them, and torch's exporter takes half a minute to find as
many. The operators of ONNX Runtime's own domain do what would be chains of small ones.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
import torch
from torch import Tensor

from lim_pipelines.foundation.backbone import Backbone, Block, rotary

TOKENS, BIAS, STATE = "tokens", "bias", "state"
"""Inputs (1, S, d) and (1, 1, S, S), which is added to attention; output (1, 1, d)."""

_FUSED = "com.microsoft"
_OPSET = {"": 17, _FUSED: 1}
_EPSILON = 1e-10


class _Graph:
    """A growing graph: a call adds a node and tells the name of what comes out."""

    def __init__(self) -> None:
        self.nodes: list[Any] = []
        self.constants: list[Any] = []

    def constant(self, values: npt.NDArray[Any]) -> str:
        """Add a constant."""
        name = f"c{len(self.constants)}"
        self.constants.append(onnx.numpy_helper.from_array(np.ascontiguousarray(values), name))
        return name

    def __call__(self, kind: str, *inputs: str, domain: str = "", **attributes: Any) -> str:
        """Add a node of one output."""
        name = f"n{len(self.nodes)}"
        self.nodes.append(onnx.helper.make_node(kind, inputs, [name], domain=domain, **attributes))
        return name

    def normed(self, x: str, width: int) -> str:
        """RMSNorm without a gain over the last dimension."""
        gain = self.constant(np.ones(width, np.float32))
        return self("SimplifiedLayerNormalization", x, gain, axis=-1, epsilon=_EPSILON)

    def product(self, x: str, weight: Tensor) -> str:
        """Multiply by a weight (out, in) in 8 bits, a scale for each output."""
        w = weight.detach().numpy().T
        scale = np.maximum(np.abs(w).max(axis=0), 1e-12).astype(np.float32) / 127
        small = np.rint(w / scale).astype(np.int8)
        parts = self.constant(small), self.constant(scale)
        return self("DynamicQuantizeMatMul", x, *parts, domain=_FUSED)

    def shaped(self, x: str, *shape: int) -> str:
        """Give another shape."""
        return self("Reshape", x, self.constant(np.array(shape)))

    def part(self, x: str, axis: int, first: int, end: int) -> str:
        """Take a stretch of an axis."""
        return self("Slice", x, *(self.constant(np.array([at])) for at in (first, end, axis)))


def quantised(backbone: Backbone, tokens: int) -> bytes:
    """Build the graph of a backbone of tokens (B, S, d).

    Parameters
    ----------
    backbone
        Where the weights are from.
    tokens
        S, positions of a context.
    """
    graph, x = _Graph(), TOKENS
    cos, sin = rotary(torch.arange(tokens), backbone.width)
    turn = torch.cat([cos, cos], dim=-1)[:, None], torch.cat([-sin, sin], dim=-1)[:, None]
    d = 0
    for at, block in enumerate(backbone.blocks):
        assert isinstance(block, Block)
        d = block.attention.qkv.in_features
        # The last layer's state is wanted at one position.
        first = tokens - 1 if at + 1 == len(backbone.blocks) else 0
        x = _block(graph, block, x, turn, tokens, first)
    graph.nodes.append(onnx.helper.make_node("Identity", [graph.normed(x, d)], [STATE]))
    shapes = {TOKENS: (1, tokens, d), BIAS: (1, 1, tokens, tokens), STATE: (1, 1, d)}
    told = {
        name: onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, shape)
        for name, shape in shapes.items()
    }
    whole = onnx.helper.make_graph(
        graph.nodes, "backbone", [told[TOKENS], told[BIAS]], [told[STATE]], graph.constants
    )
    opsets = [onnx.helper.make_opsetid(domain, version) for domain, version in _OPSET.items()]
    out: bytes = onnx.helper.make_model(whole, opset_imports=opsets, ir_version=9).SerializeToString()
    return out


def _block(graph: _Graph, block: Block, x: str, turn: tuple[Tensor, Tensor], tokens: int, first: int) -> str:
    """Add a block, whose output begins at position `first`."""
    attention, feed = block.attention, block.feed
    heads, d = attention.heads, attention.qkv.in_features
    width = d // heads
    normed = graph.normed(x, d)

    def turned(said: str, sharpness: Tensor, begin: int) -> str:
        """Norm and turn queries or keys, (1, S, d)."""
        rows = tokens - begin
        said = graph.normed(graph.shaped(said, 1, rows, heads, width), width)
        cos, sin = (graph.constant((part[begin:] * sharpness).detach().numpy()) for part in turn)
        halves = [graph.part(said, -1, at, at + width // 2) for at in (width // 2, 0)]
        swapped = graph("Concat", *halves, axis=-1)
        both = graph("Mul", said, cos), graph("Mul", swapped, sin)
        return graph.shaped(graph("Add", *both), 1, rows, d)

    if first:
        asking = graph.part(normed, 1, first, tokens)
        q = graph.product(asking, attention.qkv.weight[:d])
        said = graph.product(normed, attention.qkv.weight[d:])
        k, v = (graph.part(said, -1, at * d, (at + 1) * d) for at in range(2))
        x, bias = graph.part(x, 1, first, tokens), graph.part(BIAS, 2, first, tokens)
    else:
        said, bias = graph.product(normed, attention.qkv.weight), BIAS
        q, k, v = (graph.part(said, -1, at * d, (at + 1) * d) for at in range(3))
    q = turned(q, torch.ones(heads, 1), first)
    k = turned(k, attention.sharpness, 0)
    mixed = graph("MultiHeadAttention", q, k, v, "", "", bias, domain=_FUSED, num_heads=heads)
    x = graph("Add", x, graph.product(mixed, attention.out.weight))
    up = graph("Relu", graph.product(graph.normed(x, d), feed.up.weight))
    return graph("Add", x, graph.product(graph("Mul", up, up), feed.down.weight))
