"""Models to run on every backend: the embedded one, and EdgeFace with weights that are drawn, once for all tests."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from facesearch.encoders.networks.torchvision_ops import ensure_torchvision
from facesearch.encoders.storage import model_folder, models_folder
from facesearch.workshop.model_import import ImportRequest, import_model

from .backend_samples import Pixels, sample


@pytest.fixture(scope="session")
def edgeface_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """EdgeFace-XXS as an import leaves it in the model folder."""
    pytest.importorskip("torch")
    ensure_torchvision()  # timm imports it, and does not load where the compiled part of it misfits
    pytest.importorskip("timm")
    from benchmarks.drawn_weights import drawn_checkpoint

    home = tmp_path_factory.mktemp("edgeface-home")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FACESEARCH_HOME", str(home))
        import_model(drawn_checkpoint("edgeface-xxs", home), ImportRequest("edgeface-xxs", sampler=None, trusted=True))
        return model_folder("edgeface-xxs")


@pytest.fixture
def edgeface(edgeface_folder: Path) -> str:
    """The name of an imported EdgeFace-XXS."""
    models_folder().mkdir(parents=True)
    shutil.copytree(edgeface_folder, model_folder("edgeface-xxs"))
    return "edgeface-xxs"


@pytest.fixture(scope="session")
def chips() -> Pixels:
    return sample("dlib-chip", 150)


@pytest.fixture(scope="session")
def aligned() -> Pixels:
    return sample("arcface", 112)
