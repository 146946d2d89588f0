"""The weights inside the ONNX files that come with the package."""

from __future__ import annotations

import numpy as np
import torch

from facesearch.errors import WeightsError


def initializers(data: bytes, family: str) -> dict[str, torch.Tensor]:
    """The constants of an embedded ONNX file by name, widened to float32.

    Raises `WeightsError` if it is another file. Needs the package onnx.
    """
    import onnx
    from onnx import numpy_helper

    try:
        graph = onnx.load_model_from_string(data).graph
    except Exception as error:  # protobuf's errors have no common base
        raise WeightsError(f"the weights of {family} are not an ONNX file: reinstall facesearch") from error
    return {
        tensor.name.removesuffix(".half"): torch.from_numpy(numpy_helper.to_array(tensor).astype(np.float32))
        for tensor in graph.initializer
    }
