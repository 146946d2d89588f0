"""Tags, notes, searches among some people, and people who are never to be named."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

import numpy as np
import pytest

from facesearch import Gallery, Tagged, UsageError
from facesearch.errors import UnknownIdentityError, UnknownTagError
from facesearch.gallery.answers import Candidate
from facesearch.gallery.groups import Among

from .doubles import add_templates, store_templates, unit_vectors

PEOPLE = [f"person {number}" for number in range(60)]
STAFF = PEOPLE[3::7]
SECRET = "Quizzical-Xylophone-Tag"


def _like(vectors: np.ndarray, seed: int) -> np.ndarray:
    near = vectors + 0.8 * unit_vectors(len(vectors), seed)
    return np.asarray(near / np.linalg.norm(near, axis=1, keepdims=True), np.float32)


@pytest.fixture(params=["flat", "sq8"])
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A gallery of 60 people with two templates each; every seventh is of the staff."""
    codec = "fp32" if request.param == "flat" else "int8"
    store_templates(tmp_path / "gallery", PEOPLE * 2, VECTORS, kind=request.param, codec=codec)
    with Gallery.open(tmp_path / "gallery") as gallery:
        for name in STAFF:
            gallery.set_attributes(name, tags=["staff"])
    return tmp_path / "gallery"


VECTORS = np.concatenate([_like(unit_vectors(len(PEOPLE)), seed) for seed in (1, 2)])
PROBES = _like(unit_vectors(len(PEOPLE)), 3)


def _told(answers: list[list[Candidate]]) -> list[list[tuple[str, float, float]]]:
    return [[(each.identity, each.similarity, each.score) for each in found] for found in answers]


def _of_them_alone(
    folder: Path, names: Collection[str], k: int, *, score: str | None = None, fused: bool = False
) -> list[list[Candidate]]:
    """What a gallery of the same kind answers that holds these people alone."""
    rows = [row for row, name in enumerate(PEOPLE * 2) if name in names]
    with Gallery.open(folder) as gallery:
        kind, codec = gallery.info().index, gallery.info().codec
    alone = folder.with_name(f"alone {len(list(folder.parent.iterdir()))}")
    store_templates(alone, [(PEOPLE * 2)[row] for row in rows], VECTORS[rows], kind=kind, codec=codec)
    with Gallery.open(alone) as gallery:
        return gallery.search(PROBES, k, score=score, fused=fused)


@pytest.mark.parametrize("score", ["cosine", "normalised"])
@pytest.mark.parametrize("among", [Tagged("staff"), STAFF, (STAFF[0],), STAFF[1]])
def test_a_search_among_some_answers_as_a_gallery_of_them_alone(folder: Path, among: Among, score: str) -> None:
    names = set(STAFF) if isinstance(among, Tagged) else {among} if isinstance(among, str) else set(among)
    expected = _of_them_alone(folder, names, 3, score=score)
    with Gallery.open(folder) as gallery:
        found = gallery.search(PROBES, 3, score=score, among=among)
        whole = gallery.search(PROBES, len(PEOPLE), score="cosine")
    assert _told(found) == _told(expected)
    of_all = [[each.identity for each in row if each.identity in names][:3] for row in whole]
    assert [[each.identity for each in row] for row in found] == of_all
    assert [[each.rank for each in row] for row in found] == [list(range(1, len(row) + 1)) for row in expected]


def test_fused_templates_are_searched_among_some_too(folder: Path) -> None:
    with Gallery.open(folder) as gallery:
        found = gallery.search(PROBES, 3, fused=True, among=Tagged("staff"))
    assert _told(found) == _told(_of_them_alone(folder, STAFF, 3, fused=True))


def test_a_group_follows_every_change_at_once(folder: Path) -> None:
    with Gallery.open(folder) as gallery, Gallery.open(folder) as other:

        def named() -> set[str]:
            return {each.identity for each in gallery.search(PROBES[:1], 100, among=Tagged("staff"))[0]}

        assert named() == set(STAFF)
        other.set_attributes(PEOPLE[0], tags=["staff"])
        other.set_attributes(STAFF[0], untag=["staff"])
        assert named() == {PEOPLE[0], *STAFF[1:]}
        other.rename(PEOPLE[0], "Ada")
        other.forget(STAFF[1])
        other.merge(STAFF[2], into=PEOPLE[1])
        assert named() == {"Ada", PEOPLE[1], *STAFF[3:]}
        template = unit_vectors(1, seed=9)
        add_templates(other.parts.store, ["Ada"], template, other.parts.settings().codec)
        assert gallery.search(template, 1, among=Tagged("staff"))[0][0].similarity > 0.99
        assert gallery.check() == []


def test_several_tags_are_united_and_a_name_may_be_a_tag_of_another(folder: Path) -> None:
    with Gallery.open(folder) as gallery:
        gallery.set_attributes(PEOPLE[0], tags=["crew", "crew", STAFF[0]])
        found = gallery.search(PROBES[:1], 100, among=Tagged("staff", "crew"))[0]
        assert {each.identity for each in found} == {PEOPLE[0], *STAFF}
        found = gallery.search(PROBES[:1], 100, among=Tagged(STAFF[0]))[0]
        assert [each.identity for each in found] == [PEOPLE[0]]


