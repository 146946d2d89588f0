"""INT8 of a network of depth-wise convolutions and PReLU, which the usual recipe ruins; and how a recipe is chosen."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnx
import pytest

from facesearch.assets import read_asset
from facesearch.errors import UsageError
from facesearch.quantization.equalise import depthwise, equalise
from facesearch.quantization.fidelity import Fidelity, cosines
from facesearch.quantization.onnx_int8 import QuantizedModel, quantize_onnx
from facesearch.quantization.onnx_layers import embed, layers, observe, prepare
from facesearch.quantization.ranges import Range, full_ranges, least_error_ranges
from facesearch.quantization.recipe import (
    BALANCED,
    EQUALISED,
    STATIC,
    WEIGHTS,
    Overrides,
    Recipe,
    candidate_recipes,
    choose_recipe,
)
from facesearch.quantization.selection import quantize_best

from .conftest import Sample


@pytest.fixture(scope="module")
def mobilefacenet() -> Sample:
    """The embedded encoder, with crops of drawn people."""
    from facesearch.workshop.sample_crops import sample_crops

    crops = sample_crops("arcface", 112).crops
    return Sample(read_asset("mobilefacenet"), crops[::2], crops[1::2])


def test_integers_stay_near_to_fp32_where_channels_are_equalised(mobilefacenet: Sample) -> None:
    made = quantize_onnx(mobilefacenet.model, EQUALISED, mobilefacenet.calibration, mobilefacenet.held_out)
    assert made.fidelity.mean > 0.995
    assert made.fidelity.layers[0].snr_db > 10
    assert 0 < len(made.kept_float) <= EQUALISED.keep_float
    model = onnx.load_model_from_string(made.data)
    separate = depthwise(prepare(mobilefacenet.model))
    codes = {node.input[0] for node in model.graph.node if node.op_type == "DequantizeLinear"}
    dense = [each for each in layers(prepare(mobilefacenet.model)) if each.op_type == "Conv"]
    dense = [each for each in dense if each.name not in separate][1:]
    integer = [each.name for each in dense if each.weight in codes]
    assert sorted(integer) == sorted({each.name for each in dense} - set(made.kept_float))
    assert len(made.data) < 0.33 * 4 * 1_050_000


def test_weights_alone_lose_least_and_are_all_bytes(mobilefacenet: Sample) -> None:
    made = quantize_onnx(mobilefacenet.model, WEIGHTS, mobilefacenet.calibration, mobilefacenet.held_out)
    assert made.fidelity.minimum > 0.998
    model = onnx.load_model_from_string(made.data)
    kinds = {tensor.name: tensor.data_type for tensor in model.graph.initializer}
    assert {kinds[each.weight] for each in layers(prepare(mobilefacenet.model))} == {onnx.TensorProto.INT8}
    assert not [node for node in model.graph.node if node.op_type == "QuantizeLinear"]


def test_equalising_changes_weights_and_evens_out_channels_but_changes_no_template(mobilefacenet: Sample) -> None:
    model = prepare(mobilefacenet.model)
    crops = mobilefacenet.calibration[:4]
    expected, before = embed(model, crops), _unevenness(model, crops)
    assert equalise(model, crops, 0.7) > 30
    assert cosines(expected, embed(model, crops)).min() > 0.999999
    assert _unevenness(model, crops) < 0.5 * before


def _unevenness(model: onnx.ModelProto, crops: np.ndarray) -> float:
    """Of the inputs of projections: by how much the largest channel exceeds the median one."""
    names = [each.input for each in layers(model) if each.name.endswith(".project")]
    values = next(observe(model, names, crops))
    tops = [np.abs(values[name]).max(axis=(0, 2, 3)) for name in names]
    return float(np.median([top.max() / np.median(top) - 1 for top in tops]))


def test_the_range_of_least_error_lies_within_the_full_one_and_loses_no_more(mobilefacenet: Sample) -> None:
    model = prepare(mobilefacenet.model)
    names = [each.input for each in layers(model) if each.name.endswith(".project")][:4]
    full = full_ranges(model, names, mobilefacenet.calibration)
    least = least_error_ranges(model, names, mobilefacenet.calibration)
    values = next(observe(model, names, mobilefacenet.calibration))
    assert any(least[name] != full[name] for name in names)
    for name in names:
        assert full[name].low <= least[name].low <= 0 <= least[name].high <= full[name].high
        assert _error(least[name], values[name]) <= 1.1 * _error(full[name], values[name])


def _error(found: Range, values: np.ndarray) -> float:
    return float(np.square(found.rounded(values) - values).mean())


def _made(mean: float, data: bytes = b"") -> QuantizedModel:
    return QuantizedModel(data, Fidelity(10, mean, mean, mean))


def _choose(means: dict[str, float], spent: dict[str, float]) -> tuple[str, list[str], str]:
    """What is chosen of the recipes, which ones were tried, and the reason."""
    tried: list[str] = []

    def quantize(recipe: Recipe) -> QuantizedModel:
        tried.append(recipe.name)
        return _made(means[recipe.name], recipe.name.encode())

    def times(models: Sequence[bytes]) -> list[float]:
        return [spent[model.decode()] for model in models]

    chosen = quantize_best((STATIC, EQUALISED, WEIGHTS), quantize, times)
    return chosen.recipe.name, tried, chosen.reason


SAME = {"static": 9.0, "equalised": 10.0, "weights": 10.0}


def test_a_usual_recipe_that_is_near_enough_is_taken_without_trying_another() -> None:
    name, tried, reason = _choose({"static": 0.9992}, SAME)
    assert (name, tried) == ("static", ["static"])
    assert "0.9992" in reason


def test_where_the_usual_recipe_loses_too_much_the_fastest_of_the_rest_is_taken() -> None:
    means = {"static": 0.92, "equalised": 0.998, "weights": 0.9995}
    name, tried, reason = _choose(means, SAME | {"equalised": 5.0})
    assert (name, tried) == ("equalised", ["static", "equalised", "weights"])
    assert "static 0.9200 is too far" in reason
    assert _choose(means, SAME)[0] == "weights"
    assert _choose(means, SAME | {"equalised": 9.8})[0] == "weights"  # not enough faster to lose anything for it
    assert _choose(means | {"equalised": 0.98}, SAME | {"equalised": 5.0})[0] == "weights"


def test_where_none_is_near_enough_the_nearest_is_taken_and_it_says_so() -> None:
    name, _, reason = _choose({"static": 0.92, "equalised": 0.97, "weights": 0.95}, SAME)
    assert name == "equalised"
    assert "none reaches 0.99" in reason


def test_whoever_asks_for_something_gets_that_alone() -> None:
    assert candidate_recipes("mobilefacenet", "onnx") == (STATIC, EQUALISED, WEIGHTS)
    assert candidate_recipes("edgeface-xs", "onnx") == (BALANCED, WEIGHTS)
    assert candidate_recipes("mobilefacenet", "onnx", overrides=Overrides()) == (STATIC, EQUALISED, WEIGHTS)
    assert candidate_recipes("dlib-resnet", "onnx", overrides=Overrides(recipe="weights")) == (WEIGHTS,)
    assert len(candidate_recipes("dlib-resnet", "onnx", overrides=Overrides(percentile=99.9))) == 1
    with pytest.raises(UsageError, match="rounds no activations"):
        choose_recipe("dlib-resnet", "onnx", overrides=Overrides(recipe="weights", smooth=0.5))


def test_on_torch_prelu_is_computed_in_float_with_int8_weights(mobilefacenet: Sample, tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    from facesearch.encoders.networks import int8_network
    from facesearch.quantization.torch_int8 import quantize

    path = tmp_path / "int8.safetensors"
    assert quantize("mobilefacenet", mobilefacenet.model, mobilefacenet.calibration, path) == int8_network.WEIGHTS
    network = int8_network.int8_network(int8_network.parse(path.read_bytes(), "it"), "it")
    with torch.inference_mode():
        found = network(torch.from_numpy(mobilefacenet.held_out)).numpy()
    assert cosines(embed(mobilefacenet.model, mobilefacenet.held_out), found).min() > 0.998
    assert path.stat().st_size < 0.3 * 4 * 1_050_000
