"""ONNX models rewritten for the sake of speed and of quantizing, where their embeddings stay."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import onnx

from facesearch.inference.onnx_prelu import split_prelus

Embeddings = npt.NDArray[np.float32]
Run = Callable[[onnx.ModelProto], Embeddings]

_TOLERANCE = 1e-5  # how far embeddings may differ afterwards, of their largest value


def with_split_prelus(model: onnx.ModelProto, run: Run) -> onnx.ModelProto:
    """The model without PRelu, as far as its slopes are constant; `model` itself where that would change embeddings.

    run: a model's embeddings (n, d) of the same few crops; it may raise what it likes for one that cannot be run.
    """
    changed = onnx.ModelProto()
    changed.CopyFrom(model)
    return changed if split_prelus(changed) and _same(model, changed, run) else model


def _same(before: onnx.ModelProto, after: onnx.ModelProto, run: Run) -> bool:
    expected = run(before)
    try:
        found = run(after)
    except Exception:  # those of the runtime and of the checker have no common base
        return False
    return found.shape == expected.shape and bool(np.abs(found - expected).max() <= _TOLERANCE * np.abs(expected).max())
