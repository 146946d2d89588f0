"""Folders of people: whole or not at all, over nothing that is there."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image

from facesearch import ClusteredFace, Gallery, PhotoClusters, UsageError, write_folders
from facesearch.errors import FacesearchError
from facesearch.photos.sources import from_paths
from facesearch.sorting import person_folders
from facesearch.sorting.person_folders import check_folder


def clusters_of(*faces: tuple[Path, int | None]) -> PhotoClusters:
    """Faces as they would be found; their photos need not be photos."""
    found = [ClusteredFace(path, (0, 0, 9, 9), number, 1.0, cluster) for number, (path, cluster) in enumerate(faces, 1)]
    return PhotoClusters(found, len(faces), "an encoder", 0.5)


@pytest.fixture
def photos(tmp_path: Path) -> list[Path]:
    """Five files with the same name in five folders."""
    paths = [tmp_path / "photos" / str(number) / "IMG_1.jpg" for number in range(5)]
    for path in paths:
        path.parent.mkdir(parents=True)
        path.write_text(str(path.parent.name))
    return paths


def tree(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if not path.is_dir())


def test_every_cluster_is_a_folder_and_the_others_are_alone(photos: list[Path], tmp_path: Path) -> None:
    a, b, c, d, _ = photos
    os.utime(a, (1, 1_000_000))
    report = write_folders(clusters_of((a, 1), (b, 1), (b, 2), (c, 2), (d, None), (d, None)), tmp_path / "out")
    assert report.folders == ["001", "002", "alone"]
    assert (report.photos, report.files) == (4, 5)  # one is of two people
    assert tree(tmp_path / "out") == [
        "001/IMG_1-2.jpg",
        "001/IMG_1.jpg",
        "002/IMG_1-2.jpg",
        "002/IMG_1.jpg",
        "alone/IMG_1.jpg",
    ]
    copy = tmp_path / "out" / "001" / "IMG_1.jpg"
    assert (copy.read_text(), copy.stat().st_mtime, copy.is_symlink()) == ("0", 1_000_000, False)
    assert [path.read_text() for path in photos] == ["0", "1", "2", "3", "4"]
    assert not [path for path in tmp_path.iterdir() if path.name.endswith(".tmp")]
    assert (tmp_path / "out").stat().st_mode & 0o077 == 0


def test_numbers_have_as_many_digits_as_are_needed(photos: list[Path]) -> None:
    few, many = clusters_of((photos[0], 1)), clusters_of((photos[0], 1), (photos[1], 1000))
    assert (few.label(1), many.label(1), many.label(1000)) == ("001", "0001", "1000")


def test_links_lead_to_the_photos_from_wherever(
    photos: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    found = clusters_of((photos[0].relative_to(tmp_path), 1), (photos[1].relative_to(tmp_path), 1))
    report = write_folders(found, Path("out"), link=True)
    monkeypatch.chdir("/")
    linked = sorted((tmp_path / "out" / "001").iterdir())
    assert all(path.is_symlink() for path in linked)
    assert {path.read_text() for path in linked} == {"0", "1"}
    assert not report.hard_links


def _refuse(*_: object, **__: object) -> None:
    raise OSError(errno.EPERM, "operation not permitted")


def test_without_symbolic_links_there_are_hard_ones_and_it_is_said(
    photos: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Path, "symlink_to", _refuse)
    report = write_folders(clusters_of((photos[0], 1), (photos[1], 1)), tmp_path / "out", link=True)
    assert report.hard_links
    assert (tmp_path / "out" / "001" / "IMG_1.jpg").stat().st_ino == photos[0].stat().st_ino
    monkeypatch.setattr(Path, "hardlink_to", _refuse)
    with pytest.raises(FacesearchError, match="leave --link out"):
        write_folders(clusters_of((photos[0], 1)), tmp_path / "other", link=True)
    assert not (tmp_path / "other").exists()


def test_names_differ_also_where_upper_and_lower_case_are_the_same(tmp_path: Path) -> None:
    long = "ü" * 125 + ".jpg"  # 254 bytes
    paths = [tmp_path / folder / name for folder in "ab" for name in ("a.JPG", "A.jpg", "a-2.jpg", long)]
    for path in paths:
        path.parent.mkdir(exist_ok=True)
        path.write_text("x")
    write_folders(clusters_of(*((path, 1) for path in paths)), tmp_path / "out")
    names = [path.name for path in (tmp_path / "out" / "001").iterdir()]
    assert len({name.casefold() for name in names}) == len(paths)
    assert all(name.casefold().endswith(".jpg") for name in names)


def test_a_folder_that_is_there_is_filled_only_if_it_is_empty(photos: list[Path], tmp_path: Path) -> None:
    target = tmp_path / "out"
    target.mkdir()
    there = target.stat().st_ino
    write_folders(clusters_of((photos[0], 1)), target)
    assert tree(target) == ["001/IMG_1.jpg"]
    assert target.stat().st_ino == there  # somebody may stand in it
    (target / "001" / "mine.txt").write_text("mine")
    with pytest.raises(UsageError, match="not empty"):
        write_folders(clusters_of((photos[1], 1)), target)
    assert tree(target) == ["001/IMG_1.jpg", "001/mine.txt"]


@pytest.mark.parametrize("there", [True, False])
@pytest.mark.parametrize("fault", [KeyboardInterrupt(), OSError(errno.ENOSPC, "No space left on device")])
def test_what_is_interrupted_leaves_nothing(
    photos: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fault: BaseException, there: bool
) -> None:
    target = tmp_path / "out"
    if there:
        target.mkdir()
    copied = iter([shutil.copyfile, shutil.copyfile])

    def fails_at_the_third(source: Path, place: Path) -> object:
        for copy in copied:
            return copy(source, place)
        raise fault

    monkeypatch.setattr(person_folders.shutil, "copyfile", fails_at_the_third)  # type: ignore[attr-defined]
    with pytest.raises(KeyboardInterrupt if isinstance(fault, KeyboardInterrupt) else FacesearchError) as caught:
        write_folders(clusters_of(*((photo, 1) for photo in photos)), target)
    assert there == target.is_dir()
    assert sorted(path.name for path in tmp_path.iterdir()) == (["out", "photos"] if there else ["photos"])
    assert not there or not any(target.iterdir())
    if isinstance(fault, OSError):
        assert "no space left" in str(caught.value)


def test_a_fault_while_folders_are_put_in_place_takes_them_all_back(
    photos: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target, real = tmp_path / "out", Path.rename
    target.mkdir()

    def rename(path: Path, to: Path) -> Path:
        if path.name == "002":
            raise KeyboardInterrupt
        return real(path, to)

    monkeypatch.setattr(Path, "rename", rename)
    with pytest.raises(KeyboardInterrupt):
        write_folders(clusters_of((photos[0], 1), (photos[1], 2)), target)
    assert not any(target.iterdir())


def test_the_folder_that_one_stands_in_may_be_filled(
    photos: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "out").mkdir()
    monkeypatch.chdir(tmp_path / "out")
    write_folders(clusters_of((photos[0], 1)), Path())
    assert tree(tmp_path / "out") == ["001/IMG_1.jpg"]


def test_what_somebody_else_makes_meanwhile_is_left_alone(
    photos: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target, real = tmp_path / "out", shutil.copyfile

    def slow(source: Path, place: Path) -> object:
        target.mkdir()
        (target / "theirs").write_text("theirs")
        return real(source, place)

    monkeypatch.setattr(person_folders.shutil, "copyfile", slow)  # type: ignore[attr-defined]
    with pytest.raises(UsageError, match="is there now"):
        write_folders(clusters_of((photos[0], 1)), target)
    assert tree(target) == ["theirs"]


def test_a_photo_that_has_gone_is_told_and_the_others_are_there(photos: list[Path], tmp_path: Path) -> None:
    photos[1].unlink()
    report = write_folders(clusters_of((photos[0], 1), (photos[1], 1)), tmp_path / "out")
    assert [item.path for item in report.gone] == [str(photos[1])]
    assert (report.photos, report.files, tree(tmp_path / "out")) == (1, 1, ["001/IMG_1.jpg"])


def test_no_faces_make_no_folder(tmp_path: Path) -> None:
    assert write_folders(clusters_of(), tmp_path / "out").folder is None
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("target", ["photos/out", "photos/0/out", "away/out", "file"])
def test_a_target_that_cannot_be_is_refused_at_once(photos: list[Path], tmp_path: Path, target: str) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(UsageError, match=r"lies in|no folder"):
        check_folder(tmp_path / target, tmp_path / "photos")


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of one megabyte, mounted."""
    place = tmp_path / "disk"
    place.mkdir()
    if os.geteuid() or shutil.which("mount") is None or os.system(f"mount -t tmpfs -o size=1m t {place} 2>/dev/null"):
        pytest.skip("a small file system cannot be mounted here")
    yield place
    os.system(f"umount --lazy {place}")


