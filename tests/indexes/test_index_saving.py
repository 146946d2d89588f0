from __future__ import annotations

import os
from pathlib import Path
from typing import BinaryIO

import faiss
import pytest
from index_samples import filled_index

from facesearch.files import durable


@pytest.mark.parametrize("call", ["fsync", "write", "replace"])
@pytest.mark.parametrize("failure", [OSError(28, "No space left on device"), KeyboardInterrupt()])
def test_a_save_that_fails_leaves_the_old_file_and_nothing_else(
    call: str, failure: BaseException, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    index = filled_index("flat")
    index.save(tmp_path / "index")
    before = (tmp_path / "index").read_bytes()
    index.remove([3])

    def fail(*_: object) -> None:
        raise failure

    if call == "fsync":
        monkeypatch.setattr(os, "fsync", fail)
    elif call == "replace":
        monkeypatch.setattr(Path, "replace", fail)
    else:
        monkeypatch.setattr(faiss, "write_index", fail)
    with pytest.raises(type(failure)):
        index.save(tmp_path / "index")
    assert [file.name for file in tmp_path.iterdir()] == ["index"]
    assert (tmp_path / "index").read_bytes() == before


def test_a_disk_that_fills_up_in_the_middle_is_reported_as_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "index").write_bytes(b"old")
    real = durable.write_atomically

    def on_a_small_disk(path: Path, writer: object) -> object:
        class Small:
            def __init__(self, file: BinaryIO) -> None:
                self.file = file

            def write(self, piece: bytes) -> int:
                if self.file.tell() + len(piece) > 1000:
                    raise OSError(28, "No space left on device")
                return self.file.write(piece)

        return real(path, lambda file: writer(Small(file)))  # type: ignore[operator]

    monkeypatch.setattr("indexes.container.write_atomically", on_a_small_disk)
    with pytest.raises(OSError, match="No space left"):
        filled_index("flat").save(tmp_path / "index")
    assert [file.name for file in tmp_path.iterdir()] == ["index"]
    assert (tmp_path / "index").read_bytes() == b"old"


def test_saving_onto_a_folder_or_into_none_fails_and_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    for path in (tmp_path / "folder", tmp_path / "none" / "index"):
        with pytest.raises(OSError, match=r"folder|none"):
            filled_index("flat").save(path)
    assert [file.name for file in tmp_path.iterdir()] == ["folder"]


def test_leftovers_of_a_killed_writer_are_removed_and_other_files_stay(tmp_path: Path) -> None:
    kept = ["a", "b", ".a.tmp", ".a.b.0123456789abcdef.tmp", ".a.0123456789abcdef"]
    for name in [*kept, ".a.0123456789abcdef.tmp"]:
        (tmp_path / name).touch()
    assert durable.remove_leftovers(tmp_path / "a") == 1
    assert sorted(file.name for file in tmp_path.iterdir()) == sorted(kept)
