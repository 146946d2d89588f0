"""The inbox: unknown faces in clusters whose numbers stay, what was said of them, and how they leave."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image, ImageFilter

from facesearch import Gallery, UsageError
from facesearch.errors import DiskFullError, OvertakenError, StoreError, UnknownIdentityError
from facesearch.gallery import unknown_list
from facesearch.gallery.codec_in_use import CodecInUse
from facesearch.gallery.index_writing import IndexWriter
from facesearch.gallery.known_photos import Known, known_photos
from facesearch.gallery.questions import ranked
from facesearch.photos.photo import Photo, Rejection
from facesearch.store import NewTemplate, Regrouping, Templates

from .doubles import KEY, damage, store_templates, unit_vectors

Floats = npt.NDArray[np.float32]
PEOPLE = unit_vectors(6, seed=3)


def _faces(person: int, count: int, seed: int = 0) -> Floats:
    near = PEOPLE[person] + 0.2 * unit_vectors(count, 100 * person + seed + 7)
    return np.asarray(near / np.linalg.norm(near, axis=1, keepdims=True), np.float32)


def _keep(gallery: Gallery, vectors: Floats, photos: list[str] | None = None) -> list[int | None]:
    """Put faces into the inbox, each of a photo of its own or of those named."""
    store = gallery.parts.store
    first = store.unknown.count()[0]
    names = photos or [f"{first + row}.jpg" for row in range(len(vectors))]

    def keep(codes: list[bytes], codec: str) -> list[int | None]:
        rows = [
            NewTemplate("", hashlib.sha256(name.encode()).digest(), f"/p/{name}", 9, 9, code, 0.9, (9 * row, 0, 5, 5))
            for row, (name, code) in enumerate(zip(names, codes, strict=True))
        ]
        return store.unknown.add(rows, [row.sha256 for row in rows], KEY, codec)

    return CodecInUse(store, gallery.parts.codecs, gallery.parts.settings().codec).coded(vectors, keep)


@pytest.fixture
def gallery(tmp_path: Path) -> Gallery:
    """Person 0 is enrolled as Ada; unknown are three faces of person 1, two of person 2, one of person 3."""
    store_templates(tmp_path / "gallery", ["Ada", "Ada"], _faces(0, 2))
    opened = Gallery.open(tmp_path / "gallery")
    _keep(opened, np.concatenate([_faces(1, 3), _faces(2, 2), _faces(3, 1)]))
    opened.unknown.cluster(least_similarity=0.6)
    return opened


def _clusters(gallery: Gallery) -> dict[int, list[int]]:
    return {each.number: [face.face.id for face in each.faces] for each in gallery.unknown.list().clusters}


def test_a_cluster_that_grew_keeps_its_number_and_numbers_are_not_given_again(gallery: Gallery) -> None:
    assert _clusters(gallery) == {1: [1, 2, 3], 2: [4, 5]}
    _keep(gallery, np.concatenate([_faces(2, 4, seed=1), _faces(3, 1, seed=1)]))
    done = gallery.unknown.cluster(least_similarity=0.6)
    assert (done.faces, done.clusters, done.new, done.alone) == (11, 3, 1, 0)
    assert _clusters(gallery) == {2: [4, 5, 7, 8, 9, 10], 1: [1, 2, 3], 3: [6, 11]}
    gallery.unknown.discard(3)
    _keep(gallery, _faces(4, 2))
    gallery.unknown.cluster(least_similarity=0.6)
    assert sorted(_clusters(gallery)) == [1, 2, 4]
    assert gallery.check() == []


def test_what_was_joined_and_parted_holds_when_faces_are_grouped_again(gallery: Gallery) -> None:
    assert gallery.unknown.join(1, "f6") == 1
    gallery.unknown.part("f2")
    assert _clusters(gallery) == {1: [1, 3, 6], 2: [4, 5]}
    _keep(gallery, _faces(1, 2, seed=5))
    gallery.unknown.cluster(least_similarity=0.6)
    clusters = _clusters(gallery)
    assert {1, 3, 6} <= set(clusters[1]) and 2 not in clusters[1]
    gallery.unknown.discard("f3")  # by way of which the others were joined
    gallery.unknown.cluster(least_similarity=0.6)
    assert {1, 6} <= set(_clusters(gallery)[1])
    gallery.unknown.join("f2", 1)  # what is said last holds
    gallery.unknown.cluster(least_similarity=0.6)
    assert {1, 2, 6} <= set(_clusters(gallery)[1])


def test_two_faces_of_one_photo_are_never_one_person(gallery: Gallery) -> None:
    ids = _keep(gallery, np.repeat(_faces(4, 1), 2, axis=0), ["both.jpg", "both.jpg"])
    gallery.unknown.cluster(least_similarity=0.6)
    assert all(set(ids) - set(faces) for faces in _clusters(gallery).values())
    with pytest.raises(UsageError, match="one photo"):
        gallery.unknown.join(*(f"f{number}" for number in ids))


def test_a_named_cluster_is_enrolled_with_its_photos_and_answers_at_once(gallery: Gallery) -> None:
    done = gallery.unknown.name(1, "Bea")
    assert (len(done.templates), len(gallery.unknown)) == (3, 3)
    person, templates = gallery.identity("Bea")
    assert person.templates == 3
    assert (templates[0].path, templates[0].box) == ("/p/0.jpg", (0.0, 0.0, 5.0, 5.0))
    assert gallery.search(_faces(1, 1, seed=9))[0][0].identity == "Bea"
    assert gallery.unknown.name("f6", "Ada").templates and gallery.identity("Ada")[0].templates == 3
    with pytest.raises(UsageError, match="no cluster 1"):
        gallery.unknown.name(1, "Bea")
    assert gallery.check() == []


def test_who_is_ignored_is_not_collected_again(gallery: Gallery) -> None:
    done = gallery.unknown.ignore(2)
    assert (done.identity, done.ignored) == ("unknown 2", True)
    assert gallery.identity("unknown 2")[0].attributes.ignored
    with pytest.raises(UsageError, match="is not ignored"):
        gallery.unknown.ignore(1, "Ada")
    assert gallery.identity("Ada")[0].templates == 2


def test_faces_like_somebody_who_is_forgotten_go_with_them(gallery: Gallery) -> None:
    _keep(gallery, _faces(0, 1, seed=4))
    receipt = gallery.forget("Ada")
    assert receipt.out_of_inbox == 1
    assert len(gallery.unknown) == 6


def test_templates_of_who_is_forgotten_are_read_once_and_only_where_there_is_something_to_compare_them_with(
    gallery: Gallery, monkeypatch: pytest.MonkeyPatch
) -> None:
    role = type(gallery.parts.store.templates)
    codes, read = role.codes, list[int]()

    def counting(self: Any, template_ids: list[int], *, aside: bool = False) -> Templates:
        read.extend([len(template_ids)] if aside else [])
        return codes(self, template_ids, aside=aside)

    monkeypatch.setattr(role, "codes", counting)
    gallery.unknown.name(1, "Bea")
    gallery.unknown.discard()
    gallery.forget("Bea")
    assert read == []
    _keep(gallery, _faces(0, 1, seed=4))
    gallery.set_cohort(np.concatenate([unit_vectors(40, seed=9), _faces(0, 1)]), "others")
    receipt = gallery.forget("Ada")
    assert read == [2]
    assert (receipt.out_of_inbox, receipt.out_of_cohort) == (1, 1)


@pytest.mark.parametrize("way", ["remove_templates", "set_aside_templates"])
def test_also_where_all_of_the_persons_templates_are_out_of_use(gallery: Gallery, way: str) -> None:
    _keep(gallery, _faces(0, 1, seed=4))
    getattr(gallery, way)([info.id for info in gallery.identity("Ada")[1]])
    assert gallery.forget("Ada").out_of_inbox == 1
    assert len(gallery.unknown) == 6


def test_somebody_enrolled_later_is_suggested(gallery: Gallery) -> None:
    assert gallery.unknown.list(like="Ada").faces == 0
    gallery.enroll_templates(["Zoe"], _faces(1, 1, seed=2))
    found = gallery.unknown.list(like="Zoe")
    assert [(each.number, each.alike) for each in found.clusters] == [(1, 3)]
    assert found.document()["clusters"][0]["suggestion"]["identity"] == "Zoe"


def test_what_is_like_a_person_is_what_the_whole_list_says_and_only_that_is_searched_for(
    gallery: Gallery, monkeypatch: pytest.MonkeyPatch
) -> None:
    gallery.unknown.name("f1", "Bea")  # who has two more faces in cluster 1
    gallery.unknown.name("f4", "Cleo")  # who has one more, alone
    everything = gallery.unknown.list()
    searched: list[int] = []

    def counting(parts: Any, vectors: Floats, k: int) -> Any:
        searched.append(len(vectors))
        return ranked(parts, vectors, k)

    monkeypatch.setattr(unknown_list, "ranked", counting)
    for name, faces in (("Ada", 0), ("Bea", 2), ("Cleo", 1)):
        assert gallery.unknown.list(like=name) == everything.like(name)
        assert everything.like(name).faces == faces
    assert searched == [2, 1]
    gallery.remove_templates([info.id for info in gallery.templates("Cleo")])
    assert gallery.unknown.list(like="Cleo").faces == 0
    with pytest.raises(UnknownIdentityError):
        gallery.unknown.list(like="Nobody")


def test_an_enrolment_counts_the_faces_that_the_list_then_shows(gallery: Gallery) -> None:
    gallery.enroll_templates(["Zoe"], _faces(1, 1, seed=2))
    gallery.enroll_templates(["Zoe", "Mia"], np.concatenate([_faces(3, 1, seed=2), _faces(5, 1)]))
    new = [info.id for name in ("Zoe", "Mia") for info in gallery.templates(name)][1:]
    assert gallery.unknown.list(like="Zoe").alike("Zoe") == 4
    assert unknown_list.now_like(gallery.parts, new) == {"Zoe": 4}


@pytest.mark.folder
def test_what_is_discarded_is_in_no_file_any_more(gallery: Gallery, tmp_path: Path) -> None:
    code = bytes(gallery.parts.store.unknown.inbox().templates.codes[0])
    gallery.backup(tmp_path / "before.zip")
    receipt = gallery.unknown.discard()
    assert (receipt.faces, receipt.clusters, receipt.images, receipt.wiped) == (6, 2, 6, True)
    assert len(receipt.backups) == 1
    assert len(gallery.unknown) == 0
    files = [file for file in (tmp_path / "gallery").iterdir() if file.is_file()]
    assert not any(code in file.read_bytes() or b"/p/0.jpg" in file.read_bytes() for file in files)
    assert gallery.unknown.cluster().faces == 0
    Gallery.restore(tmp_path / "before.zip", tmp_path / "restored").folder  # noqa: B018
    with Gallery.open(tmp_path / "restored") as restored:
        assert len(restored.unknown) == 6 and sorted(_clusters(restored)) == [1, 2]


def test_the_inbox_is_coded_anew_with_the_gallery(gallery: Gallery) -> None:
    gallery.build_index("sq8")
    assert set(gallery.parts.store.unknown.inbox().templates.codecs) == {"int8"}
    assert gallery.unknown.name(1, "Bea").templates
    gallery.compact()
    assert len(gallery.unknown) == 3 and gallery.check() == []


def test_a_damaged_face_is_named_and_can_be_discarded(gallery: Gallery, tmp_path: Path) -> None:
    gallery.close()
    damage(tmp_path / "gallery", "UPDATE unknown_faces SET quality = 0.1 WHERE id = 2")
    with Gallery.open(tmp_path / "gallery") as opened:
        assert "unknown_faces" in opened.check()[0]
        with pytest.raises(StoreError, match=r"row 2 of unknown_faces is damaged.*discard"):
            opened.unknown.list()
        assert opened.search(_faces(0, 1))[0][0].identity == "Ada"
        assert opened.unknown.discard("f2").faces == 1
        assert len(opened.unknown.list().clusters[0].faces) == 2


def test_a_change_that_another_process_overtook_changes_nothing(gallery: Gallery) -> None:
    kept = gallery.parts.store.unknown
    before = kept.inbox()
    gallery.unknown.part("f1")
    with pytest.raises(OvertakenError):
        kept.regroup(before, Regrouping(((None, (4, 5, 6)),)))
    assert _clusters(gallery) == {1: [2, 3], 2: [4, 5]}
    stale = replace(kept.inbox(), faces=kept.inbox().faces[:-1])  # one that was only added does not count
    assert kept.regroup(stale, Regrouping(((2, (4, 5)),))) == [2]


def test_two_people_of_one_photo_are_enrolled_exported_and_put_back(gallery: Gallery, tmp_path: Path) -> None:
    _keep(gallery, np.concatenate([_faces(4, 1), _faces(5, 1)]), ["both.jpg", "both.jpg"])
    gallery.unknown.name("f7", "Dan")
    (zoe,) = gallery.unknown.name("f8", "Zoe").templates
    gallery.set_aside_templates([zoe])
    new = gallery.restore_templates([zoe])[zoe]
    assert gallery.identity("Zoe")[1][0].id == new
    gallery.export(tmp_path / "all.npz")
    for name in ("Dan", "Zoe"):
        gallery.forget(name, remember=False)
    report = gallery.import_templates(tmp_path / "all.npz")
    assert (report.templates, report.skipped, report.rejected) == (2, 2, [])
    assert [gallery.identity(name)[1][0].path for name in ("Dan", "Zoe")] == ["/p/both.jpg"] * 2
    again = gallery.import_templates(tmp_path / "all.npz")
    assert (again.templates, again.skipped, again.rejected) == (0, 4, [])
    gallery.forget("Dan")
    assert gallery.identity("Zoe")[1][0].path == "/p/both.jpg" and gallery.check() == []


def test_a_photo_of_two_people_enrolled_is_a_photo_of_either(gallery: Gallery) -> None:
    _keep(gallery, np.concatenate([_faces(4, 1), _faces(5, 1)]), ["both.jpg", "both.jpg"])
    ids = {name: gallery.unknown.name(face, name).templates[0] for face, name in (("f7", "Dan"), ("f8", "Zoe"))}
    content = hashlib.sha256(b"both.jpg").digest()
    (of_zoe, of_eve) = known_photos(
        gallery.parts.store,
        [Photo("Zoe", Path("/q/both.jpg")), Photo("Eve", Path("/q/both.jpg"))],
        [content, content],
        again=False,
        in_folders=True,
    )
    assert isinstance(of_zoe, Known) and (of_zoe.template_id, of_zoe.others) == (ids["Zoe"], (ids["Dan"],))
    assert isinstance(of_eve, Rejection) and "enrolled as Dan and Zoe" in of_eve.reason  # not taken from Dan


@pytest.mark.parametrize("which", ["", "x3", "f", "-1", "99", "f99", 1.5, None, True])
def test_what_is_no_unknown_face_is_one_line(gallery: Gallery, which: object) -> None:
    with pytest.raises(UsageError) as raised:
        gallery.unknown.show([which])  # type: ignore[list-item]
    assert "\n" not in str(raised.value)


def test_nothing_is_parted_from_nobody(gallery: Gallery) -> None:
    for faces, reason in ((["f6"], "alone"), (["1"], "f12"), (["f1", "f2", "f3"], "all faces")):
        with pytest.raises(UsageError, match=reason):
            gallery.unknown.part(*faces)
    with pytest.raises(UsageError, match="two"):
        gallery.unknown.join("f6")
    for call in (gallery.unknown.discard, lambda which: gallery.unknown.name(which, "Eve")):
        with pytest.raises(UsageError):
            call([])
    with pytest.raises(UsageError, match="empty"):
        gallery.unknown.name(1, " ")
    assert len(gallery.unknown) == 6


def test_faces_of_photos_that_match_nobody_are_collected_once(everybody: Gallery, probes: list[Photo]) -> None:
    stranger, known = probes[0], probes[1:3]
    everybody.forget(stranger.identity, remember=False)
    report = everybody.unknown.add([photo.path for photo in (stranger, *known)])
    assert (report.faces, report.photos, report.matched) == (1, 3, 2)
    assert everybody.unknown.list().alone[0].face.path == str(stranger.path)
    again = everybody.unknown.add([photo.path for photo in (stranger, *known)])
    assert (again.faces, again.skipped) == (0, 3)
    forced = everybody.unknown.add([stranger.path], again=True)
    assert (forced.faces, forced.known) == (0, 1)
    everybody.unknown.name("f1", "Eve")
    assert everybody.enroll("Eve", stranger.path).skipped == 1
    everybody.forget("Eve")
    reason = everybody.unknown.add([stranger.path]).rejected[0].reason
    assert "forgotten" in reason and reason.endswith("; --again collects its faces")


def test_poor_faces_are_not_collected_unless_quality_is_off(
    everybody: Gallery, enrolled: Path, probes: list[Photo], tmp_path: Path
) -> None:
    everybody.forget(probes[0].identity, remember=False)
    poor = tmp_path / "poor.png"
    with Image.open(probes[0].path) as image:
        image.filter(ImageFilter.GaussianBlur(9)).save(poor)
    report = everybody.unknown.add([poor])
    assert (report.faces, report.poor, report.document()["poor"]) == (0, 1, 1)
    with Gallery.open(enrolled, quality="off") as every:
        assert every.unknown.add([poor], again=True).faces == 1


@pytest.mark.parametrize("error", [DiskFullError("the disk is full; nothing was changed"), OSError("is a directory")])
def test_what_is_done_is_told_where_the_index_files_cannot_be_written(
    error: Exception, gallery: Gallery, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fails(*arguments: object) -> bool:
        raise error

    monkeypatch.setattr(IndexWriter, "save", fails)
    named = gallery.unknown.name(1, "Bea").templates
    assert len(named) == 3 and gallery.search(_faces(1, 1, seed=9))[0][0].identity == "Bea"
    assert [info.id for info in gallery.set_aside_templates(named[:1])] == [named[0]]
    assert gallery.enroll_templates(["Zoe"], _faces(5, 1)).templates == 1
    assert len(caplog.messages) == 3
    for said in caplog.messages:
        assert said.startswith("this is done, but the index files are as they were (")
    monkeypatch.undo()
    assert gallery.check() == [] and gallery.search(_faces(5, 1))[0][0].identity == "Zoe"
