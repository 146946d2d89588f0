"""A gallery is pinned to one model: what it refuses and what may meet in it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from facesearch import Gallery
from facesearch.errors import EncoderMismatchError, GalleryNotFoundError, UnknownEncoderError, UsageError
from facesearch.photos.photo import Photo

from .doubles import ProjectionEncoder, as_encoder


def _is_one_line(error: pytest.ExceptionInfo[Exception]) -> bool:
    return bool(str(error.value)) and "\n" not in str(error.value)


@pytest.fixture
def of_projections(tmp_path: Path, known: list[Photo]) -> Path:
    folder = tmp_path / "projections"
    with Gallery.open(folder, encoder=as_encoder(ProjectionEncoder())) as gallery:
        assert gallery.enroll_photos(known[:6]).templates == 6
    return folder


def test_a_gallery_refuses_the_templates_of_another_model(of_projections: Path) -> None:
    with pytest.raises(EncoderMismatchError, match="holds templates of projection; those of other") as refused:
        Gallery.open(of_projections, encoder=ProjectionEncoder("other"))
    assert _is_one_line(refused)
    with pytest.raises(EncoderMismatchError):
        Gallery.open(of_projections, encoder="dlib-resnet")


def test_another_precision_of_the_same_model_may_ask_and_enrol(of_projections: Path, known: list[Photo]) -> None:
    phone = ProjectionEncoder(precision="int8")
    with Gallery.open(of_projections, encoder=phone) as gallery:
        answer = gallery.identify(known[0].path)
        assert answer.candidates[0].identity == known[0].identity
        assert 0.99 < answer.candidates[0].similarity <= 1
        gallery.enroll_photos(known[6:8])
        _, infos = gallery.identity(known[6].identity)
        assert {info.precision for info in infos} == {"int8"}
        assert gallery.info().encoder == "projection:fp32@memory"
    assert phone.encoded == 3


def test_the_threshold_is_that_of_the_encoder_given_until_the_gallery_has_its_own(of_projections: Path) -> None:
    with Gallery.open(of_projections, encoder=ProjectionEncoder()) as gallery:
        assert gallery.threshold == 0.9
        gallery.set_threshold(0.75)
    with Gallery.open(of_projections, encoder=ProjectionEncoder()) as gallery:
        assert gallery.threshold == 0.75
        gallery.set_threshold(None)
        assert gallery.threshold == 0.9


def test_names_can_be_seen_and_forgotten_without_the_encoder(of_projections: Path, known: list[Photo]) -> None:
    with Gallery.open(of_projections) as gallery:
        assert len(gallery.identities()) == 3
        assert gallery.forget(known[0].identity).templates == 2
        with pytest.raises(UnknownEncoderError, match="no model named 'projection'"):
            gallery.identify(known[0].path)


def test_pixels_and_files_of_crops_are_taken_aligned_where_the_crop_is_the_encoders(tmp_path: Path) -> None:
    crop = np.random.default_rng(0).integers(0, 255, (150, 150, 3), np.uint8)
    Image.fromarray(crop).save(tmp_path / "crop.png")
    with Gallery.open(tmp_path / "gallery", encoder=ProjectionEncoder()) as gallery:
        report = gallery.enroll_photos([Photo("Ann", tmp_path / "crop.png")], aligned="dlib-chip")
        assert report.templates == 1
        (answer,) = gallery.identify_faces(crop, aligned="dlib-chip")
        assert answer.box is None
        assert answer.candidates[0].similarity == pytest.approx(1, abs=1e-5)
        larger = np.asarray(Image.fromarray(crop).resize((300, 300)))
        assert gallery.identify_faces(larger, aligned="dlib-chip")[0].candidates[0].similarity > 0.99


def test_a_crop_of_another_family_is_refused_before_the_gallery_is_fixed(tmp_path: Path, known: list[Photo]) -> None:
    with Gallery.open(tmp_path / "gallery", encoder=ProjectionEncoder()) as gallery:
        with pytest.raises(EncoderMismatchError, match="takes dlib-chip crops, not arcface") as refused:
            gallery.enroll_photos(known[:2], aligned="arcface")
        assert _is_one_line(refused)
        with pytest.raises(UsageError, match="no kind of crop is named 'nose'; there are: arcface"):
            gallery.enroll_photos(known[:2], aligned="nose")
    with Gallery.open(tmp_path / "gallery", encoder=ProjectionEncoder("other")) as gallery:
        assert gallery.enroll_photos(known[:2]).templates == 2


def test_of_aligned_crops_one_that_is_not_square_is_rejected_and_the_others_are_enrolled(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 255, (150, 170, 3), np.uint8)
    Image.fromarray(noise).save(tmp_path / "wide.png")
    Image.fromarray(noise[:, :150]).save(tmp_path / "square.png")
    photos = [Photo("Ann", tmp_path / "wide.png"), Photo("Ann", tmp_path / "square.png")]
    with Gallery.open(tmp_path / "gallery", encoder=ProjectionEncoder()) as gallery:
        report = gallery.enroll_photos(photos, aligned="dlib-chip")
    assert report.templates == 1
    assert [item.reason for item in report.rejected] == ["an aligned crop is square, this image is 170×150"]


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ({"encoder": "no-such-model"}, "no model named 'no-such-model'"),
        ({"encoder": "dlib-resnet:w1a1"}, "no encoder dlib-resnet:w1a1@onnx; of dlib-resnet there is"),
        ({"encoder": "dlib resnet"}, "is not an encoder name"),
        ({"index": "kd-tree"}, "unknown index kind 'kd-tree'"),
        ({"index": "pq7"}, "pq7 does not fit dimension 192"),
    ],
)
def test_a_wrong_request_creates_nothing(options: dict[str, str], complaint: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=complaint) as refused:
        Gallery.open(tmp_path / "gallery", encoder=options.get("encoder"), index=options.get("index"))
    assert _is_one_line(refused)
    assert not (tmp_path / "gallery").exists()


def test_enrolling_no_photos_leaves_the_choice_of_encoder_and_index_open(tmp_path: Path, known: list[Photo]) -> None:
    with Gallery.open(tmp_path) as gallery:
        assert gallery.enroll("Ann", []).templates == 0
        with pytest.raises(GalleryNotFoundError, match="is empty: enrol somebody first"):
            gallery.identify(known[0].path)
    with Gallery.open(tmp_path, encoder=ProjectionEncoder(), index="sq8") as gallery:
        gallery.enroll_photos(known[:1])
        assert gallery.info().index == "sq8"


def test_a_gallery_that_is_not_there_is_not_created_where_that_was_not_asked_for(tmp_path: Path) -> None:
    with pytest.raises(GalleryNotFoundError, match="start one with facesearch enroll"):
        Gallery.open(tmp_path / "gallery", create=False)
    assert not (tmp_path / "gallery").exists()


def test_another_kind_of_index_is_refused_with_the_command_that_switches(enrolled: Path) -> None:
    with pytest.raises(UsageError, match="has index flat; to change it: facesearch index build --kind sq8"):
        Gallery.open(enrolled, index="sq8")
    with Gallery.open(enrolled, index="flat", encoder="mobilefacenet:fp32") as gallery:
        assert gallery.info().index == "flat"


def test_a_gallery_started_by_another_process_with_another_model_meanwhile_is_not_mixed(
    tmp_path: Path, known: list[Photo]
) -> None:
    with (
        Gallery.open(tmp_path, encoder=ProjectionEncoder("slow")) as slow,
        Gallery.open(tmp_path, encoder=ProjectionEncoder("quick")) as quick,
    ):
        quick.enroll_photos(known[:1])
        with pytest.raises(EncoderMismatchError, match="holds templates of quick, not of slow"):
            slow.enroll_photos(known[1:2])
        assert quick.counts().templates == 1


def test_what_runs_an_encoder_elsewhere_than_on_the_cpu_is_said(
    tmp_path: Path, probes: list[Photo], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    encoder = ProjectionEncoder("dlib-resnet")
    encoder.device = "cuda"
    monkeypatch.setattr("facesearch.pipeline.sessions.load_encoder", lambda *_, **__: encoder)
    with caplog.at_level("INFO", "facesearch"), Gallery.open(tmp_path, device="cuda") as gallery:
        gallery.template(probes[0].path)
    assert "runs on cuda" in caplog.text


def test_a_gallery_of_the_other_included_encoder_keeps_it(tmp_path: Path, known: list[Photo]) -> None:
    with Gallery.open(tmp_path, encoder="dlib-resnet") as gallery:
        gallery.enroll_photos(known[:2])
    with Gallery.open(tmp_path) as gallery:
        assert gallery.info().encoder == "dlib-resnet:fp32@onnx"
        assert gallery.threshold == pytest.approx(0.937)
        assert gallery.identify(known[0].path).candidates[0].identity == known[0].identity
        assert gallery.enroll_photos(known[2:3]).templates == 1
