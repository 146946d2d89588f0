"""Write small ONNX graphs by hand: deterministic bytes, readable names, no exporter in between."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper, numpy_helper

OPSET = 17
IR_VERSION = 8

FloatArray = npt.NDArray[np.floating[Any]]


class Graph:
    """Nodes and weights in the order in which they are added; every method returns the name of its output."""

    def __init__(self, name: str, *, half_weights: bool = False) -> None:
        """`half_weights` stores weights as float16; the runtime widens them once, when the model is loaded."""
        self._name = name
        self._half_weights = half_weights
        self._nodes: list[onnx.NodeProto] = []
        self._weights: list[onnx.TensorProto] = []

    def node(self, op: str, inputs: Sequence[str], output: str, **attributes: Any) -> str:
        self._nodes.append(helper.make_node(op, list(inputs), [output], name=output, **attributes))
        return output

    def weight(self, name: str, values: FloatArray, *, exact: bool = False) -> str:
        """exact: float32 in any case, as vectors always are."""
        array = np.ascontiguousarray(values)
        if exact or not self._half_weights or array.ndim < 2:
            self._weights.append(numpy_helper.from_array(array.astype(np.float32), name))
            return name
        self._weights.append(numpy_helper.from_array(array.astype(np.float16), name + ".half"))
        return self.node("Cast", [name + ".half"], name, to=TensorProto.FLOAT)

    def constant(self, name: str, values: Sequence[int]) -> str:
        self._weights.append(numpy_helper.from_array(np.array(values, dtype=np.int64), name))
        return name

    def conv(
        self,
        source: str,
        output: str,
        weight: FloatArray,
        bias: FloatArray,
        stride: int = 1,
        pad: int | tuple[int, int] = 0,
        groups: int = 1,
    ) -> str:
        """pad: pixels of zeros at each side, or (left and above, right and below)."""
        names = [source, self.weight(output + ".weight", weight), self.weight(output + ".bias", bias)]
        before, after = pad if isinstance(pad, tuple) else (pad, pad)
        pads = [before] * 2 + [after] * 2
        geometry: dict[str, Any] = {"kernel_shape": list(weight.shape[2:]), "strides": [stride] * 2, "pads": pads}
        if groups > 1:
            geometry["group"] = groups
        return self.node("Conv", names, output, **geometry)

    def gemm(self, source: str, output: str, weight: FloatArray, bias: FloatArray | None = None) -> str:
        """y = x · weightᵀ + bias, weight (out, in)."""
        names = [source, self.weight(output + ".weight", weight)]
        if bias is not None:
            names.append(self.weight(output + ".bias", bias))
        return self.node("Gemm", names, output, transB=1)

    def max_pool(self, source: str, size: int, *, ceil: bool) -> str:
        kernel = {"kernel_shape": [size, size], "strides": [2, 2], "ceil_mode": int(ceil)}
        return self.node("MaxPool", [source], source + ".pool", **kernel)

    def split(self, source: str, sizes: Sequence[int], outputs: Sequence[str], axis: int = 1) -> Sequence[str]:
        names = [source, self.constant(outputs[0] + ".sizes", sizes)]
        self._nodes.append(helper.make_node("Split", names, list(outputs), name=outputs[0] + ".split", axis=axis))
        return outputs

    def prelu(self, source: str, slope: FloatArray) -> str:
        return self.node("PRelu", [source, self.weight(source + ".slope", slope, exact=True)], source + ".prelu")

    def model(self, inputs: dict[str, tuple[int, list[int | str]]], outputs: dict[str, list[int | str]]) -> bytes:
        """The serialised model; inputs as name -> (element type, shape), outputs as name -> shape (float32)."""
        graph = helper.make_graph(
            self._nodes,
            self._name,
            [helper.make_tensor_value_info(name, kind, shape) for name, (kind, shape) in inputs.items()],
            [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in outputs.items()],
            self._weights,
        )
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION)
        model.producer_name = "facesearch"
        onnx.checker.check_model(model)
        data: bytes = model.SerializeToString(deterministic=True)
        return data
