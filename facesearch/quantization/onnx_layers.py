"""What the quantizers ask of an ONNX graph: its layers with constant weights, and the values inside it."""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import helper, numpy_helper

from facesearch.errors import WeightsError
from facesearch.inference.onnx_graph import fold_constants
from facesearch.inference.onnx_opset import QUANTIZABLE, gives, opset_of, raised_opset
from facesearch.inference.onnx_session import open_session

Pixels = npt.NDArray[np.uint8]
Values = npt.NDArray[np.float32]

LINEAR = ("MatMul", "Gemm")

_BATCH = 8
_ORTHONORMAL = 1e-5  # how far products of rows may be from 0 and 1


@dataclass(frozen=True, slots=True)
class Layer:
    """A node with constant weights. input: the tensor that it multiplies with them; output: its result.

    inputs_first: whether the weights (of a linear layer) are (inputs, outputs), not (outputs, inputs).
    """

    name: str
    op_type: str
    input: str
    weight: str
    output: str
    inputs_first: bool = False

    @property
    def is_linear(self) -> bool:
        return self.op_type in LINEAR


def prepare(data: bytes) -> onnx.ModelProto:
    """An FP32 model ready to be quantized: of opset 13 or newer, constants folded (weights stored as FP16 widened),
    shapes inferred, every node with a name of its own, all weights among the initializers.

    data: crops (n, h, w, 3) uint8 -> embedding (n, d) float32. Raises `WeightsError` for one of an older
    opset that cannot be converted.
    """
    from onnxruntime.quantization.shape_inference import quant_pre_process

    model = _quantizable(onnx.load_model_from_string(data))
    fold_constants(model)
    for tensor in model.graph.initializer:  # a value may be both, to older exporters; no quantizer expects it
        for value in [value for value in model.graph.input if value.name == tensor.name]:
            model.graph.input.remove(value)
    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder) / "source.onnx", Path(folder) / "prepared.onnx"
        source.write_bytes(model.SerializeToString(deterministic=True))
        quant_pre_process(str(source), str(target), skip_symbolic_shape=True)
        model = onnx.load_model_from_string(target.read_bytes())
    _name_nodes(model)
    return model


def has_attention(data: bytes) -> bool:
    """Whether an ONNX model is a transformer, or has parts of one: it multiplies activations after a softmax."""
    kinds = {node.op_type for node in onnx.load_model_from_string(data).graph.node}
    return {"Softmax", "MatMul"} <= kinds


def layers(model: onnx.ModelProto) -> list[Layer]:
    """The convolutions and linear layers of the graph, in the order in which they run.

    Products of two activations, as in attention, have no weights and are none; nor is a product with a rotation, which
    only balances channels for the layer after it.
    """
    rotations = {tensor.name for tensor in model.graph.initializer if _is_rotation(tensor)}
    stored = [tensor for tensor in model.graph.initializer if tensor.name not in rotations]
    ranks = {tensor.name: len(tensor.dims) for tensor in stored}
    found = []
    for node in model.graph.node:
        if node.op_type == "MatMul" and ranks.get(node.input[1]) == 2:
            found.append(Layer(node.name, "MatMul", node.input[0], node.input[1], node.output[0], inputs_first=True))
        elif node.op_type == "Gemm" and ranks.get(node.input[1]) == 2:
            options = {each.name: helper.get_attribute_value(each) for each in node.attribute}
            if not options.get("transA", 0) and options.get("alpha", 1.0) == 1.0:
                first = not options.get("transB", 0)
                found.append(Layer(node.name, "Gemm", node.input[0], node.input[1], node.output[0], first))
        elif node.op_type == "Conv" and node.input[1] in ranks:
            found.append(Layer(node.name, "Conv", node.input[0], node.input[1], node.output[0]))
    return found


def weights(model: onnx.ModelProto) -> dict[str, onnx.TensorProto]:
    """The stored tensors by name; a change to one changes the model."""
    return {tensor.name: tensor for tensor in model.graph.initializer}


