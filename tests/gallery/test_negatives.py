"""Faces that are not a person's, so that they are not given the name again."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Literal

import numpy as np
import pytest
from altering import alter

from facesearch import Gallery, UsageError
from facesearch.errors import StoreError, UnknownIdentityError
from facesearch.gallery.answers import Candidate
from facesearch.gallery.codec_in_use import CodecInUse
from facesearch.store import NewTemplate

from .doubles import KEY, add_templates, store_templates, unit_vectors

PEOPLE = [f"person {number}" for number in range(30)]
ADA, BEA = PEOPLE[0], PEOPLE[1]


def _near(vectors: np.ndarray, seed: int, noise: float = 0.6) -> np.ndarray:
    near = vectors + noise * unit_vectors(len(vectors), seed)
    return np.asarray(near / np.linalg.norm(near, axis=1, keepdims=True), np.float32)


CENTRES = unit_vectors(len(PEOPLE))
LOOKALIKE = _near(CENTRES[:1], 21, 0.9)  # not Ada, but as others than she see it
PROBES = np.concatenate([_near(LOOKALIKE, 22, 0.3), _near(CENTRES[:1], 23, 0.3), CENTRES[1:2]])  # she, Ada, Bea


@pytest.fixture(params=["flat", "sq8"])
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A gallery of 30 people with two templates each."""
    vectors = np.concatenate([_near(CENTRES, 1), _near(CENTRES, 2)])
    store_templates(tmp_path / "gallery", PEOPLE * 2, vectors)
    with Gallery.open(tmp_path / "gallery") as gallery:
        if request.param != "flat":
            gallery.build_index("sq8")
    return tmp_path / "gallery"


def _add(
    gallery: Gallery, name: str, vectors: np.ndarray, *, path: str = "strangers/{}.jpg", sha: str = "n"
) -> list[int | Literal["known", "own"]]:
    parts = gallery.parts

    def keep(codes: list[bytes], codec: str) -> list[int | Literal["known", "own"]]:
        rows = [
            NewTemplate(
                name, hashlib.sha256(f"{sha} {row}".encode()).digest(), path.format(row), 10, 10, code, 1.0, None
            )
            for row, code in enumerate(codes)
        ]
        return parts.store.negatives.add(name, rows, KEY, codec)

    return CodecInUse(parts.store, parts.codecs, parts.settings().codec).coded(vectors, keep)


def _told(answers: list[list[Candidate]]) -> list[list[tuple[str, float, float]]]:
    return [[(each.identity, each.similarity, each.score) for each in found] for found in answers]


@pytest.mark.parametrize("fused", [False, True])
@pytest.mark.parametrize("score", ["cosine", "normalised"])
def test_a_face_like_a_negative_is_not_given_the_name_and_no_other_answer_changes(
    folder: Path, score: str, fused: bool
) -> None:
    with Gallery.open(folder) as gallery:
        before = gallery.search(PROBES, len(PEOPLE), score=score, fused=fused)
        assert before[0][0].identity == ADA
        _add(gallery, ADA, LOOKALIKE)
        after = gallery.search(PROBES, 4, score=score, fused=fused)
        assert _told(after)[0] == _told([[each for each in before[0] if each.identity != ADA][:4]])[0]
        assert [each.rank for each in after[0]] == [1, 2, 3, 4]
        assert _told(after)[1:] == _told([row[:4] for row in before[1:]])
        assert after[1][0].identity == ADA
        among = gallery.search(PROBES[:1], 3, score=score, fused=fused, among=[ADA, BEA, PEOPLE[2]])[0]
        assert {each.identity for each in among} == {BEA, PEOPLE[2]}
        assert gallery.search(PROBES[:1], 3, score=score, fused=fused, among=[ADA])[0] == []
        gallery.remove_negatives(ADA, [1])
        assert _told(gallery.search(PROBES, 4, score=score, fused=fused)) == _told([row[:4] for row in before])


def test_several_people_may_have_negatives_that_fit_one_face(folder: Path) -> None:
    with Gallery.open(folder) as gallery:
        order = [each.identity for each in gallery.search(PROBES[:1], len(PEOPLE))[0]]
        for number, name in enumerate(order[:-1]):
            _add(gallery, name, LOOKALIKE, sha=f"n{number}")
        assert [each.identity for each in gallery.search(PROBES[:1], 5)[0]] == order[-1:]
        _add(gallery, order[-1], LOOKALIKE)
        assert gallery.search(PROBES[:1], 5)[0] == []


