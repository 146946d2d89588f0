"""The embedded files: all accounted for, checked at every load, and rebuilt to the byte from where they come from."""

from __future__ import annotations

import hashlib
import importlib.util
import json
import re
from pathlib import Path

import pytest

from facesearch import assets
from facesearch.assets import Asset, manifest, read_asset
from facesearch.encoders import find_model
from facesearch.errors import WeightsError
from indexes.karhunen import KarhunenLoeve

FOLDER = Path(assets.__file__).parent
ROOT = Path(__file__).parents[1]


@pytest.fixture
def copies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of the embedded files that may be damaged, read instead of the real one."""
    for asset in manifest().values():
        (tmp_path / asset.file).write_bytes((FOLDER / asset.file).read_bytes())
    monkeypatch.setattr(assets, "files", lambda name: tmp_path)
    return tmp_path


def test_every_embedded_file_is_described_by_a_manifest() -> None:
    described = {asset.file for asset in manifest().values()}
    for path in FOLDER.iterdir():
        if path.suffix in (".py", ".json", ".txt") or path.is_dir():
            continue
        if path.name not in described:
            own = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))
            assert (own["file"], own["bytes"]) == (path.name, path.stat().st_size)
            assert own["sha256"] == hashlib.sha256(path.read_bytes()).hexdigest()
            assert own["licence"] and own["origin"] and own["built_by"]


@pytest.mark.parametrize("asset", manifest().values(), ids=lambda asset: asset.name)
def test_every_entry_of_the_manifest_is_true_and_complete(asset: Asset) -> None:
    data = read_asset(asset.name)
    assert (len(data), hashlib.sha256(data).hexdigest()) == (asset.size_bytes, asset.sha256)
    assert asset.licence and asset.origin and asset.rebuild


@pytest.mark.parametrize("model", ["mobilefacenet", "dlib-resnet", "edgeface-xs", "edgeface-xxs"])
def test_the_codebooks_are_of_the_dimension_of_their_encoder_and_much_smaller_than_it(model: str) -> None:
    transform = KarhunenLoeve.from_bytes(read_asset(f"codebook-{model}"))
    assert transform.dimension == find_model(model).dimension
    assert manifest()[f"codebook-{model}"].size_bytes < 250_000


def test_detector_and_encoder_are_small_enough_to_come_with_the_package() -> None:
    assert sum(asset.size_bytes for asset in manifest().values()) <= 17_000_000
    assert manifest()["mobilefacenet"].size_bytes < 2_200_000


def test_a_company_may_use_everything_that_comes_with_the_package() -> None:
    notice = (ROOT / "NOTICE").read_text(encoding="utf-8")
    people = json.loads((FOLDER / "people.json").read_text(encoding="utf-8"))
    terms = {asset.file: asset.licence for asset in manifest().values()} | {people["file"]: people["licence"]}
    for file, licence in terms.items():
        assert re.search(r"^(MIT|CC0-1\.0|Apache-2\.0)\b|public domain", licence), f"{file}: {licence}"
        assert not re.search(r"non-?commercial|research only", licence), f"{file}: {licence}"
        assert re.search(rf"\b{re.escape(file.removesuffix('.klt'))}\b", notice), f"{file} is not in NOTICE"
    described = {*terms, "manifest.json", "people.json", "LICENSE-mobilefacenet.txt"}
    assert {path.name for path in FOLDER.iterdir() if path.suffix not in {".py", ""}} == described
    for part in re.split(r"\n\n", notice):
        if re.search("non-?commercial", part):  # of the data that weights were trained on, never of what is here
            assert "Trained" in part or "not part of this product" in part


def test_what_weights_were_trained_on_is_said_wherever_their_licence_is() -> None:
    for model, data in (("mobilefacenet", "MS-Celeb-1M"), ("dlib-resnet", "VGG Face")):
        assert data in find_model(model).terms
        assert "does not settle that of the data" in find_model(model).terms
        assert data in (ROOT / "NOTICE").read_text(encoding="utf-8")


def test_a_damaged_file_is_never_used(copies: Path) -> None:
    assert read_asset("onet")
    data = bytearray((copies / "onet.onnx").read_bytes())
    data[len(data) // 2] ^= 1
    (copies / "onet.onnx").write_bytes(data)
    with pytest.raises(WeightsError, match=r"onet\.onnx is damaged .* reinstall facesearch") as caught:
        read_asset("onet")
    assert "\n" not in str(caught.value)


def test_a_truncated_or_missing_file_is_named(copies: Path) -> None:
    (copies / "rnet.onnx").write_bytes((copies / "rnet.onnx").read_bytes()[:1000])
    with pytest.raises(WeightsError, match=r"rnet\.onnx is damaged"):
        read_asset("rnet")
    (copies / "rnet.onnx").unlink()
    with pytest.raises(WeightsError, match=r"rnet\.onnx is missing"):
        read_asset("rnet")


def test_the_embedded_models_are_rebuilt_to_the_byte_from_the_packages_that_carry_their_weights() -> None:
    for package in ("torch", "onnx", "facenet_pytorch", "face_recognition_models"):
        if importlib.util.find_spec(package) is None:
            pytest.skip(f"needs {package}: pip install 'facesearch[torch]'")
    from scripts.build_assets import build, entries

    models = build()
    for name, data in models.items():
        assert data == read_asset(name), f"{name}.onnx differs: python -m scripts.build_assets"
    described = {entry["name"]: Asset(**entry) for entry in entries(models)}  # type: ignore[arg-type]
    assert described == {name: asset for name, asset in manifest().items() if name in models}
