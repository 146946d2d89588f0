"""A checkpoint with untrained weights, made once; a command line; no self-test where it is not what is tested."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An EdgeFace-XXS checkpoint as its authors write them, but untrained."""
    torch = pytest.importorskip("torch")
    if importlib.util.find_spec("timm") is None:
        pytest.skip("needs timm: pip install 'facesearch[torch]'")
    from facesearch.encoders.networks import build_network

    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("checkpoint") / "edgeface_xxs.pt"
    torch.save({f"model.{key}": value for key, value in build_network("edgeface-xxs").state_dict().items()}, path)
    return path
