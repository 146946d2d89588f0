"""How likely a face is to be recognised, and what makes it hard."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from needed import needed
from PIL import Image, ImageFilter

from facesearch import PipelineSpec, load_encoder
from facesearch.encoders import Encoder
from facesearch.errors import PoorFaceError
from facesearch.faces import Face
from facesearch.pipeline.fit_to_enrol import doubt, too_poor
from facesearch.pipeline.pipeline import FaceTemplate, Pipeline
from facesearch.pipeline.quality import FAIR, POOR, Judged, QualityModel, observed

Pixels = npt.NDArray[np.uint8]

GOOD = {
    "sharpness": 1.0,
    "brightness": 0.5,
    "contrast": 0.2,
    "unevenness": 0.05,
    "eyes": 60.0,
    "roll": 2.0,
    "yaw": 0.05,
    "pitch": 0.6,
}


def face(score: float = 0.9999, **measures: float) -> Face:
    return Face((0, 0, 100, 100), score, np.zeros((5, 2), np.float32)).measured(**(GOOD | measures))


@pytest.fixture(scope="module")
def encoder() -> Encoder:
    return load_encoder(threads=1)


@pytest.fixture(scope="module")
def model(encoder: Encoder) -> QualityModel:
    return QualityModel.of(encoder)


@pytest.fixture(scope="module")
def photo(people_photos: Path) -> Image.Image:
    return Image.open(min(people_photos.glob("*/*.jpg"))).convert("RGB")


@pytest.fixture(scope="module")
def pipeline(encoder: Encoder) -> Pipeline:
    return Pipeline(encoder, PipelineSpec(), threads=1)


def found(pipeline: Pipeline, photo: Image.Image) -> FaceTemplate:
    return pipeline.prominent(np.asarray(photo))


def blurred(photo: Image.Image, radius: float) -> Image.Image:
    return photo.filter(ImageFilter.GaussianBlur(radius))


def test_a_good_photo_is_of_high_quality_without_reasons(pipeline: Pipeline, photo: Image.Image) -> None:
    sharp = found(pipeline, photo)
    assert sharp.quality > 0.7
    assert (sharp.reasons, sharp.poor) == ((), False)


def test_the_more_blurred_the_lower_the_quality(pipeline: Pipeline, photo: Image.Image) -> None:
    faces = [found(pipeline, blurred(photo, radius)) for radius in (0, 5, 6, 8)]
    assert all(more.quality > less.quality for more, less in pairwise(faces))
    assert faces[-1].poor
    assert "LOW_SHARPNESS" in faces[-1].reasons


@pytest.mark.parametrize(
    ("measures", "reason"),
    [
        ({"yaw": 0.7}, "EXTREME_POSE"),
        ({"roll": 80.0}, "EXTREME_POSE"),
        ({"pitch": 0.1}, "EXTREME_POSE"),
        ({"pitch": 1.4}, "EXTREME_POSE"),
        ({"sharpness": 0.3}, "LOW_SHARPNESS"),
        ({"brightness": 0.05}, "LOW_BRIGHTNESS"),
        ({"contrast": 0.02}, "LOW_CONTRAST"),
        ({"score": 0.7}, "LOW_CONFIDENCE"),
        ({"eyes": 8.0}, "SMALL_BOUNDING_BOX"),
    ],
)
def test_each_reason(measures: dict[str, float], reason: str, model: QualityModel) -> None:
    template = np.zeros(192, np.float32)
    judged = model.judge(face(**measures), template)
    assert judged.reasons == (reason,)


def test_a_template_that_says_it_is_of_nobody_is_enough(model: QualityModel) -> None:
    unrecognisable = -model.template[:-1] / np.linalg.norm(model.template[:-1])
    judged = model.judge(face(), unrecognisable.astype(np.float32))
    assert judged.quality < POOR
    assert judged.reasons == ("LOW_FACE_QUALITY",)


def test_each_encoder_has_a_model_of_its_own(encoder: Encoder) -> None:
    other = load_encoder("dlib-resnet", threads=1)
    one, two = QualityModel.of(encoder), QualityModel.of(other)
    assert (len(one.template) - 1, len(two.template) - 1) == (encoder.dimension, other.dimension)


def test_an_encoder_without_one_is_judged_by_measures_alone(encoder: Encoder) -> None:
    class Other:
        spec = encoder.spec.__class__("nobodys", "fp32", "onnx")

    model = QualityModel.of(Other())  # type: ignore[arg-type]
    one, two = np.eye(2, 512, dtype=np.float32)
    assert model.judge(face(), one) == model.judge(face(), two)
    assert model.judge(face(), one).quality > FAIR > model.judge(face(sharpness=0.1, score=0.6), one).quality


def test_a_face_that_was_not_measured_is_not_judged(encoder: Encoder, photo: Image.Image) -> None:
    pipeline = Pipeline(encoder, PipelineSpec(stages=()), threads=1)
    assert found(pipeline, blurred(photo, 8)).quality == 1.0


@pytest.mark.parametrize("value", [0.0, -1.0, 1e9, 1e-12])
@pytest.mark.parametrize("name", GOOD)
def test_no_measure_breaks_it(name: str, value: float, model: QualityModel) -> None:
    odd = face(**{name: value})
    assert np.isfinite(observed(odd)).all()
    assert 0 <= model.judge(odd, np.zeros(192, np.float32)).quality <= 1


@pytest.mark.parametrize("score", [0.0, 1.0])
def test_a_detector_that_is_certain(score: float, model: QualityModel) -> None:
    assert 0 <= model.judge(face(score=score), np.zeros(192, np.float32)).quality <= 1


def test_profiles_let_in_what_they_say() -> None:
    good, fair, poor = (
        Judged(0.95),
        Judged(0.55, ("LOW_FACE_QUALITY",)),
        Judged(0.4, ("LOW_CONFIDENCE",)),
    )
    assert [doubt(face(), good, profile) for profile in ("off", "standard", "strict")] == [None, None, None]
    assert doubt(face(), fair, "off") is None
    assert doubt(face(), fair, "standard") is None
    with pytest.raises(PoorFaceError, match=r"at least 0\.70 is needed .*: quality 0\.55 \(LOW_FACE_QUALITY\)$"):
        doubt(face(), fair, "strict")
    with pytest.raises(PoorFaceError, match=r"at least 0\.50 is needed .*: quality 0\.40 \(LOW_CONFIDENCE\)$"):
        doubt(face(), poor, "standard")
    assert doubt(face(), poor, "off") is None


def test_a_somewhat_blurred_face_is_doubtful_or_refused() -> None:
    soft = Judged(0.9, ("LOW_SHARPNESS",))
    assert str(doubt(face(sharpness=0.7), soft, "standard")).startswith(
        "somewhat blurred: sharpness 0.70, quality 0.90"
    )
    with pytest.raises(PoorFaceError, match="--quality standard enrols it"):
        doubt(face(sharpness=0.7), soft, "strict")


def test_only_poor_probes_are_not_named() -> None:
    assert too_poor(Judged(POOR - 0.01), "standard")
    assert too_poor(Judged(POOR - 0.01), "strict")
    assert not too_poor(Judged(POOR - 0.01), "off")
    assert not too_poor(Judged(POOR), "standard")


def test_children_and_adults_alike_are_good_enough(pipeline: Pipeline) -> None:
    """Quality was learnt on adults; the photos of no age may be refused more often."""
    folder = needed("utkface/unlabelled")
    refused = []
    for ages in (range(1, 5), range(5, 15), range(20, 40), range(60, 100)):
        photos = [path for age in ages for path in sorted(folder.glob(f"{age}_*.jpg"))[:6]][:40]
        faces = [pipeline.everyone(np.asarray(Image.open(path).convert("RGB")))[0] for path in photos]
        refused.append(sum(each.poor for each in faces))
    assert max(refused) <= 1
