"""INT8 for the torch backend: of each family the kind that is faster than its FP32 network and stays close to it."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import numpy.typing as npt

from facesearch.errors import FacesearchError, UsageError

_BATCH = 8
_CONVOLUTIONAL = ("dlib-resnet", "facenet-vggface2", "facenet-casia")


def quantize(family: str, source: Path | bytes, crops: npt.NDArray[np.uint8], target: Path) -> str:
    """Write the FP32 model `source` as INT8 for torch to `target` (.safetensors); returns the name of the scheme.

    family: a family of the catalog. source: its FP32 weights, a file or the bytes of one: safetensors, of embedded
    families ONNX. crops (n, h, w, 3) uint8 RGB of faces, on which the ranges of activations are measured where the
    scheme needs them; 32 to 300 are enough. A network that torch does not convert gets INT8 weights alone.

    Raises `FacesearchError` where the extra [torch] is missing, `UsageError` for crops that do not fit the family,
    `WeightsError` for weights that do not.
    """
    try:
        import torch

        from facesearch.encoders.networks import int8_network
        from facesearch.encoders.torch_encoder import read_state
    except ImportError as error:
        raise FacesearchError(
            f"INT8 on torch needs {error.name or 'torch'}, which is not installed: pip install 'facesearch[torch]'"
        ) from error
    if crops.ndim != 4 or crops.shape[3] != 3 or crops.dtype != np.uint8 or not len(crops):
        raise UsageError(f"calibration takes crops (n, h, w, 3) uint8, got {crops.shape} {crops.dtype}")
    name = f"{family}'s FP32 weights"
    state = int8_network.rounded(read_state(family, source if isinstance(source, bytes) else source.read_bytes(), name))
    network = int8_network.fp32_network(family, state, name)  # also tells whether they fit
    scheme, ranges = int8_network.DYNAMIC, {}
    if not int8_network.can_be_static(network):
        scheme = int8_network.WEIGHTS
    elif family in _CONVOLUTIONAL:
        scheme = int8_network.STATIC
        with warnings.catch_warnings(), torch.inference_mode():
            warnings.simplefilter("ignore")
            inner = network.network
            network.network = int8_network.prepare(inner, torch.zeros(1, 3, *crops.shape[1:3]))
            for start in range(0, len(crops), _BATCH):
                network(torch.from_numpy(np.ascontiguousarray(crops[start : start + _BATCH])))
            ranges = int8_network.measured_ranges(network.network)
    target.write_bytes(int8_network.dump(int8_network.Int8Weights(family, scheme, state, ranges)))
    return scheme
