"""Enrolling photos: what is skipped, what is rejected and why, and that the batch goes on."""

from __future__ import annotations

import os
import shutil
import struct
import subprocess
import sys
import tempfile
import unicodedata
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from facesearch import Gallery
from facesearch.errors import IdentityExistsError, UnknownIdentityError, UsageError
from facesearch.photos.decoding import load_image
from facesearch.photos.photo import Photo
from facesearch.photos.sources import from_paths
from facesearch.workshop.sample_people import draw_people, group_photo

from .doubles import ProjectionEncoder

ROOT = Path(__file__).parents[2]


@pytest.fixture
def encoder() -> ProjectionEncoder:
    return ProjectionEncoder()


@pytest.fixture
def gallery(tmp_path: Path, encoder: ProjectionEncoder) -> Gallery:
    return Gallery.open(tmp_path / "gallery", encoder=encoder)


# skipped


def test_a_second_enrolment_of_the_same_photos_encodes_nothing(
    gallery: Gallery, encoder: ProjectionEncoder, known: list[Photo]
) -> None:
    first = gallery.enroll_photos(known)
    assert (first.templates, first.identities, first.skipped) == (len(known), len(known) // 2, 0)
    assert encoder.encoded == len(known)
    second = gallery.enroll_photos(known)
    assert (second.templates, second.identities, second.skipped, second.rejected) == (0, 0, len(known), [])
    assert encoder.encoded == len(known)
    assert first.images_per_second > 0
    assert second.images_per_second == 0


def test_a_photo_is_known_by_its_content_also_renamed_and_moved(
    gallery: Gallery, encoder: ProjectionEncoder, known: list[Photo], tmp_path: Path
) -> None:
    gallery.enroll_photos(known[:2])
    moved = tmp_path / "elsewhere" / "other name.png"
    moved.parent.mkdir()
    shutil.copy(known[0].path, moved)
    report = gallery.enroll_photos([Photo(known[0].identity, moved)])
    assert (report.templates, report.skipped) == (0, 1)
    assert encoder.encoded == 2


def test_the_same_image_of_another_identity_is_rejected_with_the_name_it_has(
    gallery: Gallery, known: list[Photo]
) -> None:
    gallery.enroll_photos(known[:2])
    report = gallery.enroll_photos([Photo("Somebody Else", known[0].path)])
    assert report.templates == 0
    assert [item.reason for item in report.rejected] == [
        f"the same image is enrolled as {known[0].identity}; "
        "to move it: facesearch templates move 1 --to 'Somebody Else'"
    ]
    with pytest.raises(UnknownIdentityError):
        gallery.identity("Somebody Else")


def test_the_same_image_twice_in_a_run_counts_once(gallery: Gallery, known: list[Photo]) -> None:
    photo = known[0]
    report = gallery.enroll_photos([photo, Photo("Somebody Else", photo.path), photo])
    assert (report.templates, report.identities, report.skipped) == (1, 1, 1)
    assert [item.reason for item in report.rejected] == [
        f"the same image is enrolled as {photo.identity}; to move it: facesearch templates move 1 --to 'Somebody Else'"
    ]
    assert gallery.counts() == (1, 1, 1)


def test_pixels_can_be_enrolled_and_are_skipped_the_second_time(gallery: Gallery, known: list[Photo]) -> None:
    pixels = [load_image(photo.path) for photo in known[:2]]
    assert gallery.enroll("Ann", pixels).templates == 2
    assert gallery.enroll("Ann", pixels).skipped == 2
    assert gallery.identify(pixels[0]).candidates[0].identity == "Ann"


def test_a_single_file_is_taken_for_a_list_of_one(gallery: Gallery, known: list[Photo]) -> None:
    assert gallery.enroll("Ann", str(known[0].path)).templates == 1
    assert gallery.enroll("Ann", known[0].path).skipped == 1


def test_progress_and_confirmations_are_told_photo_by_photo(
    gallery: Gallery, known: list[Photo], tmp_path: Path
) -> None:
    photos = [*known[:3], Photo("Ann", tmp_path / "missing.jpg")]
    told: list[tuple[int, int]] = []
    confirmed: list[Photo] = []
    gallery.enroll_photos(photos, progress=lambda *done: told.append(done), committed=confirmed.append, workers=1)
    assert told == [(1, 4), (2, 4), (3, 4), (4, 4)]
    assert confirmed == known[:3]


def test_a_photo_is_confirmed_only_when_the_gallery_on_disk_has_it(
    gallery: Gallery, known: list[Photo], tmp_path: Path
) -> None:
    def confirm(photo: Photo) -> None:
        with Gallery.open(tmp_path / "gallery", encoder=ProjectionEncoder()) as other:
            assert any(info.path == str(photo.path) for info in other.identity(photo.identity)[1])

    gallery.enroll_photos(known[:3], committed=confirm)


# rejected


def _png_of_a_hundred_gigapixels(path: Path) -> None:
    header = struct.pack(">IIBBBBB", 330_000, 330_000, 8, 2, 0, 0, 0)
    chunks = [(b"IHDR", header), (b"IDAT", zlib.compress(bytes(100))), (b"IEND", b"")]
    body = b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)) for kind, data in chunks
    )
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + body)


