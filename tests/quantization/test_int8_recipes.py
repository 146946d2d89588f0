"""Recipes: which is chosen, what they make, how faithful it is."""

from __future__ import annotations

import importlib.util
from dataclasses import replace

import numpy as np
import pytest

from facesearch.errors import UsageError
from facesearch.inference.onnx_session import open_session
from facesearch.quantization import onnx_int8
from facesearch.quantization.fidelity import layer_fidelity, summarise
from facesearch.quantization.onnx_int8 import quantize_onnx
from facesearch.quantization.onnx_layers import embed, has_attention, layers, prepare
from facesearch.quantization.recipe import BALANCED, DYNAMIC, PAPER, STATIC, Overrides, Recipe, choose_recipe

from .conftest import Sample


@pytest.mark.parametrize(
    ("family", "backend", "scheme"),
    [
        ("edgeface-xs", "onnx", "int8-qdq-u8s8-smooth"),
        ("transface-b", "onnx", "int8-qdq-u8s8-smooth"),
        ("edgeface-s", "openvino", "int8-qdq-u8s8-smooth"),
        ("facenet-vggface2", "onnx", "int8-qdq-u8s8-perchannel"),
        ("dlib-resnet", "onnx", "int8-qdq-u8s8-perchannel"),
        ("facenet-casia", "openvino", "int8-nncf-mixed"),
    ],
)
def test_each_family_has_a_recipe_whose_scheme_names_it(family: str, backend: str, scheme: str) -> None:
    assert choose_recipe(family, backend).scheme == scheme


def test_what_a_user_changes_is_seen_in_the_scheme() -> None:
    changed = choose_recipe("edgeface-xs", "onnx", overrides=Overrides(percentile=99.9, smooth=0.7, keep_float=3))
    assert changed == replace(
        BALANCED,
        scheme="int8-qdq-u8s8-smooth-p99.9-a0.7-k3",
        calibration="percentile",
        percentile=99.9,
        smooth=0.7,
        keep_float=3,
    )
    assert choose_recipe("edgeface-xs", "onnx", overrides=Overrides(recipe="paper")) == PAPER


@pytest.mark.parametrize(
    "overrides",
    [
        Overrides(recipe="best"),
        Overrides(recipe="nncf"),
        Overrides(recipe="dynamic", percentile=99.0),
        Overrides(percentile=101),
        Overrides(smooth=2),
        Overrides(keep_float=-1),
    ],
)
def test_options_that_do_not_go_together_are_refused(overrides: Overrides) -> None:
    with pytest.raises(UsageError):
        choose_recipe("edgeface-xs", "onnx", overrides=overrides)


@pytest.mark.usefixtures("trained_edgeface")
def test_our_recipe_is_near_to_fp32_where_the_papers_is_not(edgeface: Sample) -> None:
    """Of trained weights: those that were drawn give much the same templates whatever is done to them."""
    ours = quantize_onnx(edgeface.model, BALANCED, edgeface.calibration, edgeface.held_out)
    paper = quantize_onnx(edgeface.model, PAPER, edgeface.calibration, edgeface.held_out)
    assert ours.fidelity.mean > 0.985  # synthetic people are few: real photos give 0.997
    assert ours.fidelity.mean > paper.fidelity.mean + 0.01
    assert len(ours.data) <= 0.40 * len(edgeface.model)
    named = {layer.name for layer in layers(prepare(edgeface.model))}
    assert set(ours.kept_float) <= named
    assert len(ours.kept_float) <= BALANCED.keep_float
    assert {layer.layer for layer in ours.fidelity.layers} <= named
    noise = [layer.snr_db for layer in ours.fidelity.layers]
    assert noise == sorted(noise)
    assert {"Softmax", "LayerNormalization"} & {layer.op_type for layer in paper.fidelity.layers}


def test_only_layers_that_cost_similarity_alone_stay_float(edgeface: Sample, monkeypatch: pytest.MonkeyPatch) -> None:
    names = [layer.name for layer in layers(prepare(edgeface.model)) if layer.op_type == "MatMul"][:3]
    costs = [(3e-3, names[0]), (6e-5, names[1]), (1e-5, names[2])]
    monkeypatch.setattr(onnx_int8, "lost_alone", lambda *_: costs)
    few = (edgeface.calibration[:2], edgeface.held_out[:2])
    assert quantize_onnx(edgeface.model, BALANCED, *few).kept_float == tuple(names[:2])
    assert quantize_onnx(edgeface.model, replace(BALANCED, keep_float=1), *few).kept_float == (names[0],)


def test_the_same_calibration_gives_the_same_bytes(edgeface: Sample) -> None:
    recipe = replace(BALANCED, keep_float=2)
    one, other = (quantize_onnx(edgeface.model, recipe, edgeface.calibration, edgeface.held_out) for _ in range(2))
    assert one.data == other.data


def test_a_template_does_not_depend_on_its_batch(edgeface: Sample) -> None:
    recipe = replace(BALANCED, keep_float=0)
    made = quantize_onnx(edgeface.model, recipe, edgeface.calibration, edgeface.held_out)
    session = open_session(made.data)
    (together,) = session.run(None, {session.get_inputs()[0].name: edgeface.held_out})
    assert summarise(embed(made.data, edgeface.held_out), together).minimum > 0.9999


@pytest.mark.parametrize("recipe", [DYNAMIC, replace(STATIC, keep_float=1), replace(STATIC, calibration="percentile")])
def test_every_method_makes_a_model_that_runs(edgeface: Sample, recipe: Recipe) -> None:
    made = quantize_onnx(edgeface.model, recipe, edgeface.calibration[:6], edgeface.held_out[:4])
    assert np.isfinite(made.fidelity.mean)
    assert len(made.data) < 0.45 * len(edgeface.model)


def test_a_model_equals_itself_in_every_layer(edgeface: Sample) -> None:
    model = prepare(edgeface.model)
    found = layer_fidelity(model, model, layers(model), edgeface.held_out[:2])
    assert {layer.snr_db for layer in found} == {120.0}
    assert has_attention(edgeface.model)


def test_openvino_gets_what_onnx_gets(edgeface: Sample) -> None:
    if importlib.util.find_spec("openvino") is None:
        pytest.skip("needs openvino: pip install 'facesearch[openvino]'")
    from facesearch.quantization.openvino_int8 import quantize_openvino

    recipe = replace(BALANCED, keep_float=2)
    made = quantize_openvino(edgeface.model, recipe, edgeface.calibration, edgeface.held_out)
    assert made.fidelity.mean > 0.98
    assert len(made.data) < 0.45 * len(edgeface.model)
