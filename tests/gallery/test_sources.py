"""Which photos are of whom."""

from __future__ import annotations

import os
import re
import string
import tempfile
import unicodedata
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from facesearch.errors import UsageError
from facesearch.photos.sources import Sources, from_manifest, from_paths, left_out_in_words, of_anybody, photos_within
from facesearch.text.characters import unseen_in_name, without_unseen

JPEG = b"\xff\xd8\xff\xe0\0\x10JFIF"


def _touch(folder: Path, *names: str) -> None:
    """Files that begin like a photo."""
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(JPEG)


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


def test_folders_inside_a_persons_folder_belong_to_the_person(tmp_path: Path) -> None:
    _touch(tmp_path, "Ann/holiday/1.jpg", "Ann/holiday/beach/3.jpg", "Ann/2.jpg", "Ann/empty/x.txt", "Bob/4.jpg")
    ann = [("Ann", "2.jpg"), ("Ann", "1.jpg"), ("Ann", "3.jpg")]
    found = from_paths([tmp_path])
    assert _pairs(found) == [*ann, ("Bob", "4.jpg")]
    assert (found.sub_folders, found.rejected) == (2, [])
    assert _pairs(from_paths([tmp_path / "Ann"], "Ann")) == ann


def test_what_is_named_like_no_photo_is_told_by_its_content(tmp_path: Path) -> None:
    odd = ("1.mpo", "2.jpg_large", "3.JPG~", "subject01.happy", "J. Smith Jr. Holiday", "plain", "5.xyz.1")
    _touch(tmp_path, *(f"Ann/{name}" for name in odd))
    contents = {
        "raw.cr2": b"II*\0\x10\0\0\0CR",
        "a.jxl": b"\xff\x0a\xfa",
        "b.pgm": b"P5\n2 2\n255\n",
        "c.bin": b"BM" + bytes(12) + b"\x28\0\0\0",
        "d.bin": b"RIFF\x24\0\0\0WEBPVP8 ",
        "e.bin": b"\0\0\0\x18ftypheic\0\0\0\0",
    }
    for name, content in contents.items():
        (tmp_path / "Ann" / name).write_bytes(content)
    others = {
        "f.one": b"text",
        "g.two": b"BM is how this text begins",
        "h.mpg": b"\0\0\0\x18ftypisom\0\0\0\0",
        "i.three": b"",
    }
    for name, content in others.items():
        (tmp_path / "Ann" / name).write_bytes(content)
    (tmp_path / "Ann" / "README").write_text("RIFFS and other songs")
    found = from_paths([tmp_path])
    assert {photo.path.name for photo in found.photos} == {*odd, *contents}
    assert found.left_out == {".one": 1, ".two": 1, ".mpg": 1, ".three": 1, "without suffix": 1}
    assert found.ignored == 5


def test_what_stands_beside_photos_is_counted_by_suffix_whatever_is_in_it(tmp_path: Path) -> None:
    _touch(tmp_path, "Ann/1.jpg", "Ann/1.xmp", "Ann/1.JPG.XMP", "Ann/Thumbs.db", "Ann/desktop.ini", "Ann/1.json")
    _touch(tmp_path, "Ann/.DS_Store", "Ann/._1.jpg", "Ann/1.txt", "Ann/1.mov")
    found = from_paths([tmp_path])
    assert _pairs(found) == [("Ann", "1.jpg")]
    assert found.left_out == {".xmp": 2, ".db": 1, ".ini": 1, ".json": 1, "hidden": 2, ".txt": 1, ".mov": 1}
    assert left_out_in_words(found.left_out).startswith("left out 9 files: 2 ")


def test_many_kinds_of_files_left_out_make_no_long_line(tmp_path: Path) -> None:
    for number in range(30):
        _touch(tmp_path, "Ann/1.jpg")
        (tmp_path / "Ann" / f"x.kind{number}").write_text("x")
    assert left_out_in_words(from_paths([tmp_path]).left_out).endswith(", 22 others")


def test_links_between_folders_end_and_give_nobody_the_photos_of_others(tmp_path: Path) -> None:
    _touch(tmp_path, "people/Ann/1.jpg", "people/Ann/old/2.jpg", "people/Bob/3.jpg", "elsewhere/4.jpg")
    for name, target in (
        ("Ann/self", "people/Ann"),
        ("Ann/all", "people"),
        ("Ann/root", "."),
        ("Ann/bob", "people/Bob"),
        ("Ann/old/up", "people/Ann"),
        ("Ann/more", "elsewhere"),
        ("Everybody", "people"),
        ("Bobby", "people/Bob"),
        ("Dot", "elsewhere"),
    ):
        (tmp_path / "people" / name).symlink_to(tmp_path / target)
    (tmp_path / "elsewhere" / "back").symlink_to(tmp_path / "elsewhere")
    found = from_paths([tmp_path / "people"])
    assert _pairs(found) == [("Ann", "1.jpg"), ("Ann", "4.jpg"), ("Ann", "2.jpg"), ("Bob", "3.jpg"), ("Dot", "4.jpg")]
    assert found.left_out == {"link to a folder read elsewhere": 9}
    assert len(photos_within(tmp_path)) == 4


