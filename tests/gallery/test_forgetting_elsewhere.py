"""Somebody forgotten is nowhere else either, thinned out, set aside or negative under another name, and stays out."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from altering import alter

from facesearch import Gallery, Photo
from facesearch.errors import StoreError
from facesearch.gallery.known_photos import Known, known_photos
from facesearch.photos.geometry import Box
from facesearch.photos.photo import Rejection
from facesearch.store import NewTemplate, Thinning

from .doubles import KEY, store_templates, unit_vectors

CODES = [row.tobytes() for row in unit_vectors(40, seed=5)]
LEFT, RIGHT = (0.0, 0.0, 40.0, 40.0), (100.0, 0.0, 40.0, 40.0)


def sha(photo: str) -> bytes:
    return hashlib.sha256(photo.encode()).digest()


def new(name: str, photo: str, code: bytes, box: Box | None = LEFT) -> NewTemplate:
    return NewTemplate(name, sha(photo), f"/people/{name}/{photo}.jpg", 10, 10, code, 1.0, box)


@pytest.fixture
def gallery(tmp_path: Path) -> Iterator[Gallery]:
    """Ada with four photos, Zoe with one."""
    store_templates(tmp_path / "g", ["Zoe"], unit_vectors(1))
    with Gallery.open(tmp_path / "g") as opened:
        add(opened, *(new("Ada", f"a{number}", CODES[number]) for number in range(4)))
        yield opened


def add(gallery: Gallery, *news: NewTemplate) -> list[int]:
    added = gallery.parts.store.templates.add(list(news), KEY, "fp32", by_place=True)
    assert None not in added
    gallery.parts.writer.save()
    return [number for number in added if number is not None]


def negative(gallery: Gallery, name: str, photo: str, code: bytes, box: Box | None = LEFT) -> None:
    row = NewTemplate(name, sha(photo), f"/people/Ada/{photo}.jpg", 10, 10, code, 1.0, box)
    gallery.parts.store.negatives.add(name, [row], KEY, "fp32")


def thin(gallery: Gallery, name: str, keep: str) -> None:
    """Thin a person out to the template of one photo."""
    templates = gallery.templates(name)
    (kept,) = [info.id for info in templates if info.path.endswith(f"/{keep}.jpg")]
    gone = [info.id for info in templates if info.id != kept and info.state == "active"]
    owner = gallery.parts.store.identities.find(name).id
    gallery.parts.writer.discard(np.array(gone, np.int64))
    assert gallery.parts.store.thinning.thin([Thinning(owner, (kept,), tuple(gone))]) == [owner]
    gallery.parts.writer.save()


def scan(gallery: Gallery, name: str, photo: str, *, again: bool = False) -> str:
    """What enrolling a photo from a person's folder would do."""
    place = [Photo(name, Path(f"/people/{name}/{photo}.jpg"))]
    (found,) = known_photos(gallery.parts.store, place, [sha(photo)], again=again, in_folders=True)
    if isinstance(found, Known):
        return "thinned" if found.thinned else "deleted" if found.deleted else "known"
    return found.reason.split(" on ")[0] if isinstance(found, Rejection) else "new"


def content(gallery: Gallery) -> bytes:
    gallery.compact()
    folder = gallery.parts.folder
    return b"".join(path.read_bytes() for path in folder.iterdir() if path.is_file())


def assert_gone(gallery: Gallery, photo: str, *codes: bytes) -> None:
    held = content(gallery)
    assert f"{photo}.jpg".encode() not in held
    assert sha(photo) not in held
    for code in codes:
        assert code not in held
    assert gallery.check() == []


FORGOTTEN = "it shows somebody who was forgotten"


@pytest.mark.folder
def test_a_photo_thinned_out_that_is_anothers_negative_goes_with_its_person(gallery: Gallery) -> None:
    negative(gallery, "Zoe", "a1", CODES[10])
    thin(gallery, "Ada", "a0")
    assert scan(gallery, "Ada", "a1") == "thinned"
    assert gallery.thinned("Ada") == 3
    assert CODES[10] in content(gallery)
    gallery.forget("Ada")
    assert_gone(gallery, "a1", CODES[1], CODES[10])
    assert [scan(gallery, "Ada", f"a{number}") for number in range(4)] == [FORGOTTEN] * 4
    assert gallery.negatives() == []


def test_a_photo_becomes_a_negative_after_it_was_thinned_out(gallery: Gallery) -> None:
    thin(gallery, "Ada", "a0")
    negative(gallery, "Zoe", "a1", CODES[10])
    assert scan(gallery, "Ada", "a1") == "thinned"
    assert gallery.forget("Ada").negatives == 1
    assert_gone(gallery, "a1", CODES[10])


