"""Models of others that are made to do harm, or are unlucky: one line, nothing imported, in little time and memory."""

from __future__ import annotations

import struct
import time
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

onnx = pytest.importorskip("onnx")

from onnx import TensorProto, helper, numpy_helper  # noqa: E402

from facesearch.encoders.manifest import Source  # noqa: E402
from facesearch.encoders.storage import models_folder  # noqa: E402
from facesearch.errors import UsageError, WeightsError  # noqa: E402
from facesearch.workshop.model_import import ImportRequest, import_model  # noqa: E402
from facesearch.workshop.model_making import Job  # noqa: E402
from facesearch.workshop.onnx_options import OnnxOptions  # noqa: E402
from facesearch.workshop.onnx_wrapping import wrap_onnx  # noqa: E402
from facesearch.workshop.trial import Limits, make_apart  # noqa: E402

SIDE, DIMENSION = 112, 16
WEIGHTS = numpy_helper.from_array(np.full((3 * SIDE * SIDE, DIMENSION), 1e-3, np.float32), "w")
LINEAR = [helper.make_node("Flatten", ["x"], ["f"]), helper.make_node("MatMul", ["f", "w"], ["m"])]
END = [helper.make_node("Identity", ["m"], ["y"])]
MB = 1 << 20


def value(name: str, kind: int, shape: list[Any] | None) -> Any:
    return helper.make_tensor_value_info(name, kind, shape)


def saved(path: Path, nodes: list[Any], weights: list[Any], shape: tuple[Any, ...] = (None, 3, SIDE, SIDE)) -> Path:
    """A model of these nodes, from crops `x` of a shape to `y`."""
    entry, output = value("x", TensorProto.FLOAT, list(shape)), value("y", TensorProto.FLOAT, [None, DIMENSION])
    graph = helper.make_graph(nodes, "g", [entry], [output], weights)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    path.write_bytes(model.SerializeToString())
    return path


def external(location: str, **more: str) -> Any:
    tensor = TensorProto(name="w", data_type=TensorProto.FLOAT, dims=[3 * SIDE * SIDE, DIMENSION])
    tensor.data_location = TensorProto.EXTERNAL
    for key, text in {"location": location, **more}.items():
        entry = tensor.external_data.add()
        entry.key, entry.value = key, text
    return tensor


def one_line(error: BaseException) -> str:
    text = str(error)
    assert len(text.splitlines()) == 1
    assert text.isprintable()
    return text


def tried(path: Path, folder: Path, limits: Limits) -> str:
    """What is said of a model that is tried in a process of its own."""
    job = Job(path, Source(path.name, "0" * 64, "file"), "x", "onnx", OnnxOptions())
    with pytest.raises(WeightsError) as caught:
        make_apart(folder, job, tested=False, step=lambda text: None, limits=limits)
    return one_line(caught.value)


def test_a_loop_without_an_end_is_stopped(tmp_path: Path) -> None:
    body = helper.make_graph(
        [helper.make_node("Identity", ["go"], ["on"]), helper.make_node("Identity", ["a"], ["b"])],
        "body",
        [value("i", TensorProto.INT64, []), value("go", TensorProto.BOOL, []), value("a", TensorProto.FLOAT, None)],
        [value("on", TensorProto.BOOL, []), value("b", TensorProto.FLOAT, None)],
    )
    constants = [numpy_helper.from_array(np.array(2**62), "n"), numpy_helper.from_array(np.array(True), "c")]
    nodes = [*LINEAR, helper.make_node("Loop", ["n", "c", "m"], ["y"], body=body)]
    path = saved(tmp_path / "endless.onnx", nodes, [WEIGHTS, *constants])
    assert "takes too long: it was stopped after 3 seconds" in tried(path, tmp_path, Limits(3, 512 * MB))


def test_more_memory_than_is_allowed_is_not_given(tmp_path: Path) -> None:
    nodes = [*LINEAR, helper.make_node("Expand", ["m", "s"], ["e"])]
    nodes.append(helper.make_node("ReduceSum", ["e", "axes"], ["y"], keepdims=0))
    shape = numpy_helper.from_array(np.array([10**8, 1, DIMENSION]), "s")
    path = saved(tmp_path / "wide.onnx", nodes, [WEIGHTS, shape, numpy_helper.from_array(np.array([0]), "axes")])
    started = time.monotonic()
    assert "cannot be run by ONNX Runtime" in tried(path, tmp_path, Limits(60, 512 * MB))
    assert time.monotonic() - started < 50


