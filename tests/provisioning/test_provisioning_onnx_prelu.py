"""PRelu in a user's ONNX file: written as what runs faster, with the same numbers, and put back for NNCF."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

onnx = pytest.importorskip("onnx")

from onnx import TensorProto, helper, numpy_helper  # noqa: E402

from facesearch.encoders.storage import models_folder  # noqa: E402
from facesearch.inference.onnx_prelu import join_prelus, split_prelus  # noqa: E402
from facesearch.inference.onnx_session import open_session  # noqa: E402
from facesearch.workshop import onnx_rewriting  # noqa: E402
from facesearch.workshop.model_import import ImportRequest, import_model  # noqa: E402

CHANNELS = 6
SLOPES = np.array([-9.0, -0.5, 0.0, 0.3, 1.0, 2.5])
TYPES = {"f2": TensorProto.FLOAT16, "f4": TensorProto.FLOAT, "f8": TensorProto.DOUBLE}
SPLIT = ["Relu", "Mul", "Relu", "Mul", "Add"]

untested = partial(ImportRequest, sampler=None, trusted=True)


def prelu(slope: npt.NDArray[Any], *extra: Any, shape: tuple[Any, ...] = ("n", CHANNELS, 4, 4)) -> Any:
    """A model of one PRelu: `x` -> `y`; extra: nodes before it, in place of the initializer `slope`."""
    element = TYPES[slope.dtype.str[1:]]
    graph = helper.make_graph(
        [*extra, helper.make_node("PRelu", ["x", "slope"], ["y"], name="active")],
        "g",
        [helper.make_tensor_value_info("x", element, shape)],
        [helper.make_tensor_value_info("y", element, None)],
        [] if extra else [numpy_helper.from_array(slope, "slope")],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def output(model: Any, x: npt.NDArray[Any]) -> npt.NDArray[Any]:
    (found,) = open_session(model.SerializeToString(), threads=1).run(None, {"x": x})
    return np.asarray(found)


def operators(model: Any) -> list[str]:
    return [node.op_type for node in model.graph.node]


def split(model: Any) -> Any:
    """A copy of the model without PRelu."""
    changed = onnx.ModelProto()
    changed.CopyFrom(model)
    assert split_prelus(changed) == 1
    assert operators(changed) == SPLIT
    return changed


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("shape", [(6, 1, 1), (1, 6, 1, 1), (1,), (), (1, 1, 1), (4,), (4, 1), (6, 4, 4), (1, 1, 4, 4)])
def test_the_numbers_are_those_of_prelu_whatever_the_shape_of_the_slope(shape: tuple[int, ...], dtype: str) -> None:
    rng = np.random.default_rng(0)
    slope = np.asarray(rng.uniform(-9, 9, shape), dtype)
    x = np.asarray(rng.normal(size=(2, CHANNELS, 4, 4)) * 10, dtype)
    model = prelu(slope)
    found = output(split(model), x)
    np.testing.assert_array_equal(found, np.where(x >= 0, x, slope * x))
    np.testing.assert_array_equal(found, output(model, x))


def test_a_slope_for_two_axes_is_taken_too() -> None:
    slope = np.linspace(-1, 2, 24, dtype="f4")
    x = np.random.default_rng(0).normal(size=(3, 24)).astype("f4")
    np.testing.assert_array_equal(output(split(prelu(slope, shape=("n", 24))), x), np.where(x >= 0, x, slope * x))


@pytest.mark.parametrize("dtype", TYPES)
def test_infinities_and_the_largest_numbers_are_what_prelu_makes_of_them(dtype: str) -> None:
    largest = float(np.finfo(dtype).max)
    values = np.array([np.inf, -np.inf, np.nan, largest, -largest, 0, -0.0, np.finfo(dtype).tiny, 3, -3], dtype)
    x = np.broadcast_to(values, (1, CHANNELS, 1, len(values))).copy()
    model = prelu(SLOPES.astype(dtype).reshape(-1, 1, 1), shape=("n", CHANNELS, 1, "w"))
    found = output(split(model), x)
    np.testing.assert_array_equal(found, output(model, x))  # NaN where x is, and where 0 meets −∞
    assert np.isposinf(found[..., 0]).all()


def _constant(**value: Any) -> Any:
    return helper.make_node("Constant", [], ["slope"], **value)


@pytest.mark.parametrize(
    "node",
    [
        _constant(value=numpy_helper.from_array(np.array([[[0.25]]], np.float32))),
        _constant(value_float=0.25),
        _constant(value_floats=[0.25]),
    ],
    ids=["tensor", "number", "numbers"],
)
def test_a_slope_may_be_a_constant_node(node: Any) -> None:
    x = np.random.default_rng(0).normal(size=(1, CHANNELS, 4, 4)).astype("f4")
    np.testing.assert_array_equal(output(split(prelu(np.array([0], np.float32), node)), x), np.where(x >= 0, x, x / 4))


@pytest.mark.parametrize(
    "nodes",
    [
        [helper.make_node("ReduceMean", ["x"], ["slope"])],
        [_constant(value_float=float("inf"))],
    ],
    ids=["computed", "infinite"],
)
def test_other_slopes_are_left_as_they_are(nodes: list[Any]) -> None:
    model = prelu(np.array([0], np.float32), *nodes)
    before = model.SerializeToString()
    assert split_prelus(model) == 0
    assert model.SerializeToString() == before


def test_inner_graphs_and_functions_are_left_as_they_are() -> None:
    slope = np.array([0.5], np.float32)
    model = prelu(slope)
    (node,) = model.graph.node
    out = helper.make_tensor_value_info("inner", TensorProto.FLOAT, None)
    branch = helper.make_graph([helper.make_node("PRelu", ["x", "slope"], ["inner"])], "b", [], [out])
    model.graph.initializer.append(numpy_helper.from_array(np.array(True), "always"))
    node.CopyFrom(helper.make_node("If", ["always"], ["chosen"], then_branch=branch, else_branch=branch))
    model.graph.node.append(helper.make_node("Leaky", ["chosen"], ["y"], domain="own"))
    body = [_constant(value=numpy_helper.from_array(slope)), helper.make_node("PRelu", ["x", "slope"], ["y"])]
    model.functions.append(helper.make_function("own", "Leaky", ["x"], ["y"], body, [helper.make_opsetid("", 17)]))
    model.opset_import.append(helper.make_opsetid("own", 1))
    before = model.SerializeToString()
    assert split_prelus(model) == 0
    assert model.SerializeToString() == before
    model.graph.node.insert(0, helper.make_node("PRelu", ["x", "slope"], ["z"]))
    model.graph.node[1].attribute[0].g.node[0].input[0] = "z"
    x = np.random.default_rng(0).normal(size=(1, CHANNELS, 4, 4)).astype("f4")
    expected = output(model, x)
    assert split_prelus(model) == 1
    assert operators(model) == [*SPLIT, "If", "Leaky"]
    np.testing.assert_array_equal(output(model, x), expected)  # the slope that inner graphs read is still there


@pytest.mark.parametrize("shape", [(6, 1, 1), (1,), (6, 4, 4)])
def test_what_was_split_is_joined_again(shape: tuple[int, ...]) -> None:
    slope = np.random.default_rng(0).normal(size=shape).astype("f4")
    model = split(prelu(slope))
    assert join_prelus(model) == 1
    (node,) = model.graph.node
    (stored,) = model.graph.initializer
    assert (node.op_type, node.name, node.input[0]) == ("PRelu", "active", "x")
    np.testing.assert_array_equal(numpy_helper.to_array(stored), slope)
    assert join_prelus(model) == 0


def test_what_only_looks_like_it_is_not_joined() -> None:
    model = split(prelu(SLOPES.astype("f4").reshape(-1, 1, 1)))
    (minus,) = [tensor for tensor in model.graph.initializer if tensor.name.endswith("minus")]
    minus.CopyFrom(numpy_helper.from_array(np.full((6, 1, 1), -2, np.float32), minus.name))
    assert join_prelus(model) == 0
    assert operators(model) == SPLIT


def encoder(dtype: str = "f4") -> bytes:
    """A user's encoder with two PRelu: `input` (n, 3, 112, 112) -> `vector` (n, 16)."""
    rng = np.random.default_rng(0)
    weights = {
        "kernel": rng.normal(size=(8, 3, 7, 7)) / 10,
        "slope": rng.uniform(-1, 2, (8, 1, 1)),
        "matrix": rng.normal(size=(8 * 4 * 4, 16)) / 10,
        "last": rng.uniform(-1, 2, 16),
    }
    nodes = [
        helper.make_node("Conv", ["input", "kernel"], ["map"], strides=[7, 7]),
        helper.make_node("PRelu", ["map", "slope"], ["active"]),
        helper.make_node("AveragePool", ["active"], ["cells"], kernel_shape=[4, 4], strides=[4, 4]),
        helper.make_node("Flatten", ["cells"], ["flat"]),
        helper.make_node("MatMul", ["flat", "matrix"], ["row"]),
        helper.make_node("PRelu", ["row", "last"], ["vector"]),
    ]
    element = TYPES[dtype]
    graph = helper.make_graph(
        nodes,
        "user",
        [helper.make_tensor_value_info("input", element, ["n", 3, 112, 112])],
        [helper.make_tensor_value_info("vector", element, ["n", 16])],
        [numpy_helper.from_array(values.astype(dtype), name) for name, values in weights.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    return bytes(model.SerializeToString())


def imported(path: Path, name: str) -> Any:
    """The graph that importing `path` makes."""
    import_model(path, untested("onnx", name=name))
    return onnx.load(models_folder() / name / f"{name}.fp32.onnx")


@pytest.mark.parametrize("dtype", ["f2", "f4"])
def test_an_import_splits_every_prelu_and_keeps_the_embeddings(
    dtype: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "user.onnx"
    path.write_bytes(encoder(dtype))
    made = imported(path, "mine")
    assert "PRelu" not in operators(made)
    assert operators(made).count("Relu") == 4
    with monkeypatch.context() as patch:
        patch.setattr(onnx_rewriting, "split_prelus", lambda model: 0)
        plain = imported(path, "plain")
    assert operators(plain).count("PRelu") == 2
    crops = np.random.default_rng(1).integers(0, 256, (2, 112, 112, 3), np.uint8)
    found, expected = (
        open_session(model.SerializeToString()).run(None, {"crops": crops})[0] for model in (made, plain)
    )
    assert np.abs(found - expected).max() <= 1e-5 * np.abs(expected).max()


@pytest.mark.parametrize("fault", ["other numbers", "cannot be run"])
def test_where_embeddings_would_change_the_file_stays_as_it_is(
    fault: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def spoilt(model: Any) -> int:
        count = split_prelus(model)
        node = next(node for node in model.graph.node if node.op_type == "Relu")
        node.op_type = "Abs" if fault == "other numbers" else "NoSuchOperator"
        return count

    monkeypatch.setattr(onnx_rewriting, "split_prelus", spoilt)
    path = tmp_path / "user.onnx"
    path.write_bytes(encoder())
    assert operators(imported(path, "mine")).count("PRelu") == 2


def test_nncf_gets_prelu_as_one_operator(tmp_path: Path) -> None:
    pytest.importorskip("nncf")
    from facesearch.encoders.openvino_file import unpack
    from facesearch.quantization.openvino_int8 import quantize_openvino
    from facesearch.quantization.recipe import choose_recipe

    path = tmp_path / "user.onnx"
    path.write_bytes(encoder())
    made = imported(path, "mine").SerializeToString()
    crops = np.random.default_rng(0).integers(0, 256, (12, 112, 112, 3), np.uint8)
    quantized = quantize_openvino(made, choose_recipe("onnx", "openvino"), crops[:8], crops[8:])
    assert unpack(quantized.data).network.count(b'type="PReLU"') == 2
    assert quantized.fidelity.minimum > 0.99
