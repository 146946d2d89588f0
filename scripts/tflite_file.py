"""Read a float TensorFlow Lite file: its operators in order and the values of its constants."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import tflite

_KINDS = {number: name for name, number in vars(tflite.BuiltinOperator).items() if isinstance(number, int)}
_OPTIONS = {"CONV_2D": tflite.Conv2DOptions, "DEPTHWISE_CONV_2D": tflite.DepthwiseConv2DOptions}


@dataclass(frozen=True, slots=True)
class Operator:
    """kind: TensorFlow Lite's name, as CONV_2D. inputs, output: numbers of tensors. stride, padded: of convolutions."""

    kind: str
    inputs: tuple[int, ...]
    output: int
    stride: int = 1
    padded: bool = False


class TfliteGraph:
    """The one graph of a file, with one input."""

    def __init__(self, data: bytes) -> None:
        self._model: Any = tflite.Model.GetRootAsModel(data, 0)
        self._graph: Any = self._model.Subgraphs(0)
        self.source = int(self._graph.Inputs(0))
        self.operators = [self._operator(number) for number in range(self._graph.OperatorsLength())]
        self._padded = {operator.output for operator in self.operators if operator.padded}

    def values(self, tensor: int) -> npt.NDArray[np.float32]:
        """The values of a constant."""
        found = self._graph.Tensors(tensor)
        data = self._model.Buffers(found.Buffer()).DataAsNumpy()
        return np.frombuffer(data.tobytes(), "<f4").reshape(found.ShapeAsNumpy())

    def is_padded(self, tensor: int) -> bool:
        """Whether a tensor comes from a convolution with padding "SAME"."""
        return tensor in self._padded

    def _operator(self, number: int) -> Operator:
        found = self._graph.Operators(number)
        kind = _KINDS[self._model.OperatorCodes(found.OpcodeIndex()).BuiltinCode()]
        inputs, output = tuple(int(each) for each in found.InputsAsNumpy()), int(found.Outputs(0))
        if kind not in _OPTIONS:
            return Operator(kind, inputs, output)
        options = _OPTIONS[kind]()
        stored = found.BuiltinOptions()
        options.Init(stored.Bytes, stored.Pos)
        if options.FusedActivationFunction() != tflite.ActivationFunctionType.NONE:
            raise ValueError(f"operator {number} has an activation inside")
        return Operator(kind, inputs, output, options.StrideW(), options.Padding() == tflite.Padding.SAME)