def test_a_full_disk_that_is_the_folder_itself_stays_empty(tmp_path: Path, small_disk: Path) -> None:
    paths = [tmp_path / f"{number}.jpg" for number in range(4)]
    for path in paths:
        path.write_bytes(os.urandom(400_000))
    with pytest.raises(FacesearchError, match="no space left"):
        write_folders(clusters_of(*((path, 1) for path in paths)), small_disk)
    assert not any(small_disk.iterdir())
    write_folders(clusters_of(*((path, 1) for path in paths[:2])), small_disk)
    assert tree(small_disk) == ["001/0.jpg", "001/1.jpg"]


def test_a_folder_that_was_given_a_name_is_enrolled(clustered: PhotoClusters, tmp_path: Path) -> None:
    report = write_folders(clustered, tmp_path / "out", link=True)
    assert report.folders == ["001", "002", "003", "alone"]
    (tmp_path / "out" / "001").rename(tmp_path / "out" / "Ada")
    (tmp_path / "out" / "003").rename(tmp_path / "out" / "Zoe")
    shutil.rmtree(tmp_path / "out" / "alone")
    shutil.rmtree(tmp_path / "out" / "002")
    with Gallery.open(tmp_path / "gallery") as gallery:
        enrolled = gallery.enroll_photos(from_paths([tmp_path / "out"]).photos)
        assert (enrolled.identities, enrolled.rejected) == (2, [])
        assert enrolled.templates == 5
        ada = next(face for face in clustered.clusters()[0] if face.path.name == "both.png")
        (template,) = [each for each in gallery.templates("Ada") if each.path.endswith("both.png")]
        assert template.box == pytest.approx(ada.box, abs=1)  # of the two faces in it, hers


def test_a_sheet_has_a_row_for_each_cluster_and_a_place_for_what_is_gone(
    clustered: PhotoClusters, tmp_path: Path
) -> None:
    (sheet,) = clustered.sheets()
    (rows,) = clusters_of((tmp_path / "gone.jpg", 1)).sheets()
    assert sheet.height == 3 * rows.height
    assert sheet.width > rows.width
    assert isinstance(rows, Image.Image)
    assert not list(clusters_of((tmp_path / "gone.jpg", None)).sheets())
