"""The catalog of models: complete entries, helpful refusals, fingerprints that change with what shapes a template."""

from __future__ import annotations

from dataclasses import replace

import pytest

from facesearch.assets import manifest
from facesearch.encoders import CATALOG, DEFAULT_MODEL, EncoderSpec, Model, Variant, find_model, load_encoder
from facesearch.errors import UnknownEncoderError
from facesearch.faces import find_crop

EMBEDDED = [model for model in CATALOG if model.embedded]


@pytest.mark.parametrize("model", EMBEDDED, ids=lambda model: model.name)
def test_every_embedded_model_declares_a_crop_that_exists_and_files_that_are_there(model: Model) -> None:
    assert find_model(model.name) is model
    assert find_crop(model.crop).size == model.crop_size
    assert model.variants
    assert all(variant.asset in manifest() for variant in model.variants)
    assert model.licence and model.source
    assert 0 < model.threshold < 1


def test_the_default_may_be_used_commercially() -> None:
    assert find_model(DEFAULT_MODEL).commercial_use


def test_an_unknown_model_is_refused_naming_what_there_is() -> None:
    with pytest.raises(UnknownEncoderError, match=r"no model named 'vgg'; there are: .*dlib-resnet"):
        find_model("vgg")
    with pytest.raises(UnknownEncoderError, match="did you mean dlib-resnet"):
        find_model("dlib-resnt")


@pytest.mark.parametrize("name", ["dlib-resnet:w1a1", "dlib-resnet@abacus"])
def test_an_unknown_precision_or_backend_is_refused_naming_what_there_is(name: str) -> None:
    with pytest.raises(UnknownEncoderError, match="of dlib-resnet there is dlib-resnet:fp32@onnx") as caught:
        load_encoder(name)
    assert str(EncoderSpec.parse(name)) in str(caught.value)


def test_the_fingerprint_changes_with_every_fact_that_shapes_a_template() -> None:
    model = find_model(DEFAULT_MODEL)
    variant = model.variants[0]
    other_weights = next(name for name in manifest() if name != variant.asset)
    fingerprints = [
        model.fingerprint(variant),
        model.fingerprint(replace(variant, precision="int8")),
        model.fingerprint(replace(variant, asset=other_weights)),
        replace(model, crop="another").fingerprint(variant),
        replace(model, crop_size=64).fingerprint(variant),
        replace(model, normalisation="none").fingerprint(variant),
        replace(model, dimension=64).fingerprint(variant),
    ]
    assert len(set(fingerprints)) == len(fingerprints)
    assert all(len(fingerprint) == 64 for fingerprint in fingerprints)


def test_the_fingerprint_does_not_change_with_what_does_not_shape_a_template() -> None:
    model = find_model(DEFAULT_MODEL)
    variant = model.variants[0]
    renamed = replace(model, description="another", threshold=0.5, source="elsewhere")
    assert renamed.fingerprint(Variant(variant.precision, "openvino", variant.asset)) == model.fingerprint(variant)