@pytest.mark.parametrize(
    ("among", "error", "said"),
    [
        (Tagged("stuff"), UnknownTagError, "nobody in the gallery has the tag 'stuff'; did you mean 'staff'"),
        (["person 1", "persn 2"], UnknownIdentityError, "no identity 'persn 2'"),
        ([], UsageError, "names nobody"),
        (Tagged(), UsageError, "names nobody"),
        (7, UsageError, "among is a name"),
        ([b"person 1"], UsageError, "among is a name"),
    ],
)
def test_a_group_that_is_none_is_said_in_one_line(
    folder: Path, among: Among, error: type[Exception], said: str
) -> None:
    with Gallery.open(folder) as gallery, pytest.raises(error, match=said):
        gallery.search(PROBES[:1], 1, among=among)


def test_a_group_of_people_without_photos_says_so(folder: Path) -> None:
    with Gallery.open(folder) as gallery:
        gallery.set_attributes(PEOPLE[0], tags=["gone"])
        gallery.remove_templates([each.id for each in gallery.templates(PEOPLE[0])])
        with pytest.raises(UsageError, match="has a photo in use"):
            gallery.search(PROBES[:1], 1, among=Tagged("gone"))


@pytest.mark.parametrize("tag", ["", "  ", "a\nb", "a\x1b[0m", " staff", "st\u200baff"])
def test_a_tag_that_cannot_be_seen_is_refused(folder: Path, tag: str) -> None:
    with Gallery.open(folder) as gallery:
        with pytest.raises(UsageError):
            gallery.set_attributes(PEOPLE[0], tags=["good", tag])
        assert gallery.identity(PEOPLE[0])[0].attributes.tags == ()


def test_a_tag_that_somebody_does_not_have_cannot_be_taken_away(folder: Path) -> None:
    with Gallery.open(folder) as gallery, pytest.raises(UnknownTagError, match="'person 0' does not have the tag"):
        gallery.set_attributes(PEOPLE[0], tags=["new"], untag=["staff"])


@pytest.mark.folder
def test_tags_and_notes_outlive_renaming_merging_backup_and_restoring(folder: Path, tmp_path: Path) -> None:
    with Gallery.open(folder) as gallery:
        gallery.set_attributes(STAFF[0], tags=["a"], note="until June")
        gallery.set_attributes(STAFF[1], tags=["b"], note="on call")
        gallery.rename(STAFF[0], "Ada")
        gallery.merge(STAFF[1], into="Ada")
        known = gallery.identity("Ada")[0].attributes
        assert (known.tags, known.note) == (("a", "b", "staff"), "until June; on call")
        gallery.backup(tmp_path / "backup")
    from facesearch.gallery.backup import restore

    restore(tmp_path / "backup", tmp_path / "restored")
    with Gallery.open(tmp_path / "restored") as gallery:
        assert gallery.identity("Ada")[0].attributes == known
        assert [person.attributes for person in gallery.identities() if person.name == "Ada"] == [known]
        assert gallery.check() == []


def test_what_was_noted_of_forgotten_people_is_in_no_file(folder: Path) -> None:
    with Gallery.open(folder) as gallery:
        for number, name in enumerate(PEOPLE):
            gallery.set_attributes(name, tags=[f"{SECRET} {number:02}"], note=f"Unmistakable {number:02}")
        for name in np.random.default_rng(3).permutation(PEOPLE)[:40].tolist():
            assert gallery.forget(name).wiped
        gone = [n for n, name in enumerate(PEOPLE) if name not in {each.name for each in gallery.identities()}]
        content = b"".join(path.read_bytes() for path in folder.iterdir())
        for number in gone:
            assert f"Unmistakable {number:02}".encode() not in content
            assert f"{SECRET} {number:02}".encode() not in content
        assert gallery.check() == []


def test_changes_are_in_the_audit_log_without_names_and_tags(folder: Path) -> None:
    with Gallery.open(folder) as gallery:
        gallery.set_attributes(PEOPLE[0], tags=["x1", "x2"], note="n")
        gallery.ignore(PEOPLE[0])
        gallery.ignore(PEOPLE[0])  # changes nothing
        events = gallery.parts.store.audit.events()[-2:]
    assert [(event.action, event.detail) for event in events] == [
        ("set", '{"note":1,"tags":2,"untagged":0}'),
        ("ignore", "{}"),
    ]


@pytest.mark.parametrize("fused", [False, True])
@pytest.mark.parametrize("score", ["cosine", "normalised"])
def test_who_is_ignored_is_no_candidate_and_changes_no_score_of_others(folder: Path, score: str, fused: bool) -> None:
    hidden = PEOPLE[3:40:5]
    with Gallery.open(folder) as gallery:
        before = gallery.search(PROBES, len(PEOPLE), score=score, fused=fused)
        for name in hidden:
            gallery.ignore(name)
        after = gallery.search(PROBES, 4, score=score, fused=fused)
        assert _told(after) == _told([[each for each in row if each.identity not in hidden][:4] for row in before])
        among = gallery.search(PROBES, 2, score=score, fused=fused, among=Tagged("staff"))
        alone = _of_them_alone(folder, {*STAFF, *hidden}, len(PEOPLE), score=score, fused=fused)
        assert _told(among) == _told([[each for each in row if each.identity not in hidden][:2] for row in alone])
        for name in hidden:
            gallery.ignore(name, False)
        assert _told(gallery.search(PROBES, 4, score=score, fused=fused)) == _told([row[:4] for row in before])


def test_who_has_no_template_in_use_counts_among_nobody(folder: Path) -> None:
    with Gallery.open(folder) as gallery:
        gallery.remove_templates([info.id for info in gallery.templates(STAFF[0])])
        left = set(STAFF) - {STAFF[0]}
        for fused in (False, True):
            found = gallery.search(PROBES, 3, fused=fused, among=Tagged("staff"))
            assert _told(found) == _told(_of_them_alone(folder, left, 3, fused=fused))
