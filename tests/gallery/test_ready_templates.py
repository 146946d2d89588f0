"""Enrolment of templates that exist already."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from facesearch import Gallery
from facesearch.errors import EncoderMismatchError, UnknownEncoderError, UsageError

from .doubles import DIMENSION, ProjectionEncoder, unit_vectors

NAMES = [f"person {row // 2}" for row in range(20)]


@pytest.fixture
def vectors() -> np.ndarray:
    return unit_vectors(len(NAMES))


@pytest.mark.parametrize("kind", ["flat", "sq8"])
def test_templates_are_found_as_whose_they_are_and_enrolled_once(
    kind: str, tmp_path: Path, vectors: np.ndarray
) -> None:
    told: list[tuple[int, int]] = []
    confirmed: list[int] = []
    with Gallery.open(tmp_path, encoder=ProjectionEncoder(), index=kind) as gallery:
        report = gallery.enroll_templates(
            NAMES, vectors, progress=lambda done, total: told.append((done, total)), committed=confirmed.append
        )
        assert (report.identities, report.templates, report.skipped, report.rejected) == (10, 20, 0, [])
        assert told == [(20, 20)]
        assert confirmed == list(range(20))
        assert [found[0].identity for found in gallery.search(vectors, 1)] == NAMES
        again = gallery.enroll_templates(NAMES, vectors)
        assert (again.identities, again.templates, again.skipped) == (0, 0, 20)
        assert gallery.check() == []
    with Gallery.open(tmp_path, encoder=ProjectionEncoder()) as gallery:
        assert [found[0].identity for found in gallery.search(vectors, 1)] == NAMES


def test_where_templates_come_from_is_noted(tmp_path: Path, vectors: np.ndarray) -> None:
    with Gallery.open(tmp_path, encoder=ProjectionEncoder()) as gallery:
        gallery.enroll_templates(["Ann"], vectors[:1], sources=["export.npy, row 7"])
        gallery.enroll_templates(["Bob"], vectors[1:2])
        assert gallery.identity("Ann")[1][0].path == "export.npy, row 7"
        assert gallery.identity("Bob")[1][0].path == "template 1"


def test_unusable_templates_and_names_are_rejected_and_the_others_enrolled(tmp_path: Path, vectors: np.ndarray) -> None:
    vectors[1] *= 1.5
    vectors[2, 3] = np.nan
    vectors[3] = 0
    vectors[4, 0] = np.inf
    names = [*NAMES[:5], "", "two\nlines", *NAMES[7:]]
    with Gallery.open(tmp_path, encoder=ProjectionEncoder()) as gallery:
        report = gallery.enroll_templates(names, vectors)
        assert [item.path for item in report.rejected] == [f"template {row}" for row in (2, 3, 4, 5, 6, 7)]
        assert report.rejected[0].reason == "its length is 1.5: templates have unit length"
        assert "cannot be empty" in report.rejected[4].reason
        assert report.templates == 14
        assert gallery.check() == []


@pytest.mark.parametrize(
    ("count", "array"),
    [
        (2, np.zeros((2, DIMENSION + 1), np.float32)),
        (2, np.zeros(DIMENSION, np.float32)),
        (2, np.zeros((2, DIMENSION), np.int64)),
        (2, np.full((2, DIMENSION), "x")),
        (3, np.zeros((2, DIMENSION), np.float32)),
    ],
)
def test_arrays_of_another_shape_or_type_are_refused(count: int, array: np.ndarray, tmp_path: Path) -> None:
    with (
        Gallery.open(tmp_path, encoder=ProjectionEncoder()) as gallery,
        pytest.raises(UsageError, match=r"templates are|identities: one is needed"),
    ):
        gallery.enroll_templates(["Ann"] * count, array)


def test_half_precision_is_taken_and_nothing_is_a_valid_number(tmp_path: Path, vectors: np.ndarray) -> None:
    with Gallery.open(tmp_path, encoder=ProjectionEncoder()) as gallery:
        assert gallery.enroll_templates(NAMES, vectors.astype(np.float16)).templates == 20
        assert gallery.enroll_templates([], np.zeros((0, DIMENSION), np.float32)).templates == 0


def test_templates_of_another_model_are_refused(tmp_path: Path, vectors: np.ndarray) -> None:
    with Gallery.open(tmp_path, encoder=ProjectionEncoder()) as gallery:
        gallery.enroll_templates(NAMES, vectors)
    with pytest.raises(EncoderMismatchError, match="cannot be compared"):
        Gallery.open(tmp_path, encoder=ProjectionEncoder("another"))


def test_the_encoder_has_to_be_known_and_its_weights_are_not_loaded(tmp_path: Path, vectors: np.ndarray) -> None:
    with Gallery.open(tmp_path / "known", encoder="dlib-resnet") as gallery:
        assert gallery.enroll_templates(NAMES, vectors).templates == 20
        assert gallery.info().encoder == "dlib-resnet:fp32@onnx"
    with pytest.raises(UnknownEncoderError, match="facesearch encoders pull"):
        Gallery.open(tmp_path / "unknown", encoder="edgeface-xs")


def test_names_and_places_of_numpy_are_stored_as_any_others(tmp_path: Path) -> None:
    names = np.array(["Ada", "Bea", "Ada"], dtype=object)
    names[:] = [np.str_(name) for name in names]
    with Gallery.open(tmp_path / "g", encoder=ProjectionEncoder()) as gallery:
        vectors = unit_vectors(3)
        places = [np.str_(f"place {row}") for row in range(3)]
        assert gallery.enroll_templates(names.tolist(), vectors, sources=places).templates == 3
        assert gallery.check() == []
        gallery.rename(np.str_("Ada"), np.str_("Eve"))
        gallery.set_attributes(np.str_("Eve"), tags=[np.str_("staff")], note=np.str_("x"))
        assert gallery.check() == []
        assert {info.identity for info in gallery.templates()} == {"Eve", "Bea"}


def test_templates_of_another_length_start_no_gallery(tmp_path: Path) -> None:
    with Gallery.open(tmp_path / "g", encoder=ProjectionEncoder()) as gallery:
        with pytest.raises(UsageError, match=f"templates are \\(n, {DIMENSION}\\) floats"):
            gallery.enroll_templates(["Ann"], np.ones((1, 3), np.float32))
        with pytest.raises(UsageError, match="one is needed for each"):
            gallery.enroll_templates(["Ann", "Bob"], unit_vectors(1))
        assert gallery.parts.store.settings.read() is None
