"""ONNX files of old opsets: raised at import, so that they can be quantized, or kept with a warning."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from command_line import Command

onnx = pytest.importorskip("onnx")

from onnx import TensorProto, helper, numpy_helper  # noqa: E402

from facesearch.encoders import load_encoder  # noqa: E402
from facesearch.encoders.storage import models_folder  # noqa: E402
from facesearch.inference.onnx_opset import opset_of, raised_opset  # noqa: E402
from facesearch.inference.onnx_session import open_session  # noqa: E402
from facesearch.quantization import onnx_layers  # noqa: E402
from facesearch.workshop import onnx_rewriting, onnx_wrapping  # noqa: E402
from facesearch.workshop.model_import import ImportedModel, ImportRequest, import_model  # noqa: E402

CROPS = np.random.default_rng(1).integers(0, 256, (2, 112, 112, 3), np.uint8)
BACKENDS = ["onnx", *(["openvino"] if importlib.util.find_spec("nncf") else [])]


def encoder(opset: int, *, dtype: str = "f4", listed: bool = False) -> Any:
    """A user's encoder with operators whose form has changed since: `input` (n, 3, 112, 112) -> `vector` (n, 24).

    listed: with its weights among the inputs, as the oldest files have them.
    """
    rng = np.random.default_rng(0)
    weights = {
        "kernel": rng.normal(size=(16, 3, 8, 8)) / 10,
        "scale": rng.uniform(0.5, 1.5, 16),
        "shift": rng.normal(size=16),
        "mean": rng.normal(size=16) / 10,
        "variance": rng.uniform(0.5, 1.5, 16),
        "slope": rng.uniform(-0.5, 0.5, (16, 1, 1)),
        "matrix": rng.normal(size=(24, 16 * 4)),
        "bias": rng.normal(size=24),
    }
    stored = {name: values.astype(dtype) for name, values in weights.items()}
    if opset >= 11:
        stored |= {"low": np.array(-3, dtype), "high": np.array(3, dtype), "pads": np.array([0, 0, 1, 1, 0, 0, 1, 1])}
        clip = helper.make_node("Clip", ["active", "low", "high"], ["clipped"])
        pad = helper.make_node("Pad", ["clipped", "pads"], ["padded"])
    else:
        clip = helper.make_node("Clip", ["active"], ["clipped"], min=-3.0, max=3.0)
        pad = helper.make_node("Pad", ["clipped"], ["padded"], pads=[0, 0, 1, 1, 0, 0, 1, 1])
    nodes = [
        helper.make_node("Conv", ["input", "kernel"], ["map"], strides=[8, 8]),
        helper.make_node("BatchNormalization", ["map", "scale", "shift", "mean", "variance"], ["even"]),
        helper.make_node("PRelu", ["even", "slope"], ["active"]),
        clip,
        pad,
        helper.make_node("AveragePool", ["padded"], ["cells"], kernel_shape=[8, 8], strides=[8, 8]),
        helper.make_node("Unsqueeze", ["cells"], ["wide"], axes=[4]),
        helper.make_node("Squeeze", ["wide"], ["narrow"], axes=[4]),
        helper.make_node("Flatten", ["narrow"], ["flat"]),
        helper.make_node("Dropout", ["flat"], ["kept"]),
        helper.make_node("Gemm", ["kept", "matrix", "bias"], ["vector"], transB=1),
    ]
    element = TensorProto.FLOAT if dtype == "f4" else TensorProto.FLOAT16
    inputs = [helper.make_tensor_value_info("input", element, ["n", 3, 112, 112])]
    tensors = [numpy_helper.from_array(values, name) for name, values in stored.items()]
    if listed:
        inputs += [helper.make_tensor_value_info(each.name, each.data_type, list(each.dims)) for each in tensors]
    outputs = [helper.make_tensor_value_info("vector", element, ["n", 24])]
    graph = helper.make_graph(nodes, "user", inputs, outputs, tensors)
    opsets = [helper.make_opsetid("", opset)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=3 if listed else 6)


def with_function(opset: int = 11) -> Any:
    """The same with a function of its own, which the converter does not take along."""
    model = encoder(opset)
    model.ir_version = 8
    model.graph.node[-1].output[0] = "row"
    model.graph.node.append(helper.make_node("Twice", ["row"], ["vector"], domain="own"))
    body = [helper.make_node("Add", ["x", "x"], ["y"])]
    function = helper.make_function("own", "Twice", ["x"], ["y"], body, [helper.make_opsetid("", opset)])
    model.functions.append(function)
    model.opset_import.append(helper.make_opsetid("own", 1))
    return model


def imported(model: Any, folder: Path) -> ImportedModel:
    path = folder / "user.onnx"
    path.write_bytes(model.SerializeToString())
    return import_model(path, ImportRequest("onnx", name="mine", sampler=None, trusted=True))


def stored() -> Any:
    return onnx.load(models_folder() / "mine" / "mine.fp32.onnx")


def expected(model: Any) -> Any:
    """Templates of CROPS by the model as it was given."""
    entry = model.graph.input[0]
    kind = np.float16 if entry.type.tensor_type.elem_type == TensorProto.FLOAT16 else np.float32
    planes = ((CROPS.astype(np.float32) - 127.5) / 127.5).transpose(0, 3, 1, 2).astype(kind)
    (rows,) = open_session(model.SerializeToString()).run(None, {entry.name: planes})
    rows = rows.astype(np.float32)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


@pytest.mark.parametrize("listed", [False, True], ids=["weights alone", "weights listed as inputs"])
@pytest.mark.parametrize("opset", [9, 10, 11, 12])
def test_a_file_of_an_old_opset_is_raised_and_can_be_quantized(
    opset: int, listed: bool, facesearch: Command, tmp_path: Path
) -> None:
    model = encoder(opset, listed=listed)
    assert imported(model, tmp_path).warnings == ()
    assert opset_of(stored()) == 13
    assert [value.name for value in stored().graph.input] == ["crops"]
    templates = load_encoder("mine").encode(CROPS)
    np.testing.assert_allclose(templates, expected(model), atol=1e-5)
    for backend in BACKENDS:
        done = facesearch("encoders", "quantize", "mine", "--precision", "int8", "--backend", backend, "--json")
        assert done.status == 0, done.err
        (file,) = done.json["files"]
        assert file["encoder"] == f"mine:int8@{backend}"
        assert file["cosine"]["min"] > 0.99
        found = load_encoder(f"mine:int8@{backend}").encode(CROPS)
        assert (found * templates).sum(axis=1).min() > 0.99


def test_a_file_in_half_precision_is_raised_too(tmp_path: Path) -> None:
    model = encoder(11, dtype="f2")
    assert imported(model, tmp_path).warnings == ()
    assert opset_of(stored()) == 13
    np.testing.assert_allclose(load_encoder("mine").encode(CROPS), expected(model), atol=1e-3)


@pytest.mark.parametrize("opset", [13, 17, 20])
def test_a_file_of_a_newer_opset_keeps_it(opset: int, tmp_path: Path) -> None:
    model = encoder(12)
    del model.graph.node[6:8]  # those take their axes otherwise since 13
    model.graph.node[6].input[0] = "cells"
    model.opset_import[0].version = opset
    model.ir_version = 9
    assert imported(model, tmp_path).warnings == ()
    assert opset_of(stored()) == opset


def test_what_cannot_be_converted_is_kept_with_a_warning_and_not_quantized(facesearch: Command, tmp_path: Path) -> None:
    model = with_function()
    (warning,) = imported(model, tmp_path).warnings
    assert warning.startswith("it stays at ONNX opset 11, as it cannot be converted; to quantize it for ONNX Runtime")
    assert opset_of(stored()) == 11
    np.testing.assert_allclose(load_encoder("mine").encode(CROPS), expected(model), atol=1e-5)
    for precision in ("int8", "w4"):
        refused_in_one_line(facesearch("encoders", "quantize", "mine", "--precision", precision))


def test_what_converts_to_other_embeddings_is_kept_with_a_warning_and_not_quantized(
    facesearch: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def spoilt(model: Any) -> Any:
        newer = raised_opset(model)
        if newer is not None and newer is not model:
            next(node for node in newer.graph.node if node.op_type == "Clip").op_type = "Min"
        return newer

    monkeypatch.setattr(onnx_rewriting, "raised_opset", spoilt)
    monkeypatch.setattr(onnx_layers, "raised_opset", spoilt)
    model = encoder(11)
    (warning,) = imported(model, tmp_path).warnings
    assert warning.startswith("it stays at ONNX opset 11, as its embeddings would change; to quantize it")
    np.testing.assert_allclose(load_encoder("mine").encode(CROPS), expected(model), atol=1e-5)
    refused_in_one_line(facesearch("encoders", "quantize", "mine"))


def refused_in_one_line(done: Any) -> None:
    assert done.status == 1
    (line,) = [line for line in done.err.splitlines() if "synthetic people" not in line]
    assert line.startswith("error: the model is of ONNX opset 11, which cannot be quantized, and converting it fails")
    assert line.endswith("export it with opset 13 or newer and import it again")


def test_a_model_that_an_earlier_version_left_at_its_opset_is_raised_when_it_is_quantized(
    facesearch: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(onnx_wrapping, "rewritten", lambda model, run: (model, []))
    imported(encoder(11), tmp_path)
    assert opset_of(stored()) == 11
    done = facesearch("encoders", "quantize", "mine", "--json")
    assert done.status == 0, done.err
    assert done.json["files"][0]["cosine"]["min"] > 0.99
    assert opset_of(stored()) == 11
