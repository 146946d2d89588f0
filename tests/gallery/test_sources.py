"""Which photos are of whom."""

from __future__ import annotations

import string
import tempfile
import unicodedata
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from facesearch.errors import UsageError
from facesearch.photos.sources import Sources, from_manifest, from_paths, photos_within


def _touch(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()


def _pairs(sources: Sources) -> list[tuple[str, str]]:
    return [(photo.identity, photo.path.name) for photo in sources.photos]


def test_a_folder_of_people_gives_their_photos_by_name(tmp_path: Path) -> None:
    _touch(tmp_path, "Bob/2.png", "Bob/1.JPG", "Ann/x.webp", "Ann/without-suffix", "Cid/photo.heic")
    assert _pairs(from_paths([tmp_path])) == [
        ("Ann", "without-suffix"),
        ("Ann", "x.webp"),
        ("Bob", "1.JPG"),
        ("Bob", "2.png"),
        ("Cid", "photo.heic"),
    ]


def test_several_folders_of_people_may_name_the_same_person(tmp_path: Path) -> None:
    _touch(tmp_path, "one/Ann/1.jpg", "two/Ann/2.jpg")
    assert _pairs(from_paths([tmp_path / "one", tmp_path / "two"])) == [("Ann", "1.jpg"), ("Ann", "2.jpg")]


def test_hidden_files_and_what_is_no_photo_are_ignored_and_counted(tmp_path: Path) -> None:
    names = (".hidden/1.jpg", ".DS_Store", "notes.txt", "Ann/.1.jpg", "Ann/Thumbs.db", "Ann/list.csv", "Ann/1.jpg")
    _touch(tmp_path, *names)
    found = from_paths([tmp_path])
    assert _pairs(found) == [("Ann", "1.jpg")]
    assert found.ignored == 6
    assert found.rejected == []


def test_photos_of_anybody_are_found_at_any_depth_in_order_and_hidden_ones_are_not(tmp_path: Path) -> None:
    photos = ("a/b/1.HEIC", "a/without-suffix", "c/2.gif", "z.jfif")
    _touch(tmp_path, *photos, ".DS_Store", "a/.1.jpg", ".cache/3.jpg", "a/.thumbnails/4.jpg", "list.csv")
    (tmp_path / "folder.jpg").mkdir()
    assert photos_within(tmp_path) == [tmp_path / name for name in photos]


def test_a_photo_outside_of_a_persons_folder_is_rejected_with_what_to_do(tmp_path: Path) -> None:
    _touch(tmp_path, "stray.jpg", "Ann/1.jpg")
    found = from_paths([tmp_path])
    assert _pairs(found) == [("Ann", "1.jpg")]
    (stray,) = found.rejected
    assert stray.path == str(tmp_path / "stray.jpg")
    assert "--identity NAME" in stray.reason


def test_a_folder_inside_of_a_persons_folder_is_not_overlooked(tmp_path: Path) -> None:
    """It becomes a photo that is rejected as a folder when it is read."""
    _touch(tmp_path, "Ann/holiday/1.jpg", "Ann/2.jpg")
    assert _pairs(from_paths([tmp_path])) == [("Ann", "2.jpg"), ("Ann", "holiday")]


def test_files_and_folders_can_be_said_to_be_of_one_person(tmp_path: Path) -> None:
    _touch(tmp_path, "shots/2.jpg", "shots/.hidden.jpg", "1.jpg", "odd.xyz")
    paths = [tmp_path / "1.jpg", tmp_path / "shots", tmp_path / "odd.xyz", tmp_path / "missing.jpg"]
    found = from_paths(paths, "Ann")
    assert _pairs(found) == [("Ann", "1.jpg"), ("Ann", "2.jpg"), ("Ann", "odd.xyz"), ("Ann", "missing.jpg")]
    assert found.ignored == 1


def test_a_single_file_needs_a_name_and_a_missing_folder_is_an_error(tmp_path: Path) -> None:
    _touch(tmp_path, "1.jpg")
    with pytest.raises(UsageError, match="is a single file: say whose photo it is with --identity NAME"):
        from_paths([tmp_path / "1.jpg"])
    with pytest.raises(UsageError, match="missing: no such file or folder"):
        from_paths([tmp_path / "missing"])


def test_one_persons_folder_that_cannot_be_read_does_not_stop_the_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _touch(tmp_path, "Ann/1.jpg", "Bob/1.jpg")
    iterate = Path.iterdir

    def refusing(self: Path) -> object:
        if self.name == "Ann":
            raise PermissionError(13, "Permission denied")
        return iterate(self)

    monkeypatch.setattr(Path, "iterdir", refusing)
    found = from_paths([tmp_path])
    assert _pairs(found) == [("Bob", "1.jpg")]
    assert [item.path for item in found.rejected] == [str(tmp_path / "Ann")]
    with pytest.raises(UsageError, match=r"Ann cannot be read \(permission denied\)"):
        from_paths([tmp_path / "Ann"])


def test_links_in_a_circle_are_left_for_the_reader_to_reject(tmp_path: Path) -> None:
    _touch(tmp_path, "Ann/1.jpg")
    (tmp_path / "Ann" / "loop").symlink_to(tmp_path / "Ann" / "loop")
    (tmp_path / "circle").symlink_to(tmp_path / "circle")
    found = from_paths([tmp_path])
    assert _pairs(found) == [("Ann", "1.jpg"), ("Ann", "loop")]


_NAMES = st.text(
    st.characters(exclude_categories=("Cs", "Cc"), exclude_characters="/"), min_size=1, max_size=40
).filter(lambda name: not name.startswith(".") and len(name.encode()) < 200)


@given(names=st.lists(_NAMES, max_size=5, unique_by=lambda name: unicodedata.normalize("NFC", name)))
def test_folders_of_any_name_become_identities_in_composed_form(names: list[str]) -> None:
    with tempfile.TemporaryDirectory() as made:
        for name in names:
            _touch(Path(made), f"{name}/1.jpg")
        found = from_paths([Path(made)])
    wanted = sorted(unicodedata.normalize("NFC", name) for name in names)
    assert sorted(photo.identity for photo in found.photos) == wanted


@given(
    rows=st.lists(
        st.tuples(
            st.text(string.ascii_letters + " ,\"';\nÄé李", max_size=12),
            st.text(string.ascii_letters + ',"./', max_size=12),
        ),
        max_size=6,
    )
)
def test_a_list_written_by_any_csv_writer_is_read_back(rows: list[tuple[str, str]]) -> None:
    import csv

    with tempfile.TemporaryDirectory() as made:
        manifest = Path(made) / "people.csv"
        with manifest.open("w", encoding="utf-8", newline="") as file:
            csv.writer(file).writerows([("path", "identity", "more"), *((path, name, "x") for name, path in rows)])
        found = from_manifest(manifest)
    full = [(name.strip(), Path(made) / path) for name, path in rows if name.strip() and path]
    assert [(photo.identity, photo.path) for photo in found.photos] == full
    assert len(found.rejected) == len(rows) - len(full)


def test_a_list_names_files_relative_to_its_own_folder(tmp_path: Path) -> None:
    manifest = tmp_path / "lists" / "people.csv"
    manifest.parent.mkdir()
    manifest.write_text("identity,path\nAnn, a/1.jpg \nBob,../2.jpg\nCid,/elsewhere/3.jpg\n")
    assert [photo.path for photo in from_manifest(manifest).photos] == [
        tmp_path / "lists" / "a" / "1.jpg",
        tmp_path / "lists" / ".." / "2.jpg",
        Path("/elsewhere/3.jpg"),
    ]


def test_a_list_saved_by_a_spreadsheet_may_start_with_a_byte_order_mark(tmp_path: Path) -> None:
    manifest = tmp_path / "people.csv"
    manifest.write_text("identity,path\r\nZoë,1.jpg\r\n", encoding="utf-8-sig")
    assert _pairs(from_manifest(manifest)) == [("Zoë", "1.jpg")]


def test_a_line_with_an_empty_cell_is_rejected_by_its_number(tmp_path: Path) -> None:
    manifest = tmp_path / "people.csv"
    manifest.write_text("identity,path\nAnn,1.jpg\n,2.jpg\nBob,\nCid\nDot,3.jpg,more\n")
    found = from_manifest(manifest)
    assert _pairs(found) == [("Ann", "1.jpg"), ("Dot", "3.jpg")]
    reasons = [(item.path, item.reason) for item in found.rejected]
    assert reasons == [
        (name, f"line {line} has an empty column") for name, line in (("2.jpg", 3), ("Bob", 4), ("Cid", 5))
    ]


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (b"name,path\nAnn,1.jpg\n", "has no column identity"),
        (b"identity;path\nAnn;1.jpg\n", "has no column identity and no column path"),
        (b"", "has no column identity and no column path"),
        ("identity,path\nZoë,1.jpg\n".encode("utf-16"), "is not a CSV file in UTF-8"),
        (b"identity,path\nZo\xeb,1.jpg\n", "is not a CSV file in UTF-8"),
    ],
)
def test_a_list_that_is_none_is_refused_in_a_line(content: bytes, complaint: str, tmp_path: Path) -> None:
    manifest = tmp_path / "people.csv"
    manifest.write_bytes(content)
    with pytest.raises(UsageError, match=complaint) as refused:
        from_manifest(manifest)
    assert str(manifest) in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_list_that_is_missing_or_a_folder_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"cannot be read \(no such file or directory\)"):
        from_manifest(tmp_path / "people.csv")
    with pytest.raises(UsageError, match="cannot be read"):
        from_manifest(tmp_path)