def _bad_photos(folder: Path, good: Path) -> dict[str, str]:
    """One photo of every bad sort: file name and a part of the reason that has to be given."""
    content = good.read_bytes()
    (folder / "truncated.jpg").write_bytes(content[: len(content) // 2])
    (folder / "header.jpg").write_bytes(content[:30])
    (folder / "empty.jpg").write_bytes(b"")
    (folder / "text.jpg").write_text("not a photo at all")
    (folder / "noise.jpg").write_bytes(b"\xff\xd8\xff" + os.urandom(5000))
    (folder / "folder.jpg").mkdir()
    _png_of_a_hundred_gigapixels(folder / "bomb.png")
    Image.new("RGB", (4, 4)).save(folder / "dot.png")
    Image.fromarray(np.full((240, 240, 3), 90, np.uint8)).save(folder / "wall.png")
    Image.fromarray(group_photo(draw_people(2))).save(folder / "couple.png")
    scene = Image.new("RGB", (320, 320), (120, 120, 120))
    scene.paste(Image.open(good).resize((64, 64)), (100, 100))
    scene.save(folder / "far.png")
    (folder / "dangling.jpg").symlink_to(folder / "nowhere.jpg")
    (folder / "loop.jpg").symlink_to(folder / "loop.jpg")
    os.mkfifo(folder / "pipe.jpg")
    return {
        "truncated.jpg": "truncated image file",
        "header.jpg": "image file",
        "empty.jpg": "empty file",
        "text.jpg": "not an image in a known format",
        "noise.jpg": "image file",
        "folder.jpg": "is a folder",
        "bomb.png": "more than 89 megapixels (330000×330000)",
        "dot.png": "too small (4×4",
        "wall.png": "no face found",
        "couple.png": "none of its 2 faces is taken for Ann, who is enrolled",
        "far.png": "(--min-face)",
        "dangling.jpg": "no such file",
        "loop.jpg": "cannot be read",
        "pipe.jpg": "not a regular file",
    }


def test_every_bad_photo_is_rejected_with_its_reason_and_the_batch_goes_on(
    gallery: Gallery, known: list[Photo], tmp_path: Path
) -> None:
    person = tmp_path / "people" / "Ann"
    person.mkdir(parents=True)
    reasons = _bad_photos(person, known[0].path)
    shutil.copy(known[0].path, person / "a good one.jpg")
    shutil.copy(known[1].path, person / "z good one.jpg")
    (person / "missing.jpg").touch()
    photos = [*from_paths([tmp_path / "people"]).photos, Photo("Ann", person / "folder.jpg")]
    (person / "missing.jpg").unlink()
    report = gallery.enroll_photos(photos)
    assert report.templates == 2
    rejected = {Path(item.path).name: item.reason for item in report.rejected}
    assert rejected.keys() == {*reasons, "missing.jpg"}
    for name, reason in reasons.items():
        assert reason in rejected[name], name
        assert "\n" not in rejected[name]
    assert rejected["missing.jpg"] == "no such file"
    assert gallery.counts() == (1, 2, 2)
    assert gallery.check() == []


def test_a_photo_that_clearly_has_one_subject_is_accepted(gallery: Gallery) -> None:
    people = draw_people(3)
    report = gallery.enroll("Ann", [group_photo(people, size=(320, 720), dominant=1)])
    assert (report.templates, report.rejected) == (1, [])


@pytest.mark.skipif(not hasattr(os, "geteuid"), reason="no POSIX permissions here")
def test_a_photo_without_permission_is_rejected_and_a_folder_without_it_too(known: list[Photo]) -> None:
    """In a process of its own: the superuser, who may read everything, becomes nobody first."""
    script = """
import os, sys
from pathlib import Path
from facesearch.photos.decoding import read_bytes
from facesearch.errors import RejectedImageError
from facesearch.photos.sources import from_paths
if os.geteuid() == 0:
    os.setuid(65534)
found = from_paths([Path(sys.argv[1])])
for photo in found.photos:
    try:
        read_bytes(photo.path)
        print(photo.path.name, "fine")
    except RejectedImageError as error:
        print(photo.path.name, error)
for item in found.rejected:
    print(item.reason)
"""
    with tempfile.TemporaryDirectory() as made:
        Path(made).chmod(0o755)
        people = Path(made) / "people"
        for name in ("Ann", "Bob"):
            (people / name).mkdir(parents=True)
            shutil.copyfile(known[0].path, people / name / "1.jpg")
            shutil.copyfile(known[0].path, people / name / "2.jpg")
        (people / "Ann" / "1.jpg").chmod(0)
        (people / "Bob").chmod(0)
        try:
            arguments = [sys.executable, "-c", script, str(people)]
            done = subprocess.run(arguments, check=True, cwd=ROOT, capture_output=True, text=True)
        finally:
            (people / "Bob").chmod(0o755)
    first, second, third = done.stdout.splitlines()
    assert first == "1.jpg no permission to read"
    assert second == "2.jpg fine"
    assert third.endswith("Bob cannot be read (permission denied)")


# names


@pytest.mark.parametrize(
    "name",
    [
        "Zoë Ångström",
        'O\'Brien "the fox"',
        "李小龍",
        "🙂",
        "two  spaces",
        "علی\u200cرضا",
        "👩\u200d🚒",
        "x" * 200,
        "a/b\\c",
        "%s {0} <b>[red]",
    ],
)
def test_an_unusual_name_is_kept_as_it_is(name: str, gallery: Gallery, known: list[Photo]) -> None:
    assert gallery.enroll(name, [known[0].path]).templates == 1
    assert gallery.identify(known[0].path).candidates[0].identity == name
    assert [person.name for person in gallery.identities()] == [name]
    assert gallery.forget(name).identity == name


def test_a_name_is_the_same_name_in_either_form_of_unicode(gallery: Gallery, known: list[Photo]) -> None:
    apart, together = unicodedata.normalize("NFD", "Zoë"), unicodedata.normalize("NFC", "Zoë")
    assert apart != together
    gallery.enroll(apart, [known[0].path])
    gallery.enroll(together, [known[1].path])
    assert [(person.name, person.templates) for person in gallery.identities()] == [(together, 2)]
    assert len(gallery.identity(apart)[1]) == 2
    gallery.rename(apart, "Ann")
    gallery.rename("Ann", apart)
    gallery.enroll("Bob", [known[2].path])
    with pytest.raises(IdentityExistsError):
        gallery.rename("Bob", apart)
    assert gallery.merge("Bob", apart) == 1
    assert gallery.forget(apart).templates == 3


@pytest.mark.parametrize("name", ["", "  ", "two\nlines", "tab\there", "nul\0", "half\udc80", "line\u2028separator"])
def test_a_name_that_cannot_be_shown_is_rejected_photo_by_photo(
    name: str, gallery: Gallery, known: list[Photo]
) -> None:
    report = gallery.enroll_photos([Photo(name, known[0].path), known[1]])
    assert report.templates == 1
    (item,) = report.rejected
    assert item.path == str(known[0].path)
    assert "name" in item.reason
    assert item.reason.isprintable()
    with pytest.raises(UsageError):
        gallery.rename(known[1].identity, name)
