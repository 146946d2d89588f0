"""The self-test: what it says of models that tell people apart, and of models that are fed wrongly."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from facesearch.errors import UsageError, WeightsError
from facesearch.faces import CROPS
from facesearch.workshop.model_import import ImportRequest, import_model
from facesearch.workshop.onnx_options import OnnxOptions, options_from_words
from facesearch.workshop.sample_crops import sample_crops
from facesearch.workshop.selftest import ENOUGH, Alternative, LabelledCrops, self_test, separation

from .small_models import user_onnx

Floats = npt.NDArray[np.float32]
PEOPLE = np.repeat(np.arange(5), 3)


def vectors(spread: float) -> Floats:
    """Embeddings of five people, each three times, `spread` around the person."""
    rng = np.random.default_rng(0)
    centres = rng.normal(size=(5, 64))
    found: Floats = (centres[PEOPLE] + spread * rng.normal(size=(15, 64))).astype(np.float32)
    return found


SAMPLE = LabelledCrops(np.zeros((15, 4, 4, 3), np.uint8), PEOPLE)


def test_people_far_apart_are_many_deviations_apart() -> None:
    near, far = separation(vectors(2.0), PEOPLE), separation(vectors(0.2), PEOPLE)
    assert far.deviations > 5 > near.deviations > 0
    assert 0.9 < far.same <= 1
    assert abs(far.different) < 0.2
    assert separation(np.ones((15, 64), np.float32), PEOPLE).deviations == pytest.approx(0)
    assert separation(vectors(0.2) * 100, PEOPLE).deviations == pytest.approx(far.deviations, rel=1e-4)


def test_a_good_model_passes_and_nothing_else_is_tried() -> None:
    def unused() -> Iterator[Alternative]:
        raise AssertionError
        yield

    tested = self_test(lambda crops: vectors(0.2), SAMPLE, unused())
    assert tested.passed
    assert tested.warning is None


def test_a_bad_model_is_told_what_would_be_better() -> None:
    others = [
        ("--scale 1", lambda crops: vectors(3.0), SAMPLE),
        ("--scale 2", lambda crops: vectors(0.1), SAMPLE),
        ("--scale 3", lambda crops: vectors(0.3), SAMPLE),
    ]
    tested = self_test(lambda crops: vectors(3.0), SAMPLE, others)
    assert not tested.passed
    assert tested.warning is not None and "with --scale 2 it is" in tested.warning
    hopeless = self_test(lambda crops: vectors(3.0), SAMPLE, others[:1])
    assert hopeless.warning is not None and "are these trained weights" in hopeless.warning


@pytest.mark.parametrize("crop", CROPS.values(), ids=lambda crop: crop.name)
def test_the_sample_has_several_crops_of_several_people(crop: object) -> None:
    kind, size = crop.name, crop.size  # type: ignore[attr-defined]
    sample = sample_crops(kind, size)
    assert sample.crops.shape == (len(sample.people), size, size, 3)
    assert sample.crops.dtype == np.uint8
    assert (np.bincount(sample.people) >= 2).all()
    assert len(np.unique(sample.people)) >= 6
    assert np.array_equal(sample.crops, sample_crops.__wrapped__(kind, size).crops)


@pytest.mark.parametrize("model", ["mobilefacenet", "dlib-resnet"])
def test_an_embedded_model_would_pass(model: str) -> None:
    from facesearch.encoders import load_encoder

    encoder = load_encoder(model)
    sample = sample_crops(encoder.crop, encoder.crop_size)
    assert separation(encoder.encode(sample.crops), sample.people).deviations > ENOUGH


def test_a_trained_edgeface_passes_by_far(trained_edgeface: Path) -> None:
    made = import_model(trained_edgeface, ImportRequest("edgeface-xxs"))
    assert made.self_test is not None and made.self_test.separation.deviations > 2 * ENOUGH
    assert made.warnings == ()


def test_weights_that_were_not_trained_are_imported_with_a_warning(tmp_path: Path) -> None:
    path = tmp_path / "user.onnx"
    path.write_bytes(user_onnx())
    made = import_model(path, ImportRequest("onnx", name="mine"))
    assert made.self_test is not None and not made.self_test.passed
    assert any("tells synthetic people apart badly" in warning for warning in made.warnings)


def test_a_trained_model_that_is_fed_wrongly_is_told_how_it_is_fed_better(tmp_path: Path) -> None:
    """A model trained on x / 255: it sees nothing but a constant where x comes as it is."""
    path = tmp_path / "user.onnx"
    path.write_bytes(range_sensitive_onnx())
    wrong = import_model(path, ImportRequest("onnx", name="wrong", options=options_from_words(mean="0", scale="1")))
    (warning,) = wrong.warnings
    assert "with --mean 0 --scale 1/255 it is" in warning
    right = import_model(path, ImportRequest("onnx", name="right", options=options_from_words(mean="0", scale="1/255")))
    assert right.warnings == ()
    assert right.self_test is not None and right.self_test.passed


def range_sensitive_onnx() -> bytes:
    """Blocks of the face less their mean, clipped to ±1: of no use where values are up to 255."""
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    sample = sample_crops("arcface", 112)
    blocks = sample.crops.astype(np.float64).transpose(0, 3, 1, 2).reshape(-1, 3, 14, 8, 14, 8).mean(axis=(3, 5)) / 255
    flat = blocks.reshape(len(blocks), -1)
    centre = flat.mean(axis=0)
    people = np.stack([flat[sample.people == person].mean(axis=0) for person in np.unique(sample.people)]) - centre
    within = (flat - centre) - people[np.unique(sample.people, return_inverse=True)[1]]
    # linear discriminants: directions in which people differ and their photos do not
    covariance = within.T @ within / len(flat) + 1e-3 * np.eye(flat.shape[1])
    weights = np.linalg.solve(covariance, people.T)
    weights = weights @ np.linalg.pinv(people @ weights)  # each person on an axis of their own
    weights = np.repeat(weights, 2, axis=1) / np.abs(weights).max()
    nodes = [
        helper.make_node("AveragePool", ["input"], ["cells"], kernel_shape=[8, 8], strides=[8, 8]),
        helper.make_node("Flatten", ["cells"], ["flat"]),
        helper.make_node("Sub", ["flat", "centre"], ["centred"]),
        helper.make_node("Clip", ["centred", "low", "high"], ["clipped"]),
        helper.make_node("MatMul", ["clipped", "weights"], ["vector"]),
    ]
    graph = helper.make_graph(
        nodes,
        "range",
        [helper.make_tensor_value_info("input", TensorProto.FLOAT, ["n", 3, 112, 112])],
        [helper.make_tensor_value_info("vector", TensorProto.FLOAT, ["n", weights.shape[1]])],
        [
            numpy_helper.from_array(centre.astype(np.float32), "centre"),
            numpy_helper.from_array(np.array(-1, np.float32), "low"),
            numpy_helper.from_array(np.array(1, np.float32), "high"),
            numpy_helper.from_array(weights.astype(np.float32), "weights"),
        ],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(model)
    data: bytes = model.SerializeToString()
    return data


@pytest.mark.parametrize(
    ("given", "complaint"),
    [
        ({"mean": "a"}, "'a' is not one number"),
        ({"scale": "1/0"}, "'1/0' is not one number"),
        ({"mean": "1/"}, "'1/' is not one number"),
        ({"scale": "0"}, "scale is 0.0; give one number other than 0"),
        ({"mean": "1,2"}, "give one number, or three"),
        ({"layout": "chw"}, "it can be nchw or nhwc"),
        ({"colour": "grey"}, "it can be rgb or bgr"),
        ({"size": 3}, "size is 3"),
        ({"crop": "nose"}, "it can be arcface or mtcnn-margin or dlib-chip"),
        ({"threshold": 1.01}, "threshold is 1.01; give a number between -1 and 1"),
        ({"threshold": float("nan")}, "threshold is nan"),
        ({"licence": "a" * 201}, "give one of at most 200 characters"),
        ({"licence": "MIT\nor so"}, "licence is not a text of one line"),
    ],
)
def test_options_that_make_no_sense_are_wrong_usage(given: dict[str, str | float], complaint: str) -> None:
    with pytest.raises(UsageError, match=complaint) as refused:
        options_from_words(None, **given)
    assert len(str(refused.value).splitlines()) == 1


def test_options_are_read_from_words() -> None:
    assert options_from_words(mean=None, crop=None) is None
    options = options_from_words(mean="127.5", scale=" 1/127.5", colour="bgr")
    assert options is not None
    assert (options.mean, options.scale, options.colour) == ((127.5,) * 3, (1 / 127.5,) * 3, "bgr")
    assert options.crop == "arcface"
    three = options_from_words(mean="123.7, 116.3,103.5")
    assert three is not None and three.mean == (123.7, 116.3, 103.5)


def test_what_the_words_leave_open_is_taken_from_the_file_beside(tmp_path: Path) -> None:
    path = tmp_path / "user.onnx"
    assert options_from_words(path, threshold=0.3) == OnnxOptions(threshold=0.3)
    (tmp_path / "user.onnx.json").write_text(
        '{"colour": "bgr", "threshold": 0.5, "licence": "MIT", "commercial": true}'
    )
    stored = OnnxOptions(colour="bgr", threshold=0.5, licence="MIT", commercial=True)
    assert options_from_words(path, threshold=0.3) == replace(stored, threshold=0.3)
    assert options_from_words(path, mean="0") == replace(stored, mean=(0, 0, 0))
    assert options_from_words(path) is None  # then the import reads that file
    (tmp_path / "user.onnx.json").write_text('{"threshold": 2}')
    with pytest.raises(WeightsError, match=r"user\.onnx\.json': threshold is 2"):
        options_from_words(path, colour="bgr")