def test_an_import_that_fails_in_its_own_process_leaves_nothing(tmp_path: Path) -> None:
    path = saved(tmp_path / "far.onnx", [*LINEAR, *END], [WEIGHTS], (None, 3, 10**9, 10**9))
    with pytest.raises(WeightsError, match=r"takes crops of 1000000000×1000000000: face encoders take at most 1024"):
        import_model(path, ImportRequest("onnx", name="mine"))
    assert [each.name for each in models_folder().iterdir()] == [".lock"]


def test_a_model_that_is_sound_is_imported_from_its_own_process(tmp_path: Path) -> None:
    told: list[str] = []
    path = saved(tmp_path / "sound.onnx", [*LINEAR, *END], [WEIGHTS])
    made = import_model(path, ImportRequest("onnx", name="mine", step=told.append))
    assert made.model.dimension == DIMENSION
    assert made.self_test is not None and made.self_test.warning
    assert told == ["converting sound.onnx", "testing"]


def test_a_sampler_of_ones_own_does_not_leave_this_process(tmp_path: Path) -> None:
    path = saved(tmp_path / "sound.onnx", [*LINEAR, *END], [WEIGHTS])
    with pytest.raises(UsageError, match="set trusted"):
        import_model(path, ImportRequest("onnx", name="mine", sampler=lambda kind, size: None))  # type: ignore[arg-type, return-value]


def huge(dims: list[int], content: bytes = b"\0" * 16, kind: int = TensorProto.FLOAT) -> Any:
    return TensorProto(name="w", data_type=kind, dims=dims, raw_data=content)


def sparse(rows: int) -> Any:
    values, places = numpy_helper.from_array(np.ones(1, np.float32), "w"), np.zeros((1, 2), np.int64)
    return helper.make_sparse_tensor(values, numpy_helper.from_array(places, "places"), [rows, DIMENSION])


@pytest.mark.parametrize(
    ("weights", "part"),
    [
        (external("a\0b"), "whose name is none"),
        (external("a\nb"), "whose name is none"),
        (external("a" * 5000), "whose name is none"),
        (external("../w.bin"), "outside its folder"),
        (external("/dev/zero"), "outside its folder"),
        (external("link"), "outside its folder"),
        (external("pipe"), "not beside it"),
        (external("itself.onnx"), "damaged"),
        (external("few.bin", offset="0", length="4816896"), "shorter than"),
        (external("few.bin", offset="9" * 5000), "offsets of its weights are not numbers"),
        (external("few.bin", offset="-8"), "shorter than"),
        (huge([2**40, 2**40]), "damaged at the weights"),
        (huge([2**62, 4]), "damaged at the weights"),
        (huge([-1, DIMENSION], bytes(4 * DIMENSION)), "cannot be run"),
        (huge([4, DIMENSION], bytes(16 * DIMENSION), 99), "cannot be run"),
        (huge([0, DIMENSION], b""), "cannot be run"),
    ],
)
def test_weights_that_are_elsewhere_or_too_large_are_refused(tmp_path: Path, weights: Any, part: str) -> None:
    import os

    (tmp_path / "few.bin").write_bytes(bytes(100))
    (tmp_path / "link").symlink_to("/dev/zero")
    os.mkfifo(tmp_path / "pipe")
    path = saved(tmp_path / "itself.onnx", [*LINEAR, *END], [weights])
    with pytest.raises(WeightsError, match=part) as caught:
        wrap_onnx(path, tmp_path / "made.onnx")
    one_line(caught.value)
    assert not (tmp_path / "made.onnx").exists()


def test_sparse_weights_that_unfold_to_too_much_are_refused(tmp_path: Path) -> None:
    path = saved(tmp_path / "sparse.onnx", [*LINEAR, *END], [])
    model = onnx.load_model(path)
    model.graph.sparse_initializer.append(sparse(10**10))
    path.write_bytes(model.SerializeToString())
    with pytest.raises(WeightsError, match="unfolds to more than 2 GiB"):
        wrap_onnx(path, tmp_path / "made.onnx")


