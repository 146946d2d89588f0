"""Models small enough to be written in a test."""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from facesearch.encoders.catalog import Model
from facesearch.encoders.manifest import Manifest, Source
from facesearch.encoders.storage import model_folder
from facesearch.workshop.model_folder import describe_file, now, staged_model, write_manifest

CROP_SIZE = 32
DIMENSION = 8


def small_onnx(*, seed: int = 0, size: int = CROP_SIZE, dimension: int = DIMENSION) -> bytes:
    """`crops` (n, size, size, 3) uint8 -> `embedding` (n, dimension): averages over cells times a random matrix."""
    weights = np.random.default_rng(seed).normal(size=(3 * 64, dimension)).astype(np.float32)
    cell = size // 8
    nodes: list[Any] = [
        helper.make_node("Cast", ["crops"], ["real"], to=TensorProto.FLOAT),
        helper.make_node("Transpose", ["real"], ["planes"], perm=[0, 3, 1, 2]),
        helper.make_node("AveragePool", ["planes"], ["cells"], kernel_shape=[cell, cell], strides=[cell, cell]),
        helper.make_node("Slice", ["cells", "from", "to", "axes"], ["even"]),
        helper.make_node("Flatten", ["even"], ["flat"]),
        helper.make_node("MatMul", ["flat", "weights"], ["embedding"]),
    ]
    graph = helper.make_graph(
        nodes,
        "small",
        [helper.make_tensor_value_info("crops", TensorProto.UINT8, ["n", size, size, 3])],
        [helper.make_tensor_value_info("embedding", TensorProto.FLOAT, ["n", dimension])],
        [
            numpy_helper.from_array(weights, "weights"),
            numpy_helper.from_array(np.array([0, 0], np.int64), "from"),
            numpy_helper.from_array(np.array([8, 8], np.int64), "to"),
            numpy_helper.from_array(np.array([2, 3], np.int64), "axes"),
        ],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(model)
    data: bytes = model.SerializeToString()
    return data


def store_small_model(
    name: str, *, seed: int = 0, overwrite: bool = False, backends: tuple[str, ...] = ("onnx", "openvino")
) -> None:
    """Put a small model into the model folder as an import would."""
    model = Model(
        name=name,
        family="onnx",
        description="a small model",
        crop="arcface",
        crop_size=CROP_SIZE,
        normalisation="x, RGB; unit length",
        mean=(0.0, 0.0, 0.0),
        scale=(1.0, 1.0, 1.0),
        dimension=DIMENSION,
        licence="not known",
        commercial_use=False,
        terms="made for a test",
        source="small.onnx",
        parameters=3 * 64 * DIMENSION,
        threshold=0.4,
        threshold_source="none",
    )
    data = small_onnx(seed=seed)
    with staged_model(name, overwrite=overwrite) as folder:
        path = folder / f"{name}.fp32.onnx"
        path.write_bytes(data)
        file = describe_file(model, path, precision="fp32", backends=backends, scheme="fp32")
        source = Source("small.onnx", hashlib.sha256(data).hexdigest(), "file")
        write_manifest(folder, Manifest(model, source, (), now(), (("facesearch", "0"),), (file,)))
    assert model_folder(name).is_dir()


def user_onnx(*, channels: int = 3, size: int | None = 112, seed: int = 0, poison: bool = False) -> bytes:
    """A model as users have them: `input` (n, channels, size, size) float32 -> `vector` (n, 32)."""
    weights = np.random.default_rng(seed).normal(size=(channels * 64, 32)).astype(np.float32)
    if poison:
        weights[3, 4] = np.nan
    nodes: list[Any] = [
        helper.make_node("AveragePool", ["input"], ["cells"], kernel_shape=[14, 14], strides=[14, 14]),
        helper.make_node("Flatten", ["cells"], ["flat"]),
        helper.make_node("MatMul", ["flat", "weights"], ["vector"]),
    ]
    graph = helper.make_graph(
        nodes,
        "user",
        [helper.make_tensor_value_info("input", TensorProto.FLOAT, ["n", channels, size, size])],
        [helper.make_tensor_value_info("vector", TensorProto.FLOAT, ["n", 32])],
        [numpy_helper.from_array(weights, "weights")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    data: bytes = model.SerializeToString()
    return data
