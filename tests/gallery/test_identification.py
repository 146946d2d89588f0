"""Enrol, identify and verify people with the embedded models."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from facesearch import Gallery
from facesearch.errors import NoFaceError, RejectedImageError, TinyFaceError, UnreadableImageError
from facesearch.photos.decoding import load_image
from facesearch.photos.photo import Photo
from facesearch.pipeline.pipeline import Stopwatch
from facesearch.workshop.sample_people import draw_people, group_photo, take_photo


@pytest.fixture(scope="module")
def strangers() -> list[np.ndarray]:
    return [take_photo(person, 0) for person in draw_people(60)[-6:]]


def test_everybody_is_found_first_on_another_photo(everybody: Gallery, probes: list[Photo]) -> None:
    for probe in probes:
        answer = everybody.identify(probe.path)
        assert answer.candidates[0].identity == probe.identity
        assert [candidate.rank for candidate in answer.candidates] == [1, 2, 3, 4, 5]
        similarities = [candidate.similarity for candidate in answer.candidates]
        assert similarities == sorted(similarities, reverse=True)
        assert all(-1 <= similarity <= 1 for similarity in similarities)
        assert answer.box is not None


def test_strangers_are_unknown_at_a_threshold_that_fits(
    everybody: Gallery,
    probes: list[Photo],
    strangers: list[np.ndarray],
) -> None:
    best_stranger = max(everybody.identify(photo).candidates[0].similarity for photo in strangers)
    everybody.set_threshold(np.nextafter(best_stranger, 1))
    assert not any(everybody.identify(photo).is_match for photo in strangers)
    matched = [everybody.identify(probe.path).is_match for probe in probes]
    assert sum(matched) >= len(probes) // 2
    assert everybody.identify(strangers[0], threshold=best_stranger - 0.5).is_match
    assert everybody.identify(strangers[0], threshold=-1).threshold == -1


def test_the_photo_that_was_enrolled_is_found_with_similarity_one(everybody: Gallery, known: list[Photo]) -> None:
    best = everybody.identify(known[0].path, k=1).candidates[0]
    assert best.identity == known[0].identity
    assert best.similarity == pytest.approx(1, abs=1e-4)


def test_the_same_question_gets_the_same_answer(everybody: Gallery, enrolled: Path, probes: list[Photo]) -> None:
    first = everybody.identify(probes[0].path, k=12)
    assert everybody.identify(probes[0].path, k=12) == first
    with Gallery.open(enrolled) as opened_again:
        assert opened_again.identify(str(probes[0].path), k=12) == first


def test_pixels_are_answered_as_their_file_is(everybody: Gallery, probes: list[Photo]) -> None:
    assert everybody.identify(load_image(probes[0].path)) == everybody.identify(probes[0].path)


def test_everybody_in_a_group_photo_is_answered_largest_face_first(everybody: Gallery) -> None:
    people = draw_people(2)
    answers = everybody.identify_faces(group_photo(people, dominant=1))
    assert len(answers) == 2
    areas = [answer.box[2] * answer.box[3] for answer in answers if answer.box]
    assert areas == sorted(areas, reverse=True)
    assert answers[0].candidates[0].identity == people[1].identity
    assert everybody.identify(group_photo(people, dominant=1)) == answers[0]


def test_the_time_of_every_stage_is_counted(everybody: Gallery, probes: list[Photo]) -> None:
    watch = Stopwatch()
    everybody.identify_faces(probes[0].path, watch=watch)
    assert set(watch.spent) == {"detect", "encode", "search"}
    assert all(spent > 0 for spent in watch.spent.values())


@pytest.mark.parametrize(
    ("pixels", "error", "reason"),
    [
        (np.full((200, 200, 3), 90, np.uint8), NoFaceError, "no face found"),
        (np.full((200, 200), 90, np.uint8), NoFaceError, "no face found"),
        (np.full((200, 200, 4), 90, np.uint8), NoFaceError, "no face found"),
        (np.zeros((200, 200, 2), np.uint8), UnreadableImageError, r"not \(200, 200, 2\) uint8"),
        (np.zeros((200, 200, 3), np.float32), UnreadableImageError, "float32"),
        (np.zeros((0, 200, 3), np.uint8), UnreadableImageError, "too small"),
        (np.zeros((5, 200, 3), np.uint8), UnreadableImageError, "too small"),
    ],
)
def test_pixels_that_cannot_be_used_are_rejected_with_the_reason(
    everybody: Gallery,
    pixels: np.ndarray,
    error: type[RejectedImageError],
    reason: str,
) -> None:
    with pytest.raises(error, match=reason):
        everybody.identify(pixels)
    with pytest.raises(error, match=reason):
        everybody.identify_faces(pixels)


def test_a_face_below_the_least_size_is_called_tiny_and_found_where_the_least_size_is_lowered(
    enrolled: Path, known: list[Photo]
) -> None:
    photo = Image.fromarray(load_image(known[0].path)).resize((72, 72))
    scene = Image.new("RGB", (320, 320), (120, 120, 120))
    scene.paste(photo, (100, 100))
    pixels = np.asarray(scene)
    with Gallery.open(enrolled) as gallery, pytest.raises(TinyFaceError, match=r"only \d\d pixels .* \(--min-face\)"):
        gallery.identify(pixels)
    with Gallery.open(enrolled, min_face=16) as gallery:
        assert gallery.identify(pixels).candidates


def test_two_photos_of_a_person_are_more_alike_than_photos_of_two(tmp_path: Path, people_photos: Path) -> None:
    first, second = (sorted(folder.iterdir()) for folder in sorted(people_photos.iterdir())[:2])
    with Gallery.open(tmp_path) as gallery:
        same, other = gallery.verify(first[0], first[1]), gallery.verify(first[0], second[0])
        assert same.similarity > other.similarity
        other_way = gallery.verify(first[1], first[0])
        assert (same.similarity, same.score) == pytest.approx((other_way.similarity, other_way.score))
        assert same.faces == other_way.faces[::-1]
        assert gallery.verify(first[0], first[0]).similarity == pytest.approx(1, abs=1e-6)
        between = (same.similarity + other.similarity) / 2
        assert gallery.verify(first[0], first[1], threshold=between).same
        assert not gallery.verify(first[0], second[0], threshold=between).same
        assert gallery.counts() == (0, 0, 0)


def test_verify_names_the_photo_that_cannot_be_used(tmp_path: Path, known: list[Photo]) -> None:
    (tmp_path / "broken.jpg").write_bytes(known[0].path.read_bytes()[:2000])
    with Gallery.open(tmp_path / "gallery") as gallery:
        with pytest.raises(UnreadableImageError, match=r"broken\.jpg: truncated image file"):
            gallery.verify(known[0].path, tmp_path / "broken.jpg")
        with pytest.raises(NoFaceError, match="the first photo: no face found"):
            gallery.verify(np.full((100, 100, 3), 90, np.uint8), known[0].path)


def test_an_identity_can_be_renamed_and_merged_and_answers_follow(everybody: Gallery, probes: list[Photo]) -> None:
    first, second = probes[0], probes[1]
    everybody.rename(first.identity, "Somebody Else")
    assert everybody.identify(first.path).candidates[0].identity == "Somebody Else"
    assert everybody.merge(second.identity, "Somebody Else") == 2
    assert everybody.identify(second.path).candidates[0].identity == "Somebody Else"
    summary, templates = everybody.identity("Somebody Else")
    assert summary.templates == len(templates) == 4
    assert everybody.counts().identities == len(probes) - 1
    assert everybody.check() == []
