"""What is public is exactly what `facesearch` exports, and importing it loads nothing heavy."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import facesearch
from facesearch import FacesearchError, Gallery, load_encoder
from facesearch.photos.decoding import load_image
from indexes import LARGE_GALLERY_KIND, create_index, load_index

ROOT = Path(__file__).parents[1]


def test_all_public_names_are_listed_in_order_and_can_be_imported() -> None:
    assert list(facesearch.__all__) == sorted(facesearch.__all__)
    assert len(set(facesearch.__all__)) == len(facesearch.__all__)
    for name in facesearch.__all__:
        assert getattr(facesearch, name) is not None
        assert name in dir(facesearch)


def test_whatever_is_loaded_on_use_is_listed() -> None:
    assert set(facesearch._LOADED_ON_USE) | {"__version__"} == set(facesearch.__all__)


def test_a_name_that_there_is_not_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="has no attribute 'Galery'"):
        facesearch.Galery  # noqa: B018


def test_importing_facesearch_loads_nothing_heavy() -> None:
    heavy = ("PIL", "alembic", "faiss", "numpy", "onnxruntime", "pandas", "rich", "sqlalchemy", "torch", "typer")
    script = f"import sys, facesearch, indexes; print([name for name in {heavy!r} if name in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, check=True, capture_output=True, text=True, env=os.environ
    )
    assert done.stdout == "[]\n"


def test_a_gallery_is_used_as_the_documentation_shows(people_photos: Path, tmp_path: Path) -> None:
    people = sorted(people_photos.iterdir())
    with Gallery.open(tmp_path / "gallery") as gallery:
        for person in people[:3]:
            report = gallery.enroll(person.name, sorted(person.iterdir())[:2])
            assert (report.identities, report.templates, report.rejected) == (1, 2, [])
        probe = sorted(people[0].iterdir())[2]
        answer = gallery.identify(probe, k=2)
        assert isinstance(answer, facesearch.FaceAnswer)
        best = answer.candidates[0]
        assert isinstance(best, facesearch.Candidate)
        assert (best.rank, best.identity) == (1, people[0].name)
        assert answer.is_match == (best.similarity >= answer.threshold)
        assert gallery.identify(str(probe), k=2) == answer
        assert gallery.identify(load_image(probe), k=2) == answer
        checked = gallery.verify(probe, best_photo := sorted(people[0].iterdir())[0])
        assert isinstance(checked, facesearch.Verification)
        assert checked.similarity > gallery.verify(best_photo, sorted(people[1].iterdir())[0]).similarity
        assert isinstance(gallery.info(), facesearch.GalleryInfo)
        receipt = gallery.forget(people[0].name)
        assert isinstance(receipt, facesearch.Receipt)
        assert {candidate.identity for candidate in gallery.identify(probe).candidates} == {
            person.name for person in people[1:3]
        }
        with pytest.raises(FacesearchError, match="no identity"):
            gallery.forget(people[0].name)


def test_an_encoder_is_used_as_the_documentation_shows() -> None:
    encoder = load_encoder()
    crops = np.random.default_rng(0).integers(0, 255, (3, encoder.crop_size, encoder.crop_size, 3), np.uint8)
    templates = encoder.encode(crops)
    assert templates.shape == (3, encoder.dimension)
    assert templates.dtype == np.float32
    assert np.allclose(np.linalg.norm(templates, axis=1), 1, atol=1e-5)
    assert load_encoder(str(encoder.spec)).fingerprint == encoder.fingerprint


def test_an_index_is_used_as_the_documentation_shows(tmp_path: Path) -> None:
    x = np.random.default_rng(0).normal(size=(300, 64)).astype(np.float32)
    x /= np.linalg.norm(x, axis=1, keepdims=True)
    ids = np.arange(300, dtype=np.int64)
    for kind in ("pq16", LARGE_GALLERY_KIND):
        index = create_index(kind, dimension=64)
        index.train(x)
        index.add(ids, x)
        index.save(tmp_path / kind)
        scores, found = load_index(tmp_path / kind).search(x[:5], 3)
        assert scores.shape == found.shape == (5, 3)
        assert scores.dtype == np.float32
        assert found.dtype == np.int64
        assert found[:, 0].tolist() == [0, 1, 2, 3, 4]
        assert index.remove(ids[:1]) == 1
        assert 0 not in index.search(x[:1], 3)[1]


def test_onnx_runtime_reports_to_nobody(tmp_path: Path) -> None:
    code = "import facesearch; facesearch.load_encoder()"
    environment = {name: value for name, value in os.environ.items() if name != "ORT_DISABLE_TELEMETRY"}
    environment |= {"HOME": str(tmp_path), "XDG_CACHE_HOME": str(tmp_path / "cache")}
    subprocess.run([sys.executable, "-c", code], env=environment, cwd=ROOT, check=True)
    assert [path for path in tmp_path.rglob("*") if "deviceid" in path.name or "onnxruntime" in path.name] == []