def test_somebody_ignored_whose_negative_it_is_hides_nobody(folder: Path) -> None:
    from facesearch.gallery.questions import ranked

    with Gallery.open(folder) as gallery:
        gallery.ignore(ADA)
        assert ranked(gallery.parts, PROBES[:2], 1).ignored[0] > 0
        _add(gallery, ADA, LOOKALIKE)
        found = ranked(gallery.parts, PROBES[:2], 1)
        assert found.ignored[0] == -np.inf and found.ignored[1] > 0
        assert all(row[0].identity != ADA for row in found.candidates)


def test_negatives_follow_every_change_of_another_process(folder: Path) -> None:
    with Gallery.open(folder) as gallery, Gallery.open(folder) as other:

        def first() -> str:
            return gallery.search(PROBES[:1], 1)[0][0].identity

        assert first() == ADA
        _add(other, ADA, LOOKALIKE)
        assert first() != ADA
        other.rename(ADA, "Ada")
        assert first() != "Ada"
        other.merge("Ada", into=BEA)
        assert first() != BEA
        assert [each.identity for each in other.negatives()] == [BEA]
        other.remove_negatives(BEA, ["0.jpg"])
        assert first() == BEA
        assert gallery.check() == [] == gallery.negatives()


def test_merging_keeps_a_negative_of_both_once(folder: Path) -> None:
    with Gallery.open(folder) as gallery:
        _add(gallery, ADA, LOOKALIKE)
        _add(gallery, BEA, LOOKALIKE)
        gallery.merge(ADA, into=BEA)
        assert len(gallery.negatives(BEA)) == 1
        assert gallery.check() == []


def test_the_same_negative_is_kept_once_and_a_face_enrolled_as_hers_is_none(folder: Path) -> None:
    with Gallery.open(folder) as gallery:
        assert _add(gallery, ADA, LOOKALIKE) == [1]
        assert _add(gallery, ADA, LOOKALIKE) == ["known"]
        assert _add(gallery, BEA, LOOKALIKE) == [2]
        parts = gallery.parts
        add_templates(parts.store, [ADA], LOOKALIKE, parts.settings().codec)
        (own,) = [info for info in gallery.templates(ADA) if info.path == "0.jpg" and info.id > 60]
        with parts.store.transactions.writing() as connection:  # enrolled from the very photo that is her negative
            connection.exec_driver_sql("UPDATE templates SET image_id = (SELECT image_id FROM negatives WHERE id = 1)")
        assert [each.identity for each in gallery.negatives()] == []
        assert own.identity == ADA


@pytest.mark.folder
def test_forgetting_takes_negatives_along_out_of_every_file(folder: Path) -> None:
    with Gallery.open(folder) as gallery:
        vectors = unit_vectors(40, seed=77)
        _add(gallery, ADA, vectors[:20], path="secret-strangers/{}.jpg", sha="a")
        _add(gallery, BEA, vectors[20:], path="other-strangers/{}.jpg", sha="b")
        codec = gallery.parts.codecs.find(gallery.parts.settings().codec)
        receipt = gallery.forget(ADA)
        assert (receipt.templates, receipt.images, receipt.wiped) == (2, 2, True)
        content = b"".join(path.read_bytes() for path in folder.iterdir())
        assert not any(code in content for code in codec.encode(vectors[:20]))
        assert b"secret-strangers" not in content
        assert len(gallery.negatives()) == 20
        # the strangers are not taken for somebody who was forgotten
        assert gallery.parts.store.corrections.forgotten([hashlib.sha256(b"a 0").digest()]) == {}
        gallery.remove_negatives(BEA, [info.id for info in gallery.negatives(BEA)])
        content = b"".join(path.read_bytes() for path in folder.iterdir())
        assert not any(code in content for code in codec.encode(vectors[20:]))
        assert b"other-strangers" not in content
        assert gallery.check() == []


