"""Every architecture, exported, gives in ONNX Runtime what it gives in torch; the graphs are fit for quantization."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")
onnx = pytest.importorskip("onnx")

from safetensors.torch import save_file  # noqa: E402

from benchmarks.drawn_weights import drawn_crops, synthetic_state  # noqa: E402
from facesearch.encoders.networks.preprocess import CropNetwork  # noqa: E402
from facesearch.errors import WeightsError  # noqa: E402
from facesearch.inference.onnx_graph import fold_constants  # noqa: E402
from facesearch.inference.onnx_session import open_session  # noqa: E402
from facesearch.workshop.checkpoint import load_network  # noqa: E402
from facesearch.workshop.onnx_export import check_agreement, export_onnx  # noqa: E402

SHAPES_AT_RUN_TIME = {"Shape", "Expand", "Range", "Loop", "If", "Where", "ConstantOfShape", "Gather", "Slice"}


def loaded(model: str, folder: Path, gamma: float | None = None) -> CropNetwork:
    path = folder / f"{model}.safetensors"
    save_file(synthetic_state(model, gamma=gamma), path)
    return load_network(model, path)


@pytest.mark.parametrize(
    ("model", "gamma"),
    [
        ("facenet-vggface2", None),
        pytest.param("transface-s", None, marks=pytest.mark.slow),
        ("edgeface-xxs", None),
        ("edgeface-xs", None),
        ("edgeface-s", None),
        ("edgeface-base", None),
        ("edgeface-xs", 0.6),
    ],
)
def test_export_gives_what_torch_gives(
    model: str, gamma: float | None, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    network, path = loaded(model, tmp_path, gamma), tmp_path / "model.onnx"
    export_onnx(network, path, drawn_crops(model).shape[1])
    assert capfd.readouterr() == ("", "")
    crops = drawn_crops(model, 3)
    session = open_session(path.read_bytes())
    with torch.inference_mode():
        expected = network(torch.from_numpy(crops)).numpy()
    for count in (1, 3):
        (found,) = session.run(["embedding"], {"crops": crops[:count]})
        assert found.dtype == np.float32
        np.testing.assert_allclose(found, expected[:count], atol=1e-4 * np.abs(expected).max())
    (entry,) = session.get_inputs()
    assert (entry.name, entry.type, entry.shape[1:]) == ("crops", "tensor(uint8)", list(crops.shape[1:]))
    assert isinstance(entry.shape[0], str)
    assert_fit_for_quantization(onnx.load(path), network)
    assert {file.name for file in tmp_path.iterdir()} == {"model.onnx", f"{model}.safetensors"}


def assert_fit_for_quantization(model: Any, network: CropNetwork) -> None:
    """Every layer of torch is one node with its weight an initializer, and no node computes shapes."""
    weights = {tensor.name for tensor in model.graph.initializer}
    layers = [n for n in model.graph.node if n.op_type in {"Conv", "MatMul", "Gemm"} and n.input[1] in weights]
    modules = [m for name, m in network.named_modules() if isinstance(m, torch.nn.Conv2d | torch.nn.Linear)]
    constant = [name for name, _ in network.named_modules() if name.endswith("token_projection")]
    assert len(layers) == len(modules) - len(constant)
    operators = Counter(node.op_type for node in model.graph.node)
    assert not SHAPES_AT_RUN_TIME & set(operators)
    assert not {"Identity", "Constant", "Dropout"} & set(operators)
    assert {entry.domain for entry in model.opset_import} == {""}


def test_same_network_gives_the_same_bytes(tmp_path: Path) -> None:
    network = loaded("edgeface-xxs", tmp_path)
    for name in ("a.onnx", "b.onnx"):
        export_onnx(network, tmp_path / name, 112)
    assert (tmp_path / "a.onnx").read_bytes() == (tmp_path / "b.onnx").read_bytes()


def test_export_that_fails_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "old.onnx"
    path.write_bytes(b"old")
    zeros = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(3 * 16 * 16, 4))
    torch.nn.init.zeros_(zeros[1].weight)
    torch.nn.init.zeros_(zeros[1].bias)
    with pytest.raises(WeightsError, match="zeros"):
        export_onnx(CropNetwork(zeros, (0, 0, 0), (1, 1, 1)), path, 16)
    torch.nn.init.constant_(zeros[1].weight, float("nan"))
    with pytest.raises(WeightsError, match="finite"):
        export_onnx(CropNetwork(zeros, (0, 0, 0), (1, 1, 1)), path, 16)
    assert path.read_bytes() == b"old"
    torch.nn.init.ones_(zeros[1].weight)
    with pytest.raises(WeightsError, match="cannot write"):
        export_onnx(CropNetwork(zeros, (0, 0, 0), (1, 1, 1)), tmp_path / "none" / "x.onnx", 16)
    assert [file.name for file in tmp_path.iterdir()] == ["old.onnx"]


def test_disagreement_is_noticed() -> None:
    expected = np.random.default_rng(0).standard_normal((2, 8)).astype(np.float32)
    check_agreement(expected, expected * np.float32(1 + 1e-6), "x")
    for wrong in (expected * 1.01, expected + 0.05, expected[::-1]):
        with pytest.raises(WeightsError, match="cosine"):
            check_agreement(expected, wrong.astype(np.float32), "x")


def test_constants_are_folded_and_the_rest_is_kept() -> None:
    text = """<ir_version: 8, opset_import: ["": 17]>
    g (float[n, 2] x) => (float[n, 2] y) <float[2, 2] a = {1, 2, 3, 4}, float[2] unused = {1, 1}> {
        b = Transpose(a)
        c = MatMul(a, b)
        y = MatMul(x, c)
    }"""
    model = onnx.parser.parse_model(text)
    fold_constants(model)
    assert [node.op_type for node in model.graph.node] == ["MatMul"]
    (weight,) = model.graph.initializer
    np.testing.assert_array_equal(onnx.numpy_helper.to_array(weight), [[5, 11], [11, 25]])


@pytest.mark.parametrize("model", ["edgeface-xs", "edgeface-xxs"])
def test_trained_weights_give_finite_embeddings_of_photos(model: str, trained_weights: Path, tmp_path: Path) -> None:
    network = load_network(model, trained_weights / f"{model.replace('-', '_')}.safetensors")
    export_onnx(network, tmp_path / "model.onnx", 112)
    crops = drawn_crops(model, 4)
    (found,) = open_session((tmp_path / "model.onnx").read_bytes()).run(None, {"crops": crops})
    assert found.shape == (4, 512)
    assert np.isfinite(found).all()
    unit = found / np.linalg.norm(found, axis=1, keepdims=True)
    assert (unit @ unit.T)[~np.eye(4, dtype=bool)].max() < 0.99
