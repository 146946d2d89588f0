"""Single templates are moved, taken out and put back; answers, indexes and files follow."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from facesearch import Gallery
from facesearch.errors import UnknownIdentityError, UnknownTemplateError, UsageError

from .doubles import store_templates, unit_vectors

NAMES = [f"person {n // 3}" for n in range(900)]
KINDS = ["flat", "sq8", "hnsw32", "tcq64"]


def made(folder: Path, kind: str) -> np.ndarray:
    """A gallery of 300 people with three templates each; returns the templates."""
    vectors = unit_vectors(len(NAMES))
    store_templates(folder, NAMES, vectors, kind=kind, codec="fp32" if kind in ("flat", "hnsw32") else "int8")
    with Gallery.open(folder) as gallery:
        gallery.build_index()
    return vectors


def first(gallery: Gallery, vector: np.ndarray) -> tuple[str, int]:
    ((candidate,),) = gallery.search(vector[None], 1)
    return candidate.identity, candidate.template_id


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_taken_out_is_in_no_answer_until_it_is_put_back(kind: str, tmp_path: Path) -> None:
    vectors = made(tmp_path, kind)
    with Gallery.open(tmp_path) as gallery, Gallery.open(tmp_path) as other:
        assert first(gallery, vectors[7]) == first(other, vectors[7]) == ("person 2", 8)
        (info,) = gallery.remove_templates([8])
        assert (info.id, info.identity, info.state) == (8, "person 2", "active")
        for each in (gallery, other):
            assert first(each, vectors[7])[1] != 8
            assert each.check() == []
        assert [(each.id, each.state) for each in gallery.templates("person 2")] == [
            (7, "active"),
            (9, "active"),
            (8, "set-aside"),
        ]
        assert gallery.counts().templates == len(NAMES) - 1
        assert other.restore_templates([8]) == {8: len(NAMES) + 1}
        for each in (gallery, other):
            assert first(each, vectors[7]) == ("person 2", len(NAMES) + 1)
            assert each.check() == []
    with Gallery.open(tmp_path) as gallery:
        assert first(gallery, vectors[7]) == ("person 2", len(NAMES) + 1)


@pytest.mark.parametrize("fused", [False, True])
def test_a_template_that_is_moved_answers_with_its_new_name(fused: bool, tmp_path: Path) -> None:
    vectors = made(tmp_path, "flat")
    with Gallery.open(tmp_path) as gallery, Gallery.open(tmp_path) as other:
        for each in (gallery, other):
            each.search(vectors[:1], 1, fused=fused)  # is open, and knows who was whose
        gallery.move_templates([1, 2, 3], "somebody new")
        gallery.move_templates([4], "person 0")
        for each in (gallery, other):
            assert each.search(vectors[:1], 1, fused=fused)[0][0].identity == "somebody new"
            assert each.search(vectors[3:4], 1, fused=fused)[0][0].identity == "person 0"
            assert each.check() == []
        assert [info.id for info in gallery.templates("person 0")] == [4]
        assert [info.id for info in gallery.templates("somebody new")] == [1, 2, 3]
        gallery.forget("somebody new")
        assert first(gallery, vectors[0])[0] != "somebody new"


def test_what_is_set_aside_follows_its_person_through_merging_forgetting_and_recoding(tmp_path: Path) -> None:
    vectors = made(tmp_path, "flat")
    with Gallery.open(tmp_path) as gallery:
        gallery.remove_templates([1, 4, 7])
        gallery.merge("person 0", into="person 9")
        gallery.forget("person 1")
        gallery.build_index("tcq64")  # the third way of storing, with a codebook
        gallery.build_index("sq8")
        aside = [(info.id, info.identity, info.codec) for info in gallery.templates() if info.state == "set-aside"]
        assert aside == [(1, "person 9", "int8"), (7, "person 2", "int8")]
        back = gallery.restore_templates([1, 7])
        assert first(gallery, vectors[0]) == ("person 9", back[1])
        assert first(gallery, vectors[6]) == ("person 2", back[7])
        assert gallery.check() == []
        with pytest.raises(UnknownTemplateError):
            gallery.restore_templates([4])


@pytest.mark.folder
def test_compacting_deletes_what_is_set_aside_for_good(tmp_path: Path) -> None:
    vectors = made(tmp_path, "flat")
    with Gallery.open(tmp_path) as gallery:
        gallery.remove_templates([8])
        done = gallery.compact()
        assert (done.discarded, done.wiped) == (1, True)
        with pytest.raises(UnknownTemplateError, match="no template 8"):
            gallery.restore_templates([8])
        assert gallery.check() == []
    content = b"".join(path.read_bytes() for path in tmp_path.iterdir() if path.is_file())
    assert vectors[6].tobytes() in content
    assert vectors[7].tobytes() not in content


def test_templates_are_named_by_number_or_by_photo(tmp_path: Path) -> None:
    made(tmp_path, "flat")
    with Gallery.open(tmp_path) as gallery:
        path = gallery.template_infos([5])[0].path
        assert [info.id for info in gallery.template_infos([path, 5, Path(path)])] == [5]
        for wrong in (0, 10_000, "no such photo.jpg"):
            with pytest.raises(UnknownTemplateError):
                gallery.remove_templates([5, wrong])
        for nonsense in (1.5, None, True, b"5"):
            with pytest.raises(UsageError, match="is named by its number or its photo's path"):
                gallery.remove_templates([nonsense])  # type: ignore[list-item]
        with pytest.raises(UnknownIdentityError):
            gallery.templates("nobody")
        with pytest.raises(UsageError):
            gallery.move_templates([5], " ")
        assert gallery.counts().templates == len(NAMES)


def test_putting_back_waits_where_the_photo_was_enrolled_again(people_photos: Path, tmp_path: Path) -> None:
    photo = next(people_photos.rglob("*.jpg"))
    with Gallery.open(tmp_path / "gallery") as gallery:
        gallery.enroll("Wrong", [photo])
        gallery.remove_templates([photo])
        assert gallery.enroll("Wrong", [photo]).skipped == 1  # a mistake is not made twice
        assert gallery.enroll("Right", [photo]).templates == 1
        assert gallery.identify(photo).candidates[0].identity == "Right"
        (aside,) = [info for info in gallery.templates() if info.state == "set-aside"]
        with pytest.raises(UsageError, match="the same photo is enrolled again, as template 2"):
            gallery.restore_templates([aside.id])
        gallery.forget("Wrong")
        assert gallery.identify(photo).candidates[0].identity == "Right"
        assert gallery.check() == []
