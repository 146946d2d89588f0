"""The pipeline as a value, and the stages that measure faces."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from facesearch import load_encoder
from facesearch.errors import UsageError
from facesearch.faces import STAGES, Face, find_stage
from facesearch.pipeline.pipeline import Pipeline
from facesearch.pipeline.pipeline_spec import USUAL, PipelineSpec

IMAGE = np.zeros((300, 400, 3), np.uint8)
SPECS = st.builds(
    PipelineSpec,
    detector=st.text(max_size=9),
    min_face=st.integers(12, 2000),
    stages=st.lists(st.text(max_size=9), max_size=3).map(tuple),
    crop=st.text(max_size=9),
    encoder=st.text(max_size=20),
    fingerprint=st.text(max_size=64),
)


def face(size: float, score: float) -> Face:
    return Face((10.0, 20.0, size, size), score, np.zeros((5, 2), np.float32))


@given(spec=SPECS)
def test_a_spec_travels_as_json_and_stays_what_it_is(spec: PipelineSpec) -> None:
    again = PipelineSpec.from_json(spec.to_json())
    assert again == spec
    assert hash(again) == hash(spec)
    assert again.digest == spec.digest


def test_whatever_decides_a_template_changes_the_digest() -> None:
    changes = {
        "detector": "other",
        "min_face": 41,
        "stages": ("quality", "liveness"),
        "quality": "off",
        "crop": "arcface",
        "encoder": "other:fp32@onnx",
        "fingerprint": "f" * 64,
    }
    assert changes.keys() == {field.name for field in dataclasses.fields(PipelineSpec)}
    digests = {dataclasses.replace(USUAL, **{name: value}).digest for name, value in changes.items()}  # type: ignore[arg-type]
    assert len(digests | {USUAL.digest}) == len(changes) + 1


def test_a_pipeline_knows_the_encoder_at_its_end() -> None:
    encoder = load_encoder(threads=1)
    spec = Pipeline(encoder, PipelineSpec(min_face=60), threads=1).spec
    assert (spec.min_face, spec.encoder) == (60, str(encoder.spec))
    assert (spec.crop, spec.fingerprint) == (encoder.crop, encoder.fingerprint)


def test_a_stage_that_there_is_not_is_refused_with_those_there_are() -> None:
    with pytest.raises(UsageError, match="no stage is named 'beauty'; there are: quality"):
        find_stage("beauty")


# what every stage has to do


@pytest.mark.parametrize("name", STAGES)
@pytest.mark.parametrize("count", [0, 1, 3])
def test_a_stage_only_adds_measures(name: str, count: int) -> None:
    faces = [face(40 + 30 * number, 0.99).measured(before=float(number)) for number in range(count)]
    stage = find_stage(name)
    found = stage(IMAGE, faces)
    assert len(found) == count
    for given_face, measured in zip(faces, found, strict=True):
        assert (measured.box, measured.score) == (given_face.box, given_face.score)
        assert measured.measures["before"] == given_face.measures["before"]
        assert np.isfinite(list(measured.measures.values())).all()
    assert [dict(each.measures) for each in stage(IMAGE, faces)] == [dict(each.measures) for each in found]
    assert all(dict(each.measures) == {"before": float(number)} for number, each in enumerate(faces))


def test_stages_run_in_the_order_of_the_spec(monkeypatch: pytest.MonkeyPatch) -> None:
    class Doubled:
        def __call__(self, image: npt.NDArray[np.uint8], faces: Sequence[Face]) -> list[Face]:
            return [each.measured(doubled=2 * each.measures["sharpness"] + 1) for each in faces]

    monkeypatch.setitem(STAGES, "doubled", Doubled)
    monkeypatch.setattr("facesearch.pipeline.pipeline.find_faces", lambda detector, image: [face(112, 0.5)])
    seen: list[Face] = []

    def chosen(faces: Sequence[Face], *_: int) -> Face:
        seen.extend(faces)
        return faces[0]

    monkeypatch.setattr("facesearch.pipeline.pipeline.clear_subject", chosen)
    pipeline = Pipeline(load_encoder(threads=1), PipelineSpec(stages=("quality", "doubled"), quality="off"), threads=1)
    pipeline.photo(IMAGE, b"")
    measures = dict(seen[0].measures)
    assert (measures["sharpness"], measures["doubled"]) == (0.0, 1.0)
