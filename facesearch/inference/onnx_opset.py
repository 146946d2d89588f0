"""The opset of an ONNX model: the version of the operators that it is made of."""

from __future__ import annotations

import onnx

QUANTIZABLE = 13
"""The first opset whose DequantizeLinear has a scale per channel: what INT8 weights need on ONNX Runtime."""

_IR_VERSION = 7  # that of files of opset 13
_STANDARD = ("", "ai.onnx")


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