def consumers(model: onnx.ModelProto) -> dict[str, list[onnx.NodeProto]]:
    """The nodes that read each tensor; a node that reads it twice is there twice. An output of the graph is no node."""
    found: dict[str, list[onnx.NodeProto]] = {}
    for node in model.graph.node:
        for name in node.input:
            found.setdefault(name, []).append(node)
    return found


def producers(model: onnx.ModelProto) -> dict[str, onnx.NodeProto]:
    """The node that makes each tensor."""
    return {name: node for node in model.graph.node for name in node.output}


def observe(model: onnx.ModelProto, tensors: Sequence[str], crops: Pixels) -> Iterator[dict[str, Values]]:
    """The values of `tensors` and of the outputs on crops (n, h, w, 3), a few crops at a time, by tensor."""
    watched = onnx.ModelProto()
    watched.CopyFrom(model)
    outputs = [output.name for output in model.graph.output]
    wanted = [name for name in dict.fromkeys(tensors) if name not in outputs]
    watched.graph.output.extend(helper.make_value_info(name, onnx.TypeProto()) for name in wanted)
    session = open_session(watched.SerializeToString())
    source = session.get_inputs()[0].name
    for start in range(0, len(crops), _BATCH):
        found = session.run([*outputs, *wanted], {source: crops[start : start + _BATCH]})
        yield dict(zip([*outputs, *wanted], found, strict=True))


def embed(model: onnx.ModelProto | bytes, crops: Pixels) -> Values:
    """Crops (n, h, w, 3) uint8 -> embeddings (n, d) float32, one crop at a time: as a probe is encoded."""
    session: Any = open_session(model if isinstance(model, bytes) else model.SerializeToString())
    source = session.get_inputs()[0].name
    return np.concatenate([session.run(None, {source: crop[None]})[0] for crop in crops])


def to_array(tensor: onnx.TensorProto) -> Values:
    """The values of a stored tensor."""
    values: Values = numpy_helper.to_array(tensor)
    return values


def linear_weights(layer: Layer, stored: dict[str, onnx.TensorProto]) -> Values:
    """The weights of a linear layer as (inputs, outputs)."""
    values = to_array(stored[layer.weight])
    return values if layer.inputs_first else values.T


def _is_rotation(tensor: onnx.TensorProto) -> bool:
    """Whether a stored tensor is an orthonormal matrix."""
    if len(tensor.dims) != 2 or tensor.dims[0] != tensor.dims[1] or tensor.dims[0] < 2:
        return False
    matrix = to_array(tensor)
    if np.abs(np.square(matrix).sum(axis=1) - 1).max() > _ORTHONORMAL:
        return False
    return bool(np.abs(matrix @ matrix.T - np.eye(len(matrix), dtype=matrix.dtype)).max() < _ORTHONORMAL)


def _name_nodes(model: onnx.ModelProto) -> None:
    seen: Counter[str] = Counter()
    for node in model.graph.node:
        name = node.name or node.op_type
        seen[name] += 1
        node.name = name if seen[name] == 1 else f"{name}_{seen[name]}"


def _quantizable(model: onnx.ModelProto) -> onnx.ModelProto:
    newer = raised_opset(model)
    if newer is None or not (newer is model or _are_alike(newer, model)):
        raise WeightsError(
            f"the model is of ONNX opset {opset_of(model)}, which cannot be quantized, and converting it fails: "
            f"export it with opset {QUANTIZABLE} or newer and import it again"
        )
    return newer


def _are_alike(newer: onnx.ModelProto, model: onnx.ModelProto) -> bool:
    """Whether two models give the same embeddings of noise."""
    _, *sides = (axis.dim_value for axis in model.graph.input[0].type.tensor_type.shape.dim)
    crops = np.random.default_rng(0).integers(0, 256, (2, *sides), dtype=np.uint8)
    return gives(newer, embed(model, crops), lambda changed: embed(changed, crops))
