"""Index files of a server that another one took over from are nobody's any more, and are deleted."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from facesearch.store.postgresql.schema import Found
from facesearch.store.postgresql.succession import succeed

FIRST = Found(("origin", "16400", "5", "faces", "5432", "7000", "00000009"), ("origin", 16400), may_write=True)
LATER = replace(FIRST, which=(*FIRST.which[:4], "5433", "7000", "0000000A"))


def changed(which: int, word: str) -> Found:
    words = list(FIRST.which)
    words[which] = word
    return replace(FIRST, which=tuple(words))


def noted(folder: Path, found: Found) -> Path:
    folder.mkdir()
    (folder / "index-1.faiss").write_bytes(b"somebody")
    succeed(folder, found)
    return folder


def test_index_files_of_a_server_go_when_another_one_took_over(tmp_path: Path) -> None:
    standby = replace(FIRST, which=(*FIRST.which[:6], "standby 00000009"))
    old = [noted(tmp_path / "a", FIRST), noted(tmp_path / "b", standby)]
    new = noted(tmp_path / "c", LATER)
    assert not any(folder.exists() for folder in old)
    assert (new / "index-1.faiss").exists()
    succeed(new, LATER)
    assert (new / "index-1.faiss").exists()


@pytest.mark.parametrize(
    "other",
    [
        changed(0, "another gallery"),
        changed(5, "7001"),
        changed(2, "6"),
        changed(6, "0000000B"),
        changed(6, "0000000A"),
    ],
    ids=["another gallery", "another server", "another database", "a later one", "the same one"],
)
def test_index_files_of_others_stay(other: Found, tmp_path: Path) -> None:
    kept = noted(tmp_path / "kept", other)
    noted(tmp_path / "new", LATER)
    assert (kept / "index-1.faiss").exists()


def test_what_is_noted_may_be_damaged_or_missing(tmp_path: Path) -> None:
    for number, content in enumerate((b"", b"{}", b"[1]", b'["x", "y"]', b"\xff")):
        folder = tmp_path / str(number)
        folder.mkdir()
        (folder / "server.json").write_bytes(content)
    (tmp_path / "without").mkdir()
    noted(tmp_path / "new", LATER)
    assert len(list(tmp_path.iterdir())) == 7
    nothing_told = replace(FIRST, which=FIRST.which[:5])
    succeed(noted(tmp_path / "silent", nothing_told), nothing_told)
    assert not (tmp_path / "silent" / "server.json").exists()
