"""ONNX models rewritten so that they run faster and can be quantized, as far as their embeddings stay."""

from __future__ import annotations

import onnx

from facesearch.inference.onnx_opset import QUANTIZABLE, Run, gives, opset_of, raised_opset
from facesearch.inference.onnx_prelu import split_prelus


def rewritten(model: onnx.ModelProto, run: Run) -> tuple[onnx.ModelProto, list[str]]:
    """The model with opset 13 or newer and without PRelu of constant slopes; what its user should know.

    A step that fails or would change embeddings is left out. run: a model's embeddings (n, d) of the same few crops;
    it may raise what it likes for a model that cannot be run.
    """
    expected = run(model)
    notes = []
    newer = raised_opset(model)
    if newer is not None and (newer is model or gives(newer, expected, run)):
        model = newer
    else:
        reason = "it cannot be converted" if newer is None else "its embeddings would change"
        notes.append(
            f"it stays at ONNX opset {opset_of(model)}, as {reason}; to quantize it for ONNX Runtime, export it with "
            f"opset {QUANTIZABLE} or newer"
        )
    split = onnx.ModelProto()
    split.CopyFrom(model)
    if split_prelus(split) and gives(split, expected, run):
        model = split
    return model, notes