@pytest.mark.parametrize("thinned", [True, False])
@pytest.mark.parametrize("keep", [True, False])
def test_a_photo_set_aside_under_another_name_goes_with_its_person(gallery: Gallery, thinned: bool, keep: bool) -> None:
    (before,) = add(gallery, new("Zoe", "p", CODES[10]))
    (gallery.set_aside_templates if keep else gallery.remove_templates)([before])
    add(gallery, new("Ada", "p", CODES[11]))
    if thinned:
        thin(gallery, "Ada", "a0")
        assert scan(gallery, "Ada", "p") == "thinned"
        assert scan(gallery, "Zoe", "p") == "known"
    receipt = gallery.forget("Ada")
    assert (receipt.templates, receipt.out_of_use, receipt.of_others) == (1 if thinned else 5, 0, 1)
    assert_gone(gallery, "p", CODES[10], CODES[11])
    assert scan(gallery, "Ada", "p") == FORGOTTEN


@pytest.mark.folder
def test_another_face_of_the_photo_that_is_set_aside_stays(gallery: Gallery) -> None:
    (other,) = add(gallery, new("Zoe", "p", CODES[10], RIGHT))
    gallery.set_aside_templates([other])
    add(gallery, new("Ada", "p", CODES[11], LEFT))
    gallery.forget("Ada")
    held = content(gallery)
    assert CODES[10] in held
    assert CODES[11] not in held
    assert scan(gallery, "Ada", "p") == FORGOTTEN
    assert scan(gallery, "Zoe", "p") == "known"
    assert list(gallery.restore_templates([other])) == [other]


def test_a_photo_of_two_people_stays_out_when_the_other_is_taken_out(gallery: Gallery) -> None:
    add(gallery, new("Ada", "p", CODES[11], LEFT))
    (zoes,) = add(gallery, new("Zoe", "p", CODES[10], RIGHT))
    gallery.forget("Ada")
    assert scan(gallery, "Zoe", "p") == "known"
    gallery.remove_templates([zoes])
    assert scan(gallery, "Ada", "p") == FORGOTTEN
    gallery.compact()
    assert scan(gallery, "Ada", "p") == FORGOTTEN
    assert scan(gallery, "Zoe", "p") == FORGOTTEN
    assert scan(gallery, "Zoe", "p", again=True) == "new"


@pytest.mark.parametrize("way", ["set_aside_templates", "remove_templates"])
def test_a_photo_that_was_enrolled_as_a_wrong_person_is_one_of_its_forgotten_person(
    gallery: Gallery, way: str, tmp_path: Path
) -> None:
    (wrong,) = add(gallery, new("Zoe", "p", CODES[10]))
    getattr(gallery, way)([wrong])
    gallery.move_templates([wrong], "Ada")
    gallery.restore_templates([wrong])
    gallery.export(tmp_path / "x.csv")
    gallery.forget("Ada")
    assert [scan(gallery, name, "p") for name in ("Zoe", "Ada")] == [FORGOTTEN, FORGOTTEN]
    table = (tmp_path / "x.csv").read_text(encoding="utf-8")
    (tmp_path / "x.csv").write_text(table.replace("Ada", "Zoe"), encoding="utf-8")
    report = gallery.import_templates(tmp_path / "x.csv")
    assert (len(report.rejected), report.deleted) == (5, 0)


def test_a_photo_thinned_out_of_two_people_is_known_as_both(gallery: Gallery) -> None:
    add(gallery, new("Ada", "p", CODES[11], LEFT))
    add(gallery, new("Zoe", "p", CODES[10], RIGHT), new("Zoe", "z", CODES[12]))
    thin(gallery, "Ada", "a0")
    thin(gallery, "Zoe", "z")
    assert (scan(gallery, "Ada", "p"), scan(gallery, "Zoe", "p")) == ("thinned", "thinned")
    gallery.forget("Ada")
    assert (scan(gallery, "Ada", "p"), scan(gallery, "Zoe", "p")) == (FORGOTTEN, "thinned")
    gallery.rename("Zoe", "Zoe Z")
    gallery.forget("Zoe Z")  # the photo is somebody forgotten's already
    assert scan(gallery, "Zoe", "p") == FORGOTTEN
    assert gallery.check() == []


def test_merging_two_people_a_photo_was_thinned_out_of_leaves_one_mark(gallery: Gallery) -> None:
    add(gallery, new("Ada", "p", CODES[11], LEFT))
    add(gallery, new("Zoe", "p", CODES[10], RIGHT), new("Zoe", "z", CODES[12]))
    thin(gallery, "Ada", "a0")
    thin(gallery, "Zoe", "z")
    gallery.merge("Zoe", into="Ada")
    assert gallery.thinned("Ada") == 5
    assert scan(gallery, "Ada", "p") == "thinned"
    gallery.forget("Ada", remember=False)
    assert scan(gallery, "Ada", "p") == "new"
    assert gallery.check() == []


