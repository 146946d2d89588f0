"""The opset of an ONNX model: the version of the operators that it is made of, and whether another one stays true."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import onnx

Embeddings = npt.NDArray[np.float32]
Run = Callable[[onnx.ModelProto], Embeddings]

QUANTIZABLE = 13
"""The first opset whose DequantizeLinear has a scale per channel: what INT8 weights need on ONNX Runtime."""

_IR_VERSION = 7  # that of files of opset 13
_STANDARD = ("", "ai.onnx")
_TOLERANCE = 1e-5  # how far embeddings of a changed model may differ, of their largest value


def opset_of(model: onnx.ModelProto) -> int:
    """The opset of the standard operators; 1 where the model does not say, as the format has it."""
    return max((entry.version for entry in model.opset_import if entry.domain in _STANDARD), default=1)


def raised_opset(model: onnx.ModelProto) -> onnx.ModelProto | None:
    """The model in opset 13, or itself where it is of that or a newer one; None where it cannot be converted."""
    if opset_of(model) >= QUANTIZABLE:
        return model
    if model.functions:  # the converter drops them
        return None
    try:
        newer = onnx.version_converter.convert_version(model, QUANTIZABLE)
    except Exception:  # those of the converter have no common base
        return None
    newer.ir_version = max(newer.ir_version, _IR_VERSION)
    return newer


def gives(model: onnx.ModelProto, expected: Embeddings, run: Run) -> bool:
    """Whether a changed model still gives the embeddings (n, d) of before; run: its embeddings of the same crops, which
    may raise what it likes for a model that cannot be run."""
    try:
        found = run(model)
    except Exception:  # those of the runtime and of the checker have no common base
        return False
    return found.shape == expected.shape and bool(np.abs(found - expected).max() <= _TOLERANCE * np.abs(expected).max())