def test_names_of_folders_are_taken_without_what_nobody_sees(tmp_path: Path) -> None:
    _touch(tmp_path, "Ann/1.jpg", "Ann /2.jpg", "\u200bAnn/3.jpg", "A\u202enn/4.jpg", " \u2066Ann\u2069/5.jpg")
    joined = "علی\u200cرضا"
    _touch(tmp_path, f"{joined}/6.jpg", "Bo\u200cb/7.jpg")
    assert {photo.identity for photo in from_paths([tmp_path]).photos} == {"Ann", joined, "Bob"}


def test_a_folder_whose_name_cannot_be_a_persons_is_rejected_as_one(tmp_path: Path) -> None:
    _touch(tmp_path, "Ann/1.jpg", "a\x1b[2Jb/2.jpg", "a\x1b[2Jb/3.jpg", "new\nline/4.jpg", "\u200b/5.jpg")
    found = from_paths([tmp_path])
    assert _pairs(found) == [("Ann", "1.jpg")]
    reasons = {Path(item.path).name: item.reason for item in found.rejected}
    assert reasons == {
        "a\x1b[2Jb": "its name holds U+001B: rename the folder",
        "new\nline": "its name holds U+000A: rename the folder",
        "\u200b": "its name holds nothing that can be seen: rename the folder",
    }


def test_photos_of_anybody_come_from_files_and_folders(tmp_path: Path) -> None:
    _touch(tmp_path, "a/b/1.jpg", "a/2.jpg", "a/x.txt", "3.jpg", "odd.xyz")
    (tmp_path / "empty").mkdir()
    found = of_anybody([tmp_path / "3.jpg", tmp_path / "a", tmp_path / "odd.xyz", tmp_path / "missing.jpg"])
    assert [photo.path.name for photo in found.photos] == ["3.jpg", "2.jpg", "1.jpg", "odd.xyz", "missing.jpg"]
    assert found.left_out == {".txt": 1}
    with pytest.raises(UsageError, match="empty holds no photos"):
        of_anybody([tmp_path / "empty"])


@pytest.mark.parametrize("url", ["https://example.org/a.jpg", "HTTP://example.org/a.jpg", "ftp://example.org/a.jpg"])
def test_a_url_is_said_to_be_one_and_is_shown_as_it_was_typed(url: str, tmp_path: Path) -> None:
    for identity in (None, "Ann"):
        with pytest.raises(UsageError) as refused:
            from_paths([Path(url)], identity)
        assert str(refused.value) == f"{url} is a URL: photos are not fetched, download it first"
    with pytest.raises(UsageError, match="photos are not fetched"):
        of_anybody([Path(url)])
    (tmp_path / "people.csv").write_text(f"identity,path\nAnn,{url}\n")
    (rejected,) = from_manifest(tmp_path / "people.csv").rejected
    assert (rejected.path, rejected.reason) == (url, "line 2 names a URL: photos are not fetched, download it")


def test_a_pipe_is_waited_for_by_nobody(tmp_path: Path) -> None:
    _touch(tmp_path, "Ann/1.jpg")
    for name in ("Ann/pipe.jpg", "Ann/pipe", "people.csv"):
        os.mkfifo(tmp_path / name)
    assert _pairs(from_paths([tmp_path])) == [("Ann", "1.jpg"), ("Ann", "pipe"), ("Ann", "pipe.jpg")]
    with pytest.raises(UsageError, match=r"people\.csv cannot be read \(it is no ordinary file\)"):
        from_manifest(tmp_path / "people.csv")


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
    wanted = [unicodedata.normalize("NFC", without_unseen(name)) for name in names]
    usable = sorted(name for name in wanted if name and unseen_in_name(name) is None)
    assert sorted(photo.identity for photo in found.photos) == usable
    assert len(found.rejected) == len(names) - len(usable)


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


@pytest.mark.parametrize(
    "text", ["identity;path\nZoë;1,5.jpg\n", "Path\tIdentity\r\n1,5.jpg\tZoë\r\n", ' IDENTITY ,"PATH"\nZoë,"1,5.jpg"\n']
)
def test_a_list_may_have_other_separators_and_titles_in_capitals(text: str, tmp_path: Path) -> None:
    manifest = tmp_path / "people.csv"
    manifest.write_text(text, encoding="utf-8", newline="")
    assert _pairs(from_manifest(manifest)) == [("Zoë", "1,5.jpg")]


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
        (b"name,path\nAnn,1.jpg\n", "has no column identity: its columns are 'name', 'path'"),
        (b"who|where\nAnn|1.jpg\n", "has no column identity and no column path: its columns are 'who|where'"),
        (b"", "has no column identity and no column path: it is empty"),
        ("identity,path\nZoë,1.jpg\n".encode("utf-16"), "is not a CSV file in UTF-8"),
        (b"identity,path\nZo\xeb,1.jpg\n", "is not a CSV file in UTF-8"),
    ],
)
def test_a_list_that_is_none_is_refused_in_a_line(content: bytes, complaint: str, tmp_path: Path) -> None:
    manifest = tmp_path / "people.csv"
    manifest.write_bytes(content)
    with pytest.raises(UsageError, match=re.escape(complaint)) as refused:
        from_manifest(manifest)
    assert str(manifest) in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_list_that_is_missing_or_a_folder_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"cannot be read \(no such file or directory\)"):
        from_manifest(tmp_path / "people.csv")
    with pytest.raises(UsageError, match="cannot be read"):
        from_manifest(tmp_path)