def test_what_was_removed_stays_out_after_compacting_for_that_person_only(gallery: Gallery) -> None:
    wrong = next(info.id for info in gallery.templates("Ada") if info.path.endswith("/a1.jpg"))
    gallery.remove_templates([wrong])
    assert_gone(gallery, "a1", CODES[1])
    assert scan(gallery, "Ada", "a1") == "deleted"
    assert scan(gallery, "Zoe", "a1") == "new"  # whose it is
    assert scan(gallery, "Ada", "a1", again=True) == "new"
    (zoes,) = add(gallery, new("Zoe", "a1", CODES[1]))
    gallery.remove_templates([zoes])
    gallery.compact()
    assert (scan(gallery, "Ada", "a1"), scan(gallery, "Zoe", "a1")) == ("deleted", "deleted")
    gallery.merge("Ada", into="Zoe")
    assert scan(gallery, "Zoe", "a1") == "deleted"


def test_what_was_removed_comes_back_where_that_is_asked_for(gallery: Gallery) -> None:
    (info,) = [info for info in gallery.templates("Ada") if info.path.endswith("/a1.jpg")]
    gallery.remove_templates([info.id])
    gallery.compact()
    (back,) = add(gallery, new("Ada", "a1", CODES[1]))
    assert scan(gallery, "Ada", "a1") == "known"
    gallery.remove_templates([back])
    gallery.compact()
    assert scan(gallery, "Ada", "a1") == "deleted"
    gallery.forget("Ada")
    assert scan(gallery, "Ada", "a1") == FORGOTTEN


def test_what_is_put_back_or_left_a_folder_is_not_kept_out(gallery: Gallery) -> None:
    first, second = [info.id for info in gallery.templates("Ada")][:2]
    gallery.remove_templates([first])
    (back,) = gallery.restore_templates([first]).values()
    for gone in (back, second):  # as enroll --sync does where the photo is gone
        gallery.parts.store.corrections.set_aside([gone])
    gallery.compact()
    assert [scan(gallery, "Ada", photo) for photo in ("a0", "a1", "a2")] == ["new", "new", "known"]


def test_an_export_does_not_bring_back_what_was_removed(gallery: Gallery, tmp_path: Path) -> None:
    gallery.export(tmp_path / "all.npz")
    gallery.remove_templates([gallery.templates("Ada")[0].id])
    gallery.compact()
    report = gallery.import_templates(tmp_path / "all.npz")
    assert (report.templates, report.skipped, report.deleted) == (0, 5, 1)
    assert gallery.import_templates(tmp_path / "all.npz", again=True).templates == 1


def test_identities_whose_numbers_begin_alike_are_told_apart(gallery: Gallery) -> None:
    add(gallery, *(new(f"n{number:02}", f"n{number:02}", CODES[20]) for number in range(18)))  # identities 3 to 20
    for name in ("Ada", "n17"):
        gallery.remove_templates([info.id for info in gallery.templates(name)])
    gallery.compact()
    assert [gallery.parts.store.identities.find(name).id for name in ("Ada", "n17")] == [2, 20]
    gallery.forget("Ada")
    assert scan(gallery, "n17", "n17") == "deleted"
    assert scan(gallery, "Ada", "a1") == FORGOTTEN


def test_a_damaged_mark_keeps_nobody_from_being_forgotten(gallery: Gallery) -> None:
    thin(gallery, "Ada", "a0")
    alter(gallery.parts.store, "UPDATE rejected_photos SET checksum = checksum + 1")
    with pytest.raises(StoreError, match="of rejected_photos is damaged"):
        scan(gallery, "Ada", "a1")
    gallery.forget("Ada")
    assert gallery.check() == []
    assert scan(gallery, "Ada", "a1") == FORGOTTEN


@pytest.mark.folder
def test_a_backup_keeps_what_was_taken_out(gallery: Gallery, tmp_path: Path) -> None:
    gallery.remove_templates([gallery.templates("Ada")[1].id])
    gallery.compact()
    gallery.backup(tmp_path / "b.zip")
    Gallery.restore(tmp_path / "b.zip", tmp_path / "r")
    with Gallery.open(tmp_path / "r") as restored:
        assert scan(restored, "Ada", "a1") == "deleted"


