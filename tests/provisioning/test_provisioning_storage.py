"""The model folder: whole models or none, checked at every read, changed by one at a time."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from facesearch.encoders import find_model, load_encoder, manifest_format, models, variants
from facesearch.encoders.manifest import FILE_NAME, LARGEST
from facesearch.encoders.storage import models_folder, read_manifest, stored_names
from facesearch.errors import FacesearchError, UnknownEncoderError, UsageError, WeightsError
from facesearch.files import durable
from facesearch.workshop import model_folder
from facesearch.workshop.model_folder import add_file, remove_model, staged_model

from .small_models import CROP_SIZE, DIMENSION, small_onnx, store_small_model


def entries() -> list[str]:
    """What is in the model folder, but for its lock."""
    return sorted(path.name for path in models_folder().iterdir() if path.name != ".lock")


def change_manifest(name: str, **values: Any) -> None:
    path = models_folder() / name / FILE_NAME
    path.write_text(json.dumps(json.loads(path.read_text()) | values))


def refusal(name: str) -> str:
    with pytest.raises(WeightsError) as caught:
        load_encoder(name)
    assert len(str(caught.value).splitlines()) == 1
    assert f"facesearch encoders remove {name}" in str(caught.value)
    return str(caught.value)


def test_nothing_is_written_by_looking() -> None:
    assert stored_names() == []
    assert read_manifest("small") is None
    assert len(models()) >= 10
    assert not models_folder().exists()


def test_a_stored_model_is_found_listed_and_run() -> None:
    store_small_model("small")
    model = find_model("small")
    assert model in models()
    assert [str(variant.spec) for variant in variants(model)] == ["small:fp32@onnx", "small:fp32@openvino"]
    encoder = load_encoder("small")
    crops = np.random.default_rng(0).integers(0, 256, (3, CROP_SIZE, CROP_SIZE, 3), np.uint8)
    assert encoder.encode(crops).shape == (3, DIMENSION)
    assert (encoder.crop, encoder.crop_size, encoder.threshold) == ("arcface", CROP_SIZE, model.threshold)
    assert encoder.fingerprint == variants(model)[0].fingerprint
    with pytest.raises(UnknownEncoderError, match="did you mean small"):
        find_model("smal")


def test_what_is_asked_of_a_model_that_is_not_there_is_answered_with_the_command() -> None:
    with pytest.raises(UnknownEncoderError, match="is not on this machine: facesearch encoders pull edgeface-xs"):
        load_encoder("edgeface-xs")
    store_small_model("small")
    with pytest.raises(UnknownEncoderError, match="make it: facesearch encoders quantize small --precision int8"):
        load_encoder("small:int8")
    with pytest.raises(UnknownEncoderError, match="make it for openvino: facesearch encoders quantize small"):
        load_encoder("small:int8@openvino")
    with pytest.raises(UnknownEncoderError, match=r"of small there is small:fp32@onnx, small:fp32@openvino$"):
        load_encoder("small:fp32@abacus")


def test_a_backend_that_nothing_runs_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    store_small_model("small", backends=("onnx", "abacus"))
    with pytest.raises(UnknownEncoderError, match="no backend 'abacus' to run small with; there are: onnx"):
        load_encoder("small:fp32@abacus")


@pytest.mark.parametrize("damage", ["flip", "cut", "grow", "missing"])
def test_a_damaged_file_is_never_run(damage: str) -> None:
    store_small_model("small")
    path = models_folder() / "small" / "small.fp32.onnx"
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    if damage == "missing":
        path.unlink()
    else:
        path.write_bytes({"flip": bytes(data), "cut": path.read_bytes()[:-1], "grow": path.read_bytes() + b"x"}[damage])
    assert ("cannot be read" if damage == "missing" else "SHA-256 differs") in refusal("small")


@pytest.mark.parametrize(
    "values",
    [
        {"format": 2},
        {"format": "1"},
        {"model": "other"},
        {"crop": "dlib-chip"},
        {"crop_size": 224},
        {"crop_size": True},
        {"dimension": 2**40},
        {"normalisation": "none"},
        {"normalisation": "two\nlines"},
        {"mean": [1, 2]},
        {"scale": [1, 2, "3"]},
        {"threshold": None},
        {"commercial_use": "yes"},
        {"source": {"file_name": "x", "sha256": "short", "url": "file"}},
        {"files": {}},
        {"files": [1]},
        {"versions": {"torch": 2}},
    ],
    ids=lambda values: "-".join(f"{key}={value}" for key, value in values.items())[:40],
)
def test_a_changed_manifest_is_refused_in_one_line(values: dict[str, Any]) -> None:
    store_small_model("small")
    change_manifest("small", **values)
    assert "the manifest of model small is damaged (" in refusal("small")


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("file", "../../../secret"),
        ("file", "/etc/passwd"),
        ("file", ".lock"),
        ("precision", "int8"),
        ("backends", []),
        ("backends", ["onnx", 1]),
        ("sha256", "g" * 64),
        ("size_bytes", -1),
        ("weights_sha256", "0" * 64),
        ("fingerprint", "0" * 64),
        ("calibration_sha256", "x"),
    ],
)
def test_a_changed_file_entry_is_refused_in_one_line(key: str, value: Any) -> None:
    store_small_model("small")
    document = json.loads((models_folder() / "small" / FILE_NAME).read_text())
    document["files"][0][key] = value
    change_manifest("small", files=document["files"])
    assert "is damaged (" in refusal("small")


def test_a_model_that_version_0_1_0_imported_and_quantized_opens_and_its_manifest_is_written_as_it_was() -> None:
    shutil.copytree(Path(__file__).parent / "models_of_0_1_0", models_folder())
    assert [str(variant.spec) for variant in variants(find_model("small"))] == [
        "small:fp32@onnx",
        "small:fp32@openvino",
        "small:int8@onnx",
    ]
    crops = np.full((1, CROP_SIZE, CROP_SIZE, 3), 90, np.uint8)
    assert load_encoder("small:int8").encode(crops).shape == (1, DIMENSION)
    stored = read_manifest("small")
    assert stored is not None
    assert manifest_format.dump(stored) == (models_folder() / "small" / FILE_NAME).read_bytes()


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)


@given(st.data())
def test_whatever_stands_in_a_manifest_it_is_read_or_refused_in_one_line(data: st.DataObject) -> None:
    folder = Path(__file__).parent / "models_of_0_1_0" / "small"
    document = json.loads((folder / FILE_NAME).read_text())
    place = data.draw(st.sampled_from([document, document["files"][0], document["source"], document["versions"]]))
    place[data.draw(st.sampled_from(sorted(place)))] = data.draw(ANYTHING)
    try:
        read = manifest_format.parse(json.dumps(document).encode("utf-8", "surrogatepass"), folder)
    except WeightsError as error:
        assert str(error).isprintable()
        assert "the manifest of model small is damaged (" in str(error)
    else:
        assert manifest_format.parse(manifest_format.dump(read), folder) == read


@pytest.mark.parametrize("data", [b"", b"{", b"[]", b"\xff\xfe", b"[" * 100_000, b" " * (LARGEST + 1)])
def test_what_is_no_manifest_is_refused_and_does_not_hide_other_models(
    data: bytes, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    store_small_model("small")
    store_small_model("other")
    (models_folder() / "small" / FILE_NAME).write_bytes(data)
    assert "is damaged" in refusal("small")
    assert "other" in [model.name for model in models()]
    assert "the manifest of model small is damaged" in caplog.text
    assert remove_model("small") > 0
    assert entries() == ["other"]


def test_a_model_of_the_catalog_that_was_made_otherwise_than_the_catalog_says_is_refused() -> None:
    store_small_model("edgeface-xs")
    with pytest.raises(WeightsError, match=r"imported with family .* facesearch encoders pull edgeface-xs --force"):
        find_model("edgeface-xs")


@pytest.mark.parametrize("name", ["", ".", "..", "../x", "a/b", "A", "-x", "a b", "a\n", "x" * 65, "a.", "é"])
def test_what_is_no_name_never_becomes_a_path(name: str) -> None:
    with pytest.raises(UsageError, match="cannot be the name of a model"), staged_model(name):
        pass
    with pytest.raises(UsageError):
        remove_model(name)
    with pytest.raises(UnknownEncoderError):
        find_model(name)


def test_an_error_while_a_model_is_made_leaves_nothing() -> None:
    with pytest.raises(ZeroDivisionError), staged_model("small") as folder:
        (folder / "x").write_bytes(b"x")
        raise ZeroDivisionError
    assert entries() == []


@pytest.mark.parametrize("exchange", [True, False], ids=["names exchanged", "two renames"])
def test_a_model_is_replaced_whole_or_stays_as_it_was(exchange: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    store_small_model("small", seed=1)
    before = load_encoder("small").fingerprint
    with pytest.raises(UsageError, match="there is a model named small"):
        store_small_model("small", seed=2)
    rename = Path.rename

    def fail(path: Path, target: Path) -> Path:
        if path.suffix == ".new":
            raise OSError("no")
        return rename(path, target)

    if not exchange:
        monkeypatch.setattr(durable, "_exchange", lambda one, other: False)
    with monkeypatch.context() as patch:
        if exchange:
            patch.setattr(durable, "_exchange", fail)
        else:
            patch.setattr(Path, "rename", fail)
        with pytest.raises(OSError, match="no"):
            store_small_model("small", seed=2, overwrite=True)
    assert load_encoder("small").fingerprint == before
    assert entries() == ["small"]
    store_small_model("small", seed=2, overwrite=True)
    assert load_encoder("small").fingerprint != before
    assert entries() == ["small"]


@pytest.mark.parametrize("moment", ["staging", "between", "after"])
def test_what_a_killed_process_left_is_mended_by_the_next(moment: str) -> None:
    store_small_model("small", seed=1)
    before = load_encoder("small").fingerprint
    folder = models_folder()
    if moment == "staging":
        (folder / ".small.0123456789abcdef.new").mkdir()
    elif moment == "between":  # the old one was moved aside, the new one not yet in place
        (folder / "small").rename(folder / ".small.0123456789abcdef.old")
        (folder / ".small.0123456789abcdef.new").mkdir()
    else:
        (folder / ".small.0123456789abcdef.old").mkdir()
    store_small_model("another")
    assert entries() == ["another", "small"]
    assert load_encoder("small").fingerprint == before


def test_two_processes_do_not_change_the_folder_at_once() -> None:
    hold = (
        "import sys\n"
        "from facesearch.workshop.model_folder import staged_model\n"
        "with staged_model('other'):\n"
        "    print('held', flush=True)\n"
        "    sys.stdin.read()\n"
        "    sys.exit()\n"
    )
    with subprocess.Popen([sys.executable, "-c", hold], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout is not None
        other.stdout.readline()
        with pytest.raises(FacesearchError, match="another process is changing the models"):
            store_small_model("small")
        other.communicate()
    store_small_model("small")


def test_a_quantized_file_is_added_beside_the_others(tmp_path: Path) -> None:
    store_small_model("small")
    model = find_model("small")
    quantized = tmp_path / "anything.onnx"
    quantized.write_bytes(small_onnx(seed=5))
    file = add_file(
        model, quantized, precision="int8", backends=("onnx",), scheme="int8-qdq-u8s8", calibration_sha256="a" * 64
    )
    assert file.path.name == "small.int8-qdq-u8s8.onnx"
    encoder = load_encoder("small:int8")
    assert str(encoder.spec) == "small:int8@onnx"
    assert encoder.fingerprint != load_encoder("small").fingerprint
    stored = read_manifest("small")
    assert stored is not None
    assert stored.files[-1].calibration_sha256 == "a" * 64
    assert stored.imported_at and stored.source is not None


def test_another_scheme_of_the_same_precision_takes_the_place_of_the_first(tmp_path: Path) -> None:
    store_small_model("small")
    path = tmp_path / "x.onnx"
    path.write_bytes(small_onnx(seed=5))
    add_file(find_model("small"), path, precision="int8", backends=("onnx", "openvino"), scheme="int8-a")
    add_file(find_model("small"), path, precision="int8", backends=("onnx",), scheme="int8-b")
    schemes = {str(each.spec): each.scheme for each in variants(find_model("small")) if each.spec.precision == "int8"}
    assert schemes == {"small:int8@onnx": "int8-b", "small:int8@openvino": "int8-a"}
    add_file(find_model("small"), path, precision="int8", backends=("openvino",), scheme="int8-b")
    folder = models_folder() / "small"
    assert sorted(p.name for p in folder.iterdir()) == [FILE_NAME, "small.fp32.onnx", "small.int8-b.onnx"]


@pytest.mark.parametrize("step", ["copyfile", "sync", "describe_file", "write_manifest"])
def test_adding_a_file_that_fails_leaves_the_model_as_it_was(
    step: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store_small_model("small")
    before = (models_folder() / "small" / FILE_NAME).read_bytes()
    path = tmp_path / "x.onnx"
    path.write_bytes(small_onnx(seed=5))

    def fail(*_: object, **__: object) -> None:
        raise OSError("no")

    with monkeypatch.context() as patch:
        patch.setattr({"copyfile": shutil, "sync": durable}.get(step, model_folder), step, fail)
        with pytest.raises(OSError, match="no"):
            add_file(find_model("small"), path, precision="int8", backends=("onnx",), scheme="int8")
    assert (models_folder() / "small" / FILE_NAME).read_bytes() == before
    load_encoder("small")
    add_file(find_model("small"), path, precision="int8", backends=("onnx",), scheme="int8")
    assert sorted(p.suffix for p in (models_folder() / "small").iterdir()) == [".json", ".onnx", ".onnx"]


def test_a_scheme_that_would_be_a_path_is_refused(tmp_path: Path) -> None:
    store_small_model("small")
    path = tmp_path / "x.onnx"
    path.write_bytes(small_onnx())
    for scheme in ("../x", "", "a b"):
        with pytest.raises((WeightsError, OSError)):
            add_file(find_model("small"), path, precision="int8", backends=("onnx",), scheme=scheme)
    assert sorted(p.name for p in (models_folder() / "small").iterdir()) == [FILE_NAME, "small.fp32.onnx"]


def test_the_embedded_model_can_get_further_files_and_lose_them_again(tmp_path: Path) -> None:
    model = find_model("dlib-resnet")
    path = tmp_path / "x.onnx"
    path.write_bytes(small_onnx(size=model.crop_size, dimension=model.dimension))
    add_file(model, path, precision="int8", backends=("onnx",), scheme="int8")
    found = [str(variant.spec) for variant in variants(find_model("dlib-resnet"))]
    embedded = [f"dlib-resnet:fp32@{backend}" for backend in ("onnx", "openvino", "torch")]
    assert found == [*embedded, "dlib-resnet:int8@onnx"]
    assert load_encoder("dlib-resnet:int8").dimension == model.dimension
    assert load_encoder("dlib-resnet").fingerprint == model.fingerprint(model.variants[0])
    remove_model("dlib-resnet")
    assert find_model("dlib-resnet") is model


def test_fingerprints_are_of_the_weights_whatever_runs_them(tmp_path: Path) -> None:
    store_small_model("small")
    model = find_model("small")
    (onnx, openvino) = variants(model)
    assert onnx.fingerprint == openvino.fingerprint
    assert replace(model, crop="dlib-chip").fingerprint(model.variants[0]) != onnx.fingerprint
