"""A model small enough to be quantized at once."""

from __future__ import annotations

import hashlib

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from facesearch.encoders.catalog import Model
from facesearch.encoders.manifest import Manifest, Source
from facesearch.workshop.model_folder import describe_file, now, staged_model, write_manifest

DIMENSION = 16


def small_onnx() -> bytes:
    """`crops` (n, 112, 112, 3) uint8 -> `embedding` (n, 16): averages over 8 × 8 cells times a random matrix."""
    weights = np.random.default_rng(0).normal(size=(3 * 14 * 14, DIMENSION)).astype(np.float32)
    graph = helper.make_graph(
        [
            helper.make_node("Cast", ["crops"], ["real"], to=TensorProto.FLOAT),
            helper.make_node("Transpose", ["real"], ["planes"], perm=[0, 3, 1, 2]),
            helper.make_node("AveragePool", ["planes"], ["cells"], kernel_shape=[8, 8], strides=[8, 8]),
            helper.make_node("Flatten", ["cells"], ["flat"]),
            helper.make_node("MatMul", ["flat", "weights"], ["embedding"]),
        ],
        "small",
        [helper.make_tensor_value_info("crops", TensorProto.UINT8, ["n", 112, 112, 3])],
        [helper.make_tensor_value_info("embedding", TensorProto.FLOAT, ["n", DIMENSION])],
        [numpy_helper.from_array(weights, "weights")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    data: bytes = model.SerializeToString()
    assert onnx.load_model_from_string(data).graph.node
    return data


def store_small_model(name: str) -> None:
    """Put the model into the model folder as an import would."""
    model = Model(
        name=name,
        family="onnx",
        description="a small model",
        crop="arcface",
        crop_size=112,
        normalisation="x, RGB; unit length",
        mean=(0.0, 0.0, 0.0),
        scale=(1.0, 1.0, 1.0),
        dimension=DIMENSION,
        licence="not known",
        commercial_use=False,
        terms="made for a test",
        source="small.onnx",
        parameters=3 * 14 * 14 * DIMENSION,
        threshold=0.4,
        threshold_source="none",
    )
    data = small_onnx()
    with staged_model(name) as folder:
        path = folder / f"{name}.fp32.onnx"
        path.write_bytes(data)
        file = describe_file(model, path, precision="fp32", backends=("onnx", "openvino"), scheme="fp32")
        source = Source("small.onnx", hashlib.sha256(data).hexdigest(), "file")
        write_manifest(folder, Manifest(model, source, (), now(), (("facesearch", "0"),), (file,)))