@pytest.mark.folder
@pytest.mark.parametrize("aside", [True, False])
def test_a_face_that_was_unknown_before_it_was_enrolled_goes_too(gallery: Gallery, aside: bool) -> None:
    for box, code in ((LEFT, CODES[10]), (RIGHT, CODES[11])):
        gallery.parts.store.unknown.add([new("", "p", code, box)], [sha("p")], KEY, "fp32")
    (number,) = add(gallery, new("Mia", "p", CODES[12], LEFT))
    if aside:
        gallery.remove_templates([number])
    receipt = gallery.forget("Mia")
    assert receipt.out_of_inbox == 1
    assert (receipt.images, receipt.images_kept, receipt.images_in_inbox) == (0, 1, 1)
    held = content(gallery)
    assert CODES[10] not in held
    assert CODES[11] in held  # another face
    assert gallery.unknown.discard().faces == 1
    assert scan(gallery, "Mia", "p") == FORGOTTEN
    assert_gone(gallery, "p", CODES[11])


def test_the_receipt_counts_the_photos_that_stay_for_other_faces(gallery: Gallery) -> None:
    for photo in ("p", "q"):
        add(gallery, new("Mia", photo, CODES[11], LEFT), new("Zoe", photo, CODES[10], RIGHT))
    gallery.parts.store.unknown.add([new("", "a0", CODES[12], RIGHT)], [sha("a0")], KEY, "fp32")
    mias, adas = gallery.forget_all(["Mia", "Ada"])
    assert (mias.images, mias.images_kept, mias.images_in_inbox) == (0, 2, 0)
    assert (adas.images, adas.images_kept, adas.images_in_inbox) == (3, 1, 1)
    assert adas.document()["images_kept"] == 1


def test_a_photo_of_people_who_are_forgotten_together_does_not_stay(gallery: Gallery) -> None:
    add(gallery, new("Mia", "p", CODES[11], LEFT), new("Zoe", "p", CODES[10], RIGHT))
    receipts = gallery.forget_all(["Mia", "Zoe"])
    assert [receipt.images_kept for receipt in receipts] == [0, 0]
    assert_gone(gallery, "p", CODES[10], CODES[11])


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """What time it is, in seconds, for a test to change: days pass between what it does."""
    now = [1_800_000_000]
    monkeypatch.setattr(time, "time", lambda: float(now[0]))
    return now


def days_later(clock: list[int]) -> int:
    clock[0] += 86_400
    return clock[0]


@pytest.mark.folder
def test_a_backup_that_holds_somebody_as_an_unknown_face_is_named(
    gallery: Gallery, clock: list[int], tmp_path: Path
) -> None:
    gallery.backup(tmp_path / "before.fsb")
    days_later(clock)
    gallery.parts.store.unknown.add([new("", "p", CODES[10])], [sha("p")], KEY, "fp32")
    made = days_later(clock)
    gallery.backup(tmp_path / "b.fsb")
    days_later(clock)
    gallery.unknown.name("f1", "Mia")
    days_later(clock)
    assert gallery.forget("Mia").backups == (made,)


@pytest.mark.folder
def test_a_backup_that_holds_an_unknown_face_of_somebody_enrolled_later_is_named(
    gallery: Gallery, clock: list[int], tmp_path: Path
) -> None:
    gallery.parts.store.unknown.add([new("", "p", CODES[10])], [sha("p")], KEY, "fp32")
    made = days_later(clock)
    gallery.backup(tmp_path / "b.fsb")
    gallery.export(tmp_path / "x.csv")  # without unknown faces
    days_later(clock)
    add(gallery, new("Mia", "p", CODES[11]))
    receipt = gallery.forget("Mia")
    assert (receipt.out_of_inbox, receipt.backups, receipt.exports) == (1, (made,), ())


@pytest.mark.folder
@pytest.mark.parametrize("way", ["moved", "merged", "set aside", "set aside as another's", "thinned", "deleted"])
def test_copies_since_the_first_template_of_somebody_are_named(
    gallery: Gallery, way: str, clock: list[int], tmp_path: Path
) -> None:
    (first,) = add(gallery, new("Lea", "p", CODES[10]))
    made = days_later(clock)
    gallery.backup(tmp_path / "b.fsb")
    gallery.export(tmp_path / "x.csv")
    days_later(clock)
    name = "Lea"
    if way == "moved":
        gallery.move_templates([first], name := "Mia")
    elif way == "set aside":
        gallery.set_aside_templates([first])
    elif way == "set aside as another's":
        gallery.set_aside_templates([first])
        add(gallery, new(name := "Mia", "p", CODES[11]))
    else:
        add(gallery, new("Lea", "q", CODES[11]), new("Mia", "r", CODES[12]))
        if way == "deleted":
            gallery.remove_templates([first])
            gallery.compact()
        else:
            thin(gallery, "Lea", "q")
        if way == "merged":
            gallery.merge("Lea", into=(name := "Mia"))
    receipt = gallery.forget(name)
    assert (receipt.backups, receipt.exports) == ((made,), (made,))
    assert gallery.check() == []
