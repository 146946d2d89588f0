"""PRelu in ONNX graphs as the sum of two Relu, which ONNX Runtime computes faster, and back."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper, numpy_helper

from facesearch.inference.onnx_graph import drop_unused_nodes

_PREFIX = "prelu/"  # before the names of what stands in place of a PRelu
_FLOATS = (TensorProto.FLOAT, TensorProto.FLOAT16, TensorProto.DOUBLE)
_STANDARD = ("", "ai.onnx")

Values = npt.NDArray[Any]


def split_prelus(model: onnx.ModelProto) -> int:
    """Write each PRelu of the main graph whose slope a is constant as Relu(x) + (−a) · Relu(−x); returns how many.

    The numbers are those of PRelu, infinities and the largest ones included, as one of the two sides is 0 and the other
    exact; a·x + (1 − a)·Relu(x) would turn infinities into NaN unless 0 < a < 1. x is multiplied with as many −1 as
    there are slopes: ONNX Runtime keeps the blocked layout of its convolutions through products per channel, but leaves
    it for PRelu, Neg and products with a scalar.
    """
    stored = {name: tensor for name, tensor in _constants(model) if tensor.data_type in _FLOATS}
    nodes: list[onnx.NodeProto] = []
    count = 0
    for node in model.graph.node:
        slope = stored.get(node.input[1]) if node.op_type == "PRelu" and node.domain in _STANDARD else None
        values = None if slope is None else numpy_helper.to_array(slope)
        if values is None or not np.isfinite(values).all():
            nodes.append(node)
            continue
        made, constants = _split(node, values)
        nodes.extend(made)
        model.graph.initializer.extend(constants)
        count += 1
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    if count:
        drop_unused_nodes(model)
    return count


def join_prelus(model: onnx.ModelProto) -> int:
    """Put PRelu back where `split_prelus` took it out; returns how many."""
    stored = dict(_constants(model))
    nodes = {node.output[0]: node for node in model.graph.node if node.output}
    count = 0
    for node in model.graph.node:
        found = _joined(node, nodes, stored)
        if found is None:
            continue
        source, slope = found
        model.graph.initializer.append(slope)
        node.CopyFrom(helper.make_node("PRelu", [source, slope.name], list(node.output), name=node.name))
        count += 1
    if count:
        drop_unused_nodes(model)
    return count


def _split(node: onnx.NodeProto, slope: Values) -> tuple[list[onnx.NodeProto], list[TensorProto]]:
    """The nodes in place of a PRelu, and their constants."""
    (source, _), (result,) = node.input, node.output
    names = {part: f"{_PREFIX}{result}/{part}" for part in ("above", "turned", "below", "scaled", "minus", "slope")}
    is_per_channel = slope.size == max(slope.shape, default=1)
    minus = np.full(slope.shape if is_per_channel else (), -1, slope.dtype)  # a map of slopes is large

    def make(operator: str, inputs: list[str], output: str) -> onnx.NodeProto:
        return helper.make_node(operator, inputs, [output], name=output)

    made = [
        make("Relu", [source], names["above"]),
        make("Mul", [source, names["minus"]], names["turned"]),
        make("Relu", [names["turned"]], names["below"]),
        make("Mul", [names["below"], names["slope"]], names["scaled"]),
        helper.make_node("Add", [names["above"], names["scaled"]], [result], name=node.name),
    ]
    constants = [numpy_helper.from_array(minus, names["minus"]), numpy_helper.from_array(-slope, names["slope"])]
    return made, constants


def _joined(
    node: onnx.NodeProto, nodes: dict[str, onnx.NodeProto], stored: dict[str, TensorProto]
) -> tuple[str, TensorProto] | None:
    """Input and slope of the PRelu that ended in `node`; None where none did."""
    if node.op_type != "Add" or not node.input[1].startswith(_PREFIX):
        return None
    above, scaled = (nodes.get(name) for name in node.input)
    below = nodes.get(scaled.input[0]) if scaled is not None else None
    turned = nodes.get(below.input[0]) if below is not None else None
    if above is None or scaled is None or below is None or turned is None:
        return None
    kinds = [each.op_type for each in (above, turned, below, scaled)]
    minus, slope = stored.get(turned.input[-1]), stored.get(scaled.input[-1])
    if kinds != ["Relu", "Mul", "Relu", "Mul"] or minus is None or slope is None or turned.input[0] != above.input[0]:
        return None
    if not (numpy_helper.to_array(minus) == -1).all():
        return None
    return above.input[0], numpy_helper.from_array(-numpy_helper.to_array(slope), slope.name + "/joined")


def _constants(model: onnx.ModelProto) -> Iterator[tuple[str, TensorProto]]:
    """The tensors of the main graph that are the same for every input, by name."""
    for tensor in model.graph.initializer:
        yield tensor.name, tensor
    for node in model.graph.node:
        if node.op_type == "Constant" and node.domain in _STANDARD:
            for attribute in node.attribute:
                if attribute.name == "value":
                    yield node.output[0], attribute.t
                elif attribute.name in ("value_float", "value_floats"):
                    value = np.array(helper.get_attribute_value(attribute), np.float32)
                    yield node.output[0], numpy_helper.from_array(value)