@pytest.mark.parametrize(
    ("shape", "part"),
    [
        ((10**9, 3, SIDE, SIDE), "takes 1000000000 crops at once"),
        ((2**62, 3, SIDE, SIDE), "crops at once"),
        ((None, 3, 2**62, 2**62), "at most 1024×1024"),
        ((None, 3, None, 10**9), "at most 1024×1024"),
    ],
)
def test_inputs_without_bounds_are_refused(tmp_path: Path, shape: tuple[Any, ...], part: str) -> None:
    path = saved(tmp_path / "far.onnx", [*LINEAR, *END], [WEIGHTS], shape)
    with pytest.raises(WeightsError, match=part) as caught:
        wrap_onnx(path, tmp_path / "made.onnx")
    one_line(caught.value)


def names_twice(content: bytes) -> bytes:
    return content.replace(b"\x12\x01f", b"\x12\x01m")


def names_not_utf8(content: bytes) -> bytes:
    return content.replace(b"\x12\x01f", b"\x12\x01\xff").replace(b"\x0a\x01f", b"\x0a\x01\xff")


@pytest.mark.parametrize("spoil", [names_twice, names_not_utf8])
def test_names_that_stand_twice_or_are_no_text_are_refused(tmp_path: Path, spoil: Callable[[bytes], bytes]) -> None:
    path = saved(tmp_path / "names.onnx", [*LINEAR, *END], [WEIGHTS])
    spoilt = spoil(path.read_bytes())
    assert spoilt != path.read_bytes()
    path.write_bytes(spoilt)
    with pytest.raises(WeightsError) as caught:
        wrap_onnx(path, tmp_path / "made.onnx")
    one_line(caught.value)


def view(torch: Any, path: Path) -> None:
    torch.save({"a": torch.zeros(1).to(torch.float8_e4m3fn).expand(2_200_000_000)}, path)


def smaller_view(torch: Any, path: Path) -> None:
    torch.save({"a": torch.zeros(1).expand(10**7)}, path)


def flipped(torch: Any, path: Path) -> None:
    torch.save({"a": torch.ones(100_000)}, path)
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def packed(torch: Any, path: Path) -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a/data.pkl", b"\x80\x02}.")
        archive.writestr("a/data/0", bytes(64 * MB))


def deep(torch: Any, path: Path) -> None:
    path.write_bytes(b"\x80\x02" + b"]" * 200_000 + b"a" * 199_999 + b".")


def safetensors(header: bytes, content: bytes = bytes(16)) -> Callable[[Any, Path], None]:
    def write(torch: Any, path: Path) -> None:
        path.write_bytes(struct.pack("<Q", len(header)) + header + content)

    return write


OVERLAPPING = (
    b'{"a":{"dtype":"F32","shape":[4],"data_offsets":[0,16]},"b":{"dtype":"F32","shape":[4],"data_offsets":[0,16]}}'
)


@pytest.mark.parametrize(
    ("write", "part"),
    [
        (view, "MiB of tensors"),
        (smaller_view, "bytes that stand for 40000000"),
        (flipped, "checksum of 'bad/data/0' is wrong"),
        (packed, "unpacks from"),
        (deep, "damaged"),
        (safetensors(OVERLAPPING), "damaged safetensors"),
        (safetensors(b'{"a":{"dtype":"F32","shape":[1099511627776,1099511627776],"data_offsets":[0,16]}}'), "damaged"),
        (safetensors(b'{"a":' + b"[" * 100_000 + b"]" * 100_000 + b"}"), "damaged"),
        (safetensors(b"{" + b" " * (101 * MB) + b"}"), "damaged"),
    ],
)
def test_checkpoints_that_unfold_or_are_damaged_are_refused(
    tmp_path: Path, write: Callable[[Any, Path], None], part: str
) -> None:
    torch = pytest.importorskip("torch")
    from facesearch.workshop.checkpoint import read_checkpoint

    write(torch, tmp_path / "bad.pt")
    with pytest.raises(WeightsError, match=part) as caught:
        read_checkpoint(tmp_path / "bad.pt")
    one_line(caught.value)


def test_float8_weights_and_weights_under_two_names_are_read(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    from facesearch.workshop.checkpoint import read_checkpoint

    weights = torch.ones(500_000).to(torch.float8_e4m3fn)
    torch.save({"a": weights, "b": weights}, tmp_path / "twice.pt")
    assert read_checkpoint(tmp_path / "twice.pt")["b"].sum() == 500_000
