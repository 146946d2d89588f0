"""An EdgeFace with attention in the model folder, trained where its weights are at hand; crops to calibrate it with."""

from __future__ import annotations

import importlib.util
import os
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pytest

pytest.importorskip("onnx")


class Sample(NamedTuple):
    """FP32 ONNX of a model, and crops (n, h, w, 3) uint8 of two groups of photos."""

    model: bytes
    calibration: npt.NDArray[np.uint8]
    held_out: npt.NDArray[np.uint8]


def _edgeface_weights(folder: Path) -> Path:
    """The trained weights where they lie beside the test data, else untrained ones."""
    torch = pytest.importorskip("torch")
    if importlib.util.find_spec("timm") is None:
        pytest.skip("needs timm: pip install 'facesearch[torch]'")
    data = os.environ.get("FACESEARCH_TEST_DATA")
    trained = Path(data).parent / "weights" / "edgeface_xxs.safetensors" if data else Path("none")
    if trained.is_file():
        return trained
    from safetensors.torch import save_file

    from facesearch.encoders.networks import build_network

    torch.manual_seed(0)
    path = folder / "edgeface_xxs.safetensors"
    save_file({key: value.contiguous() for key, value in build_network("edgeface-xxs").state_dict().items()}, path)
    return path


@pytest.fixture(scope="session")
def edgeface_onnx(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """EdgeFace-XXS as FP32 ONNX."""
    folder = tmp_path_factory.mktemp("edgeface")
    weights = _edgeface_weights(folder)
    from facesearch.workshop.checkpoint import load_network
    from facesearch.workshop.onnx_export import export_onnx

    export_onnx(load_network("edgeface-xxs", weights), folder / "model.onnx", 112)
    return (folder / "model.onnx").read_bytes()


@pytest.fixture(scope="session")
def edgeface(edgeface_onnx: bytes) -> Sample:
    """EdgeFace-XXS with crops of synthetic people."""
    from facesearch.workshop.sample_crops import sample_crops

    crops = sample_crops("arcface", 112).crops
    return Sample(edgeface_onnx, crops[::2], crops[1::2])