def test_forgetting_whose_photo_it_is_removes_the_negative(folder: Path) -> None:
    with Gallery.open(folder) as gallery:
        # the first photo of Bea, by the hash that the double gives it
        sha = hashlib.sha256(b"0 1").digest()
        parts = gallery.parts
        assert parts.store.templates.enrolled([sha])[sha][0].identity == BEA

        def keep(codes: list[bytes], codec: str) -> list[int | Literal["known", "own"]]:
            row = NewTemplate(ADA, sha, "1.jpg", 10, 10, codes[0], 1.0, (1, 1, 5, 5))
            return parts.store.negatives.add(ADA, [row], KEY, codec)

        CodecInUse(parts.store, parts.codecs, parts.settings().codec).coded(LOOKALIKE, keep)
        assert [each.identity for each in gallery.negatives()] == [ADA]
        assert gallery.forget(BEA).images == 2
        assert gallery.negatives() == []
        assert parts.store.corrections.forgotten([sha])
        assert gallery.search(PROBES[:1], 1)[0][0].identity == ADA


@pytest.mark.folder
def test_negatives_outlive_backup_another_codec_and_compacting(folder: Path, tmp_path: Path) -> None:
    with Gallery.open(folder) as gallery:
        _add(gallery, ADA, LOOKALIKE)
        gallery.build_index("fp16")
        gallery.compact()
        gallery.backup(tmp_path / "backup")
        assert gallery.search(PROBES[:1], 1)[0][0].identity != ADA
    with Gallery.open(tmp_path / "restored") as gallery:
        gallery.close()
    Gallery.restore(tmp_path / "backup", tmp_path / "restored", replace=True)
    with Gallery.open(tmp_path / "restored") as gallery:
        assert gallery.search(PROBES[:1], 1)[0][0].identity != ADA
        assert len(gallery.negatives(ADA)) == 1
        assert gallery.check() == []


def test_a_damaged_negative_is_found_and_never_answered_with(folder: Path) -> None:
    with Gallery.open(folder) as gallery:
        _add(gallery, ADA, LOOKALIKE)
        alter(gallery.parts.store, "UPDATE negatives SET code = x'00'")
        assert "negatives damaged" in gallery.check()[0]
    with Gallery.open(folder) as gallery, pytest.raises(StoreError, match="row 1 of negatives is damaged"):
        gallery.search(PROBES[:1], 1)


def test_what_names_no_negative_is_refused(folder: Path) -> None:
    with Gallery.open(folder) as gallery:
        _add(gallery, ADA, LOOKALIKE)
        for wrong in ([2], ["1.jpg"], ["rangers/0.jpg"], [True], [None], "0.jpg", 1):
            with pytest.raises(UsageError):
                gallery.remove_negatives(ADA, wrong)  # type: ignore[arg-type]
        for wrong in ([1], [None]):  # she has none
            with pytest.raises(UsageError):
                gallery.remove_negatives(BEA, wrong)  # type: ignore[arg-type]
        with pytest.raises(UnknownIdentityError):
            gallery.negatives("Nobody")
        with pytest.raises(UnknownIdentityError):
            gallery.add_negatives("Nobody", "missing.jpg")
        assert len(gallery.negatives()) == 1


def test_photos_that_cannot_be_read_are_rejected_with_reasons(folder: Path, tmp_path: Path) -> None:
    with Gallery.open(folder) as gallery:
        report = gallery.add_negatives(ADA, [tmp_path / "missing.jpg", b"no photo"])
        assert report.added == [] and len(report.rejected) == 2
        assert gallery.negatives() == []
        events = [event.action for event in gallery.parts.store.audit.events()]
        assert "add negatives" not in events


def test_negatives_are_in_the_audit_log_without_names(folder: Path) -> None:
    with Gallery.open(folder) as gallery:
        _add(gallery, ADA, LOOKALIKE)
        gallery.remove_negatives(ADA, [1])
        events = gallery.parts.store.audit.events()[-2:]
    assert [(event.action, event.detail) for event in events] == [
        ("add negatives", '{"negatives":1}'),
        ("remove negatives", '{"negatives":1}'),
    ]


def test_without_negatives_a_search_asks_no_more_of_the_database(folder: Path) -> None:
    from sqlalchemy import event

    with Gallery.open(folder) as gallery:
        gallery.search(PROBES[:1], 1)
        said: list[str] = []
        engine = gallery.parts.store.transactions._reader
        event.listen(engine, "before_cursor_execute", lambda c, cur, statement, *rest: said.append(statement))
        gallery.search(PROBES[:1], 1)
        assert not any("FROM negatives" in each and "max(negatives.id)" not in each for each in said)
        _add(gallery, ADA, LOOKALIKE)
        gallery.search(PROBES[:1], 1)
        said.clear()
        gallery.search(PROBES[:1], 1)  # read once, until something changes
        assert not any("negatives.code" in each for each in said)
