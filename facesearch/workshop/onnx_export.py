"""Write a network as an ONNX file in the one convention of all model files, and check that it gives the same.

The exporter is the one over TorchScript, deprecated but there: for these networks it folds batch normalisation into
the convolutions, keeps linear layers as one MatMul or Gemm with its weight an initializer, leaves nothing that
depends on the batch, takes a third of the time and needs no further package.
"""

from __future__ import annotations

import contextlib
import io
import logging
import warnings
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnx
import torch

from facesearch.encoders.networks.preprocess import CropNetwork
from facesearch.errors import WeightsError
from facesearch.inference.onnx_graph import first_line, fold_constants, serialise, write_durably
from facesearch.inference.onnx_session import open_session

OPSET = 17  # the first with LayerNormalization
INPUT = "crops"
OUTPUT = "embedding"
BATCH = "n"
MIN_COSINE = 0.99999

_CHECKED = 3  # crops compared; another number than the exporter sees, so that a fixed batch shows
_SEED = 20230816


def export_onnx(network: CropNetwork, path: Path, crop_size: int) -> None:
    """Write `network` to `path` as FP32 ONNX: `crops` (n, h, w, 3) uint8 RGB -> `embedding` (n, d) float32.

    Weights are inside the file and the same network gives the same bytes. Raises `WeightsError` if ONNX Runtime's
    results are not those of torch (cosine below 0.99999), or the file cannot be written; `path` is untouched then.
    """
    data = serialise(_converted(network, crop_size), f"'{path}'")
    crops = np.random.default_rng(_SEED).integers(0, 256, (_CHECKED, crop_size, crop_size, 3), dtype=np.uint8)
    with torch.inference_mode():
        expected: npt.NDArray[np.float32] = network(torch.from_numpy(crops)).numpy()  # (3, d)
    try:
        (found,) = open_session(data).run([OUTPUT], {INPUT: crops})
    except Exception as error:  # the runtime's own exceptions have no common base
        raise WeightsError(f"'{path}' cannot be run by ONNX Runtime: {first_line(error)}") from error
    check_agreement(expected, found, f"'{path}'")
    write_durably(data, path)


def check_agreement(expected: npt.NDArray[np.float32], found: npt.NDArray[np.float32], name: str) -> None:
    """Raise `WeightsError` unless both (n, d) are finite and the same but for rounding."""
    if not (np.isfinite(expected).all() and np.isfinite(found).all()):
        raise WeightsError(f"{name} gives embeddings that are not finite: are the weights damaged?")
    lengths = np.linalg.norm(expected, axis=1) * np.linalg.norm(found, axis=1)
    if not lengths.all():
        raise WeightsError(f"{name} gives embeddings of zeros: are the weights damaged?")
    cosine = float(((expected * found).sum(axis=1) / lengths).min())
    difference = float(np.abs(expected - found).max() / np.abs(expected).max())
    if cosine < MIN_COSINE or difference > 1e-3:
        raise WeightsError(f"{name} does not give what torch gives (cosine {cosine:.6f}): report it with the versions")


def _converted(network: CropNetwork, crop_size: int) -> onnx.ModelProto:
    sample = torch.zeros((2, crop_size, crop_size, 3), dtype=torch.uint8)
    buffer = io.BytesIO()
    with _quietly():
        torch.onnx.export(
            network.eval(),
            (sample,),
            buffer,  # type: ignore[arg-type]  # this exporter takes a file object too
            dynamo=False,
            opset_version=OPSET,
            input_names=[INPUT],
            output_names=[OUTPUT],
            dynamic_axes={INPUT: {0: BATCH}, OUTPUT: {0: BATCH}},
        )
    model = onnx.load_model_from_string(buffer.getvalue())
    fold_constants(model)
    model.producer_name, model.producer_version = "facesearch", ""  # the same bytes from every version of torch
    return model


@contextlib.contextmanager
def _quietly() -> Iterator[None]:
    """Without the exporter's notices, which are for whoever writes the network."""
    level = logging.getLogger("torch.onnx").level
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.getLogger("torch.onnx").setLevel(level)
