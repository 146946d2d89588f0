"""ONNX models of others are taken into the one convention, or refused with the reason."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

onnx = pytest.importorskip("onnx")

from onnx import TensorProto, helper, numpy_helper  # noqa: E402

from facesearch.errors import WeightsError  # noqa: E402
from facesearch.inference.onnx_session import open_session  # noqa: E402
from facesearch.workshop.onnx_options import OnnxOptions, parse_options, read_options  # noqa: E402
from facesearch.workshop.onnx_wrapping import wrap_onnx  # noqa: E402

SIZE = 16
DIMENSION = 24
RNG = np.random.default_rng(3)
KERNEL = RNG.standard_normal((DIMENSION, 3, SIZE, SIZE)).astype(np.float32) / 30
CROPS = RNG.integers(0, 256, (5, SIZE, SIZE, 3), dtype=np.uint8)


def model(
    layout: str = "nchw",
    batch: Any = "batch",
    channels: int = 3,
    size: Any = SIZE,
    element: int = TensorProto.FLOAT,
    tail: str = "Flatten",
    kernel: npt.NDArray[Any] = KERNEL,
    **names: str,
) -> Any:
    """A linear encoder: one convolution over the whole crop."""
    entry = names.get("entry", "data")
    shape = [batch, channels, size, size] if layout == "nchw" else [batch, size, size, channels]
    nodes = [] if layout == "nchw" else [helper.make_node("Transpose", [entry], ["planes"], perm=[0, 3, 1, 2])]
    source = entry if layout == "nchw" else "planes"
    if element != TensorProto.FLOAT:
        nodes.append(helper.make_node("Cast", [source], ["wide"], to=TensorProto.FLOAT))
        source = "wide"
    nodes.append(helper.make_node("Conv", [source, "kernel"], ["map"], name="conv"))
    weights = [numpy_helper.from_array(kernel[:, :1].repeat(channels, 1) if channels != 3 else kernel, "kernel")]
    last = names.get("output", "out")
    if tail == "Flatten":
        nodes.append(helper.make_node("Flatten", ["map"], [last]))
    elif tail == "none":
        last = "map"
    elif tail == "Reshape":
        weights.append(numpy_helper.from_array(np.array([1, DIMENSION]), "shape"))
        nodes.append(helper.make_node("Reshape", ["map", "shape"], [last]))
    else:
        nodes.append(helper.make_node("Flatten", ["map"], ["flat"]))
        nodes.append(helper.make_node(tail, ["flat"], [last], domain=names.get("domain", "")))
    outputs = [helper.make_tensor_value_info(last, TensorProto.FLOAT, None)]
    graph = helper.make_graph(nodes, "g", [helper.make_tensor_value_info(entry, element, shape)], outputs, weights)
    opsets = [helper.make_opsetid("", 17)] + ([helper.make_opsetid(names["domain"], 1)] if "domain" in names else [])
    return helper.make_model(graph, opset_imports=opsets, ir_version=8)


def expected(kernel: npt.NDArray[Any] = KERNEL, bgr: bool = False, mean: Any = 127.5, scale: Any = 1 / 127.5) -> Any:
    """Embeddings of CROPS computed with numpy."""
    pixels = CROPS[..., ::-1] if bgr else CROPS
    planes = ((pixels.astype(np.float64) - mean) * scale).transpose(0, 3, 1, 2)
    return np.einsum("nchw,dchw->nd", planes, kernel)


def wrap(given: Any, folder: Path, options: OnnxOptions | None = None) -> Any:
    onnx.save(given, folder / "given.onnx")
    return wrap_onnx(folder / "given.onnx", folder / "wrapped.onnx", options)


def embeddings(folder: Path) -> Any:
    session = open_session((folder / "wrapped.onnx").read_bytes())
    (entry,) = session.get_inputs()
    assert (entry.name, entry.type, entry.shape[1:]) == ("crops", "tensor(uint8)", [SIZE, SIZE, 3])
    (out,) = session.run(["embedding"], {"crops": CROPS})
    (first,) = session.run(["embedding"], {"crops": CROPS[:1]})
    np.testing.assert_allclose(first, out[:1], atol=1e-5)
    assert out.dtype == np.float32
    return out


def refused(given: Any, folder: Path, *parts: str, options: OnnxOptions | None = None) -> None:
    """Wrapping raises a `WeightsError` of one line with all of `parts`, and writes nothing."""
    if given is not None:
        onnx.save(given, folder / "given.onnx")
    with pytest.raises(WeightsError) as caught:
        wrap_onnx(folder / "given.onnx", folder / "wrapped.onnx", options)
    message = str(caught.value)
    assert "given.onnx" in message
    assert "\n" not in message
    for part in parts:
        assert part in message, message
    assert not (folder / "wrapped.onnx").exists()


@pytest.mark.parametrize("layout", ["nchw", "nhwc"])
@pytest.mark.parametrize("colour", ["rgb", "bgr"])
def test_layout_colour_and_normalisation_are_put_in_front(layout: str, colour: str, tmp_path: Path) -> None:
    options = parse_options({"colour": colour, "mean": [1, 20, 30], "scale": [0.01, 0.02, 0.03]})
    found = wrap(model(layout), tmp_path, options)
    assert (found.options.layout, found.crop_size, found.dimension) == (layout, SIZE, DIMENSION)
    wanted = expected(bgr=colour == "bgr", mean=[1, 20, 30], scale=[0.01, 0.02, 0.03])
    np.testing.assert_allclose(embeddings(tmp_path), wanted, rtol=1e-3, atol=1e-4)


def test_options_are_read_from_the_file_beside_the_model(tmp_path: Path) -> None:
    sidecar = {"layout": "nchw", "size": SIZE, "colour": "bgr", "mean": 0, "scale": [0.01] * 3, "crop": "arcface"}
    (tmp_path / "given.onnx.json").write_text(json.dumps(sidecar))
    wrap(model(size="side"), tmp_path)
    np.testing.assert_allclose(embeddings(tmp_path), expected(bgr=True, mean=0, scale=0.01), rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("tail", ["Flatten", "none", "Sigmoid"])
@pytest.mark.parametrize("batch", [1, 4, "batch"])
def test_fixed_batch_is_made_free_where_the_graph_allows(tail: str, batch: Any, tmp_path: Path) -> None:
    found = wrap(model(batch=batch, tail=tail), tmp_path)
    wanted = 1 / (1 + np.exp(-expected())) if tail == "Sigmoid" else expected()
    np.testing.assert_allclose(embeddings(tmp_path), wanted, rtol=1e-3, atol=1e-4)
    assert any("batch was fixed" in note for note in found.notes) == isinstance(batch, int)


def test_half_precision_and_uint8_models_are_taken(tmp_path: Path) -> None:
    wrap(model(element=TensorProto.FLOAT16), tmp_path)
    np.testing.assert_allclose(embeddings(tmp_path), expected(), atol=0.02)
    found = wrap(model("nhwc", element=TensorProto.UINT8), tmp_path)
    np.testing.assert_allclose(embeddings(tmp_path), expected(mean=0, scale=1), rtol=1e-3, atol=1e-2)
    assert "uint8" in found.notes[0]


def test_wrapped_model_can_be_wrapped_again(tmp_path: Path) -> None:
    wrap(model(entry="crops", output="embedding"), tmp_path)
    first = embeddings(tmp_path)
    wrap_onnx(tmp_path / "wrapped.onnx", tmp_path / "wrapped.onnx")
    np.testing.assert_array_equal(embeddings(tmp_path), first)


def test_of_several_outputs_the_vector_is_taken_and_said(tmp_path: Path) -> None:
    given = model()
    for name, operator in (("probability", "Softmax"), ("odd", "Relu")):
        given.graph.node.append(helper.make_node(operator, ["map"], [name]))
        given.graph.output.insert(0, helper.make_tensor_value_info(name, TensorProto.FLOAT, None))
    found = wrap(given, tmp_path)
    assert "'out' (1, 24) is taken as the embedding, not odd, probability" in found.notes[0]
    np.testing.assert_allclose(embeddings(tmp_path), expected(), rtol=1e-3, atol=1e-4)
    assert "Relu" not in {node.op_type for node in onnx.load(tmp_path / "wrapped.onnx").graph.node}
    wrap(given, tmp_path, OnnxOptions(output="odd"))
    np.testing.assert_allclose(embeddings(tmp_path), np.maximum(expected(), 0), rtol=1e-3, atol=1e-4)
    (tmp_path / "wrapped.onnx").unlink()
    refused(given, tmp_path, "no output 'x'", "odd, probability, out", options=OnnxOptions(output="x"))


def test_inner_graphs_and_functions_of_a_model_are_kept(tmp_path: Path) -> None:
    given = model(tail="none")
    branches = {}
    for name, operator in (("then_branch", "Relu"), ("else_branch", "Abs")):
        out = helper.make_tensor_value_info(name, TensorProto.FLOAT, None)
        branches[name] = helper.make_graph([helper.make_node(operator, ["map"], [name])], name, [], [out])
    given.graph.initializer.append(numpy_helper.from_array(np.array(True), "always"))
    given.graph.node.append(helper.make_node("If", ["always"], ["chosen"], **branches))
    given.graph.node.append(helper.make_node("Twice", ["chosen"], ["doubled"], domain="own"))
    body = [helper.make_node("Add", ["x", "x"], ["y"])]
    given.functions.append(helper.make_function("own", "Twice", ["x"], ["y"], body, [helper.make_opsetid("", 17)]))
    given.opset_import.append(helper.make_opsetid("own", 1))
    given.graph.output[0].name = "doubled"
    wrap(given, tmp_path)
    np.testing.assert_allclose(embeddings(tmp_path), 2 * np.maximum(expected(), 0), rtol=1e-3, atol=1e-4)


def test_weights_in_a_file_beside_it_end_up_inside(tmp_path: Path) -> None:
    onnx.save(model(), tmp_path / "given.onnx", save_as_external_data=True, location="w.bin", size_threshold=0)
    assert (tmp_path / "w.bin").stat().st_size >= KERNEL.nbytes
    wrap_onnx(tmp_path / "given.onnx", tmp_path / "wrapped.onnx")
    (tmp_path / "w.bin").unlink()
    np.testing.assert_allclose(embeddings(tmp_path), expected(), rtol=1e-3, atol=1e-4)
    (tmp_path / "wrapped.onnx").unlink()
    refused(None, tmp_path, "'w.bin', which is not beside it")


@pytest.mark.parametrize("location", ["../secret.bin", "/etc/passwd", "sub/../../secret.bin", "link.bin", "", ".."])
def test_weights_outside_the_folder_are_never_read(location: str, tmp_path: Path) -> None:
    folder = tmp_path / "inner"
    folder.mkdir()
    (tmp_path / "secret.bin").write_bytes(KERNEL.tobytes())
    (folder / "link.bin").symlink_to(tmp_path / "secret.bin")
    given = model()
    kernel = given.graph.initializer[0]
    kernel.ClearField("raw_data")
    kernel.data_location = TensorProto.EXTERNAL
    kernel.external_data.add(key="location", value=location)
    (folder / "given.onnx").write_bytes(given.SerializeToString())
    refused(None, folder, "outside its folder" if location else "''")


def test_external_weights_that_are_cut_short_are_refused(tmp_path: Path) -> None:
    onnx.save(model(), tmp_path / "given.onnx", save_as_external_data=True, location="w.bin", size_threshold=0)
    (tmp_path / "w.bin").write_bytes(bytes(100))
    refused(None, tmp_path, "is shorter than")


@pytest.mark.parametrize("channels", [1, 4])
@pytest.mark.parametrize("layout", ["nchw", "nhwc"])
def test_wrong_number_of_channels_is_refused(channels: int, layout: str, tmp_path: Path) -> None:
    refused(model(layout, channels=channels), tmp_path, f"{channels} channels")
    refused(model(layout, channels=channels), tmp_path, f"{channels} channels", options=OnnxOptions(layout=layout))  # type: ignore[arg-type]


def test_graphs_that_are_no_face_encoders_are_refused(tmp_path: Path) -> None:
    refused(model(tail="Reshape", batch=1), tmp_path, "batches of one size only")
    refused(model(tail="Softsign", domain="acme.ai"), tmp_path, "custom operator acme.ai::Softsign")
    refused(model(kernel=KERNEL[:8]), tmp_path, "no output of one vector per crop")
    refused(model(kernel=KERNEL * 0), tmp_path, "all 0")
    refused(model(element=TensorProto.INT64), tmp_path, "INT64")
    refused(model(), tmp_path, "not 32×32", options=OnnxOptions(size=32))
    broken = KERNEL.copy()
    broken[0, 0, 0, 0] = np.nan
    refused(model(kernel=broken), tmp_path, "NaN", "'kernel'")
    flat = model()
    flat.graph.input[0].type.tensor_type.shape.dim.pop()
    refused(flat, tmp_path, "3 axes")
    two = model()
    two.graph.input.append(helper.make_tensor_value_info("second", TensorProto.FLOAT, [1]))
    refused(two, tmp_path, "2 inputs")
    old = model()
    old.opset_import[0].version = 7
    refused(old, tmp_path, "opset 7")
    nowhere = model(channels=3, size="side")
    nowhere.graph.input[0].type.tensor_type.shape.dim[1].dim_param = "c"
    refused(nowhere, tmp_path, "option layout")


def test_model_that_mixes_the_crops_of_a_batch_is_refused(tmp_path: Path) -> None:
    given = model(tail="none")
    given.graph.node.append(helper.make_node("ReduceMean", ["map"], ["mean"], axes=[0]))
    given.graph.node.append(helper.make_node("Sub", ["mean", "map"], ["apart"]))
    given.graph.node.append(helper.make_node("Add", ["apart", "mean"], ["both"]))
    given.graph.output[0].name = "both"
    refused(given, tmp_path, "mixes the crops")


def test_files_that_are_not_onnx_are_refused(tmp_path: Path) -> None:
    given = tmp_path / "given.onnx"
    data = model().SerializeToString()
    for content in (
        b"version https://example.invalid\n",
        data[: len(data) // 2],
        data[:-3],
        b"\x08\x08",
        b"PK\x03\x04",
    ):
        given.write_bytes(content)
        refused(None, tmp_path)
    given.write_bytes(b"")
    refused(None, tmp_path, "is empty")
    given.unlink()
    refused(None, tmp_path, "cannot read")
    given.mkdir()
    refused(None, tmp_path, "is a folder")


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("{", "cannot be read as JSON"),
        ("[]", "not a JSON object"),
        ('{"color": "rgb"}', "no option 'color'"),
        ('{"colour": "yuv"}', "colour is 'yuv'"),
        ('{"layout": "hwc"}', "layout is 'hwc'"),
        ('{"size": 5}', "size is 5"),
        ('{"size": true}', "size is True"),
        ('{"scale": 0}', "other than 0"),
        ('{"mean": [1, 2]}', "mean is [1, 2]"),
        ('{"mean": [1, 2, NaN]}', "mean is"),
        ('{"crop": "circle"}', "crop is 'circle'"),
        ('{"output": 3}', "output is 3"),
        ('{"threshold": NaN}', "threshold is nan"),
        ('{"threshold": 1.5}', "threshold is 1.5; give a number between -1 and 1"),
        ('{"threshold": "0.4"}', "threshold is '0.4'"),
        ('{"threshold": true}', "threshold is True"),
        ('{"licence": ""}', "licence is not a text of one line"),
        ('{"licence": "MIT\\nor so"}', "licence is not a text of one line"),
        ('{"licence": "\\u001b[31mMIT"}', "licence is not a text of one line"),
        ('{"licence": 3}', "licence is not a text of one line"),
        ('{"commercial": "yes"}', "commercial is 'yes'; it can be true or false"),
    ],
)
def test_wrong_option_is_named(text: str, part: str, tmp_path: Path) -> None:
    (tmp_path / "given.onnx.json").write_text(text)
    with pytest.raises(WeightsError) as caught:
        read_options(tmp_path / "given.onnx")
    assert part in str(caught.value)
    assert "given.onnx.json" in str(caught.value)
