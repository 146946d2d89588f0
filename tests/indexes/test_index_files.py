from __future__ import annotations

import hashlib
import json
import mmap
import os
import sys
from pathlib import Path
from typing import Any

import faiss
import numpy as np
import pytest
from index_samples import DIMENSION, KINDS, directions, filled_index, ready_index

from indexes import DamagedIndexError, MissingIndexError, SavedIndex, create_index, load_index, parse_kind, read_footer
from indexes.container import BLOCK, LARGEST_FOOTER, MAGIC, SectionWriter, read_container, write_container


@pytest.mark.parametrize("kind", KINDS)
def test_a_saved_index_comes_back_the_same(kind: str, tmp_path: Path) -> None:
    index, q = filled_index(kind), directions(6, seed=5)
    saved = index.save(str(tmp_path / "index"))
    again = load_index(tmp_path / "index")
    assert (again.kind, again.dimension, again.is_trained, len(again)) == (kind, DIMENSION, True, 40)
    np.testing.assert_equal(again.search(q, 50), index.search(q, 50))
    assert again.save(tmp_path / "second").sha256 == saved.sha256
    assert again.remove([0]) == 1
    again.add([0], directions(1))


def test_what_save_returns_and_the_footer_says_is_true_of_the_file(tmp_path: Path) -> None:
    saved = filled_index("sq8").save(tmp_path / "index")
    footer = read_footer(saved.path)
    content = saved.path.read_bytes()
    assert (saved.path, saved.rows, saved.size_bytes) == (tmp_path / "index", 40, len(content))
    assert saved.sha256 == footer.sha256 == checksum(content[: footer.raw_bytes])
    assert (footer.format, footer.kind, footer.dimension, footer.rows) == (2, "sq8", DIMENSION, 40)


def checksum(content: bytes) -> str:
    blocks = (content[first : first + BLOCK] for first in range(0, len(content), BLOCK))
    return hashlib.sha256(b"".join(hashlib.sha256(block).digest() for block in blocks)).hexdigest()


def saved_blocks(content: bytes, folder: Path) -> SavedIndex:
    """A file with content as its only section."""

    def write(writer: SectionWriter) -> None:
        sink = writer.section("a")
        for first in range(0, len(content), 1_000_003):
            sink(content[first : first + 1_000_003])

    return write_container(folder / "index", "flat", 4, 0, write)


def test_the_checksum_of_many_blocks_is_that_of_their_checksums(tmp_path: Path) -> None:
    content = np.random.default_rng(0).bytes(2 * BLOCK + 77)
    saved = saved_blocks(content, tmp_path)
    assert saved.sha256 == checksum(content)
    assert read_container(saved.path, lambda _, reader: reader.section("a").tobytes()) == content
    damaged = bytearray(saved.path.read_bytes())
    damaged[BLOCK + 5] ^= 1
    saved.path.write_bytes(damaged)
    with pytest.raises(DamagedIndexError, match="checksum of its contents"):
        read_container(saved.path, lambda _, reader: reader.section("a"))


@pytest.mark.parametrize("cores", [1, 2, 7, None])
@pytest.mark.parametrize("size", [0, 1, BLOCK, BLOCK + 1, 3 * BLOCK])
def test_a_file_of_any_length_is_checked_by_any_number_of_threads(
    size: int, cores: int | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = bytes(size)
    saved = saved_blocks(content, tmp_path)
    monkeypatch.setattr(os, "cpu_count", lambda: cores)
    assert read_container(saved.path, lambda _, reader: reader.section("a").tobytes()) == content
    if size:
        with saved.path.open("r+b") as file:
            file.seek(size - 1)
            file.write(b"x")
        with pytest.raises(DamagedIndexError, match="checksum of its contents"):
            read_container(saved.path, lambda _, reader: reader.section("a"))


def test_a_file_is_opened_where_the_system_has_neither_pread_nor_madvise(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class MapOfWindows(mmap.mmap):
        def madvise(self, *arguments: int) -> None:
            raise AttributeError("madvise")

    index, q = filled_index("sq8"), directions(6, seed=5)
    saved = index.save(tmp_path / "index")
    monkeypatch.delattr(os, "pread", raising=False)
    monkeypatch.setattr(mmap, "mmap", MapOfWindows)
    monkeypatch.setattr(sys, "platform", "win32")
    again = load_index(saved.path)
    np.testing.assert_equal(again.search(q, 9), index.search(q, 9))


def test_a_file_cut_short_while_it_is_checked_is_damaged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    saved = saved_blocks(bytes(3 * BLOCK), tmp_path)

    def cores() -> int:  # asked for after the footer was read, before the contents are
        os.truncate(saved.path, BLOCK + 1)
        return 2

    monkeypatch.setattr(os, "cpu_count", cores)
    with pytest.raises(DamagedIndexError, match="checksum of its contents"):
        read_container(saved.path, lambda _, reader: reader.section("a"))


def test_faiss_itself_reads_the_first_stage_at_the_start_of_the_file(tmp_path: Path) -> None:
    assert faiss.read_index(str(filled_index("sq8").save(tmp_path / "index").path)).ntotal == 40


@pytest.mark.parametrize("kind", KINDS)
def test_an_empty_index_can_be_saved(kind: str, tmp_path: Path) -> None:
    create_index(kind, DIMENSION).save(tmp_path / "new")
    assert load_index(tmp_path / "new").is_trained == (not parse_kind(kind).training_size)
    ready_index(kind).save(tmp_path / "empty")
    assert len(load_index(tmp_path / "empty")) == 0


@pytest.mark.parametrize("kind", ["pq2", "pca8,sq4", "ivf4,sq4"])
def test_what_was_learnt_is_saved_and_said(kind: str, tmp_path: Path) -> None:
    index, x = create_index(kind, DIMENSION), directions(300)
    assert index.learnt_from == ""
    index.train(x, learnt_from="vectors of nobody: ü")
    index.save(tmp_path / "empty")
    again = load_index(tmp_path / "empty")
    assert again.learnt_from == again.emptied().learnt_from == again.copy().learnt_from == "vectors of nobody: ü"
    for one in (index, again):
        one.add(np.arange(300), x)
    np.testing.assert_equal(again.search(x[:5], 9), index.search(x[:5], 9))


def test_what_was_learnt_from_is_text(tmp_path: Path) -> None:
    raw = faiss.serialize_index(filled(faiss.IndexFlatIP(DIMENSION), 1)).tobytes()

    def write(writer: SectionWriter) -> None:
        writer.section("stage0")(raw)
        writer.array("ids", np.array([4], np.int64))
        writer.section("learnt from")(b"\xff")

    write_container(tmp_path / "index", "flat", DIMENSION, 1, write)
    with pytest.raises(DamagedIndexError, match="is not text"):
        load_index(tmp_path / "index")


def of_an_earlier_version(path: Path, x: np.ndarray, narrow: float) -> None:
    """An `sq8` index with learnt ranges, of vectors as they are, as versions before spreading wrote it."""
    base: Any = scalar(QT.QT_8bit)
    table = np.concatenate([np.full(DIMENSION, -narrow), np.full(DIMENSION, 2 * narrow)]).astype(np.float32)
    faiss.copy_array_to_vector(table, base.sq.trained)
    base.is_trained = True
    base.add(x)

    def write(writer: SectionWriter) -> None:
        writer.section("stage0")(faiss.serialize_index(base).tobytes())
        writer.array("ids", np.arange(len(x)))

    write_container(path, "sq8", DIMENSION, len(x), write)


def test_a_file_with_ranges_of_an_earlier_version_answers_grows_and_is_written_as_it_was(tmp_path: Path) -> None:
    x = directions(40)
    of_an_earlier_version(tmp_path / "index", x, narrow=0.9)
    index = load_index(tmp_path / "index")
    assert index.learnt_from is None
    np.testing.assert_allclose(index.search(x[:9], 1)[0][:, 0], 1, atol=0.01)
    empty = index.emptied()
    empty.add(np.arange(100, 140), x)
    np.testing.assert_array_equal(empty.reconstruct([100]), index.reconstruct([0]))
    index.remove([0])
    index.add([0], x[:1])
    index.save(tmp_path / "again")
    again = load_index(tmp_path / "again")
    assert again.learnt_from is None
    np.testing.assert_equal(again.search(x, 3), index.search(x, 3))


@pytest.mark.parametrize("kind", ["flat", "sq8", "pq2"])
def test_a_flipped_bit_anywhere_is_noticed(kind: str, tmp_path: Path) -> None:
    index = ready_index(kind, 4)
    index.add([5, 9], directions(2, 4))
    content = index.save(tmp_path / "index").path.read_bytes()
    raw_bytes = read_footer(tmp_path / "index").raw_bytes
    # Every byte of the footer and of a small FAISS part; of the codebooks, a part.
    places = [*range(0, raw_bytes, max(1, raw_bytes // 300)), *range(raw_bytes, len(content))]
    for place in places:
        for bit in (0, 5):  # 5 is the case of a letter
            damaged = bytearray(content)
            damaged[place] ^= 1 << bit
            (tmp_path / "damaged").write_bytes(damaged)
            with pytest.raises(DamagedIndexError, match="damaged: ") as caught:
                load_index(tmp_path / "damaged")
            assert "\n" not in str(caught.value)
            if place >= raw_bytes:
                with pytest.raises(DamagedIndexError):
                    read_footer(tmp_path / "damaged")


def test_a_file_cut_short_anywhere_or_continued_is_noticed(tmp_path: Path) -> None:
    content = filled_index("sq8", n=3).save(tmp_path / "index").path.read_bytes()
    for damaged in [content[:length] for length in range(0, len(content), 7)] + [
        content[:-1],
        content + b"\0",
        content * 2,
    ]:
        (tmp_path / "index").write_bytes(damaged)
        with pytest.raises(DamagedIndexError, match=r"index file .*index: "):
            load_index(tmp_path / "index")


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"not an index",
        b"\x89PNG\r\n" * 100,
        b"x" * 50 + (2**63).to_bytes(8, "little") + MAGIC,
        b"x" * 50 + (0).to_bytes(8, "little") + MAGIC,
        b" " * (LARGEST_FOOTER + 1) + (LARGEST_FOOTER + 1).to_bytes(8, "little") + MAGIC,
        b"[" * 5000 + (5000).to_bytes(8, "little") + MAGIC,
        b"\xff" * 10 + (10).to_bytes(8, "little") + MAGIC,
        b"null" + (4).to_bytes(8, "little") + MAGIC,
        b"{}" + (2).to_bytes(8, "little") + MAGIC,
    ],
)
def test_a_file_of_something_else_is_refused(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "other").write_bytes(content)
    for read in (load_index, read_footer):
        with pytest.raises(DamagedIndexError, match=r"index file .*other: "):
            read(tmp_path / "other")


def test_a_file_of_a_newer_format_is_refused_by_its_number(tmp_path: Path) -> None:
    footer = json.dumps({"format": 3}).encode()
    (tmp_path / "newer").write_bytes(footer + len(footer).to_bytes(8, "little") + MAGIC)
    with pytest.raises(DamagedIndexError, match="format 3 is newer"):
        load_index(tmp_path / "newer")


def test_a_footer_with_values_of_the_wrong_type_is_refused(tmp_path: Path) -> None:
    fields: dict[str, object] = {"format": 2, "kind": "flat", "dimension": 4, "rows": 0, "raw_bytes": 0, "sha256": ""}
    fields["sections"] = []
    wrong_sections: list[object] = [[[]], [["a", 0]], [["a", 1, 0]], [["a", 0, 5]], [["a", -64, 0]], [[1, 0, 0]]]
    wrong = [("rows", True), ("rows", -1), ("raw_bytes", 0.0), ("kind", 3), ("sha256", [[]]), ("format", 0)]
    for name, value in [*wrong, *(("sections", sections) for sections in wrong_sections)]:
        footer = json.dumps({**fields, name: value, "footer_sha256": ""}).encode()
        (tmp_path / "odd").write_bytes(footer + len(footer).to_bytes(8, "little") + MAGIC)
        with pytest.raises(DamagedIndexError, match="footer is altered"):
            load_index(tmp_path / "odd")


def test_a_folder_a_pipe_and_a_missing_file_are_named(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path, tmp_path / "pipe"):
        with pytest.raises(DamagedIndexError, match=f"{path}: not a file"):
            load_index(path)
    with pytest.raises(MissingIndexError, match="nowhere: there is no such file"):
        load_index(tmp_path / "nowhere")
    with pytest.raises(DamagedIndexError, match="x: "):
        load_index(filled_index("flat").save(tmp_path / "file").path / "x")


def filled(base: faiss.Index, rows: int) -> faiss.Index:
    if rows:
        base.add(directions(rows))
    return base


def scalar(kind: int) -> faiss.Index:
    return faiss.IndexScalarQuantizer(DIMENSION, kind, 0)


QT = faiss.ScalarQuantizer
L2 = faiss.METRIC_L2


@pytest.mark.parametrize(
    ("kind", "dimension", "rows", "ids", "content"),
    [
        ("flat", DIMENSION, 3, [1, 2, 3], lambda: filled(faiss.IndexFlatIP(DIMENSION), 2)),
        ("flat", DIMENSION, 2, [1, 2, 3], lambda: filled(faiss.IndexFlatIP(DIMENSION), 2)),
        ("flat", DIMENSION, 2, [1, 1], lambda: filled(faiss.IndexFlatIP(DIMENSION), 2)),
        ("flat", DIMENSION, 2, [-1, 1], lambda: filled(faiss.IndexFlatIP(DIMENSION), 2)),
        ("flat", DIMENSION, 3, [5, 1, 5], lambda: filled(faiss.IndexFlatIP(DIMENSION), 3)),
        ("flat", DIMENSION, 2, [1, 2], lambda: filled(faiss.IndexFlatL2(DIMENSION), 2)),
        ("flat", 8, 2, [1, 2], lambda: filled(faiss.IndexFlatIP(DIMENSION), 2)),
        ("fp16", DIMENSION, 0, [], lambda: faiss.IndexScalarQuantizer(DIMENSION, QT.QT_fp16, L2)),
        ("sq8", DIMENSION, 2, [1, 2], lambda: filled(faiss.IndexFlatIP(DIMENSION), 2)),
        ("sq8", DIMENSION, 0, [], lambda: scalar(QT.QT_8bit)),
        ("sq8", DIMENSION, 0, [], lambda: scalar(QT.QT_fp16)),
        ("sq4", DIMENSION, 0, [], lambda: scalar(QT.QT_8bit)),
        ("pq8", DIMENSION, 0, [], lambda: faiss.IndexPQ(DIMENSION, 4, 8, 0)),
        ("pq4", DIMENSION, 0, [], lambda: faiss.IndexPQ(DIMENSION, 4, 4, 0)),
        ("fs4", DIMENSION, 0, [], lambda: faiss.IndexPQFastScan(DIMENSION, 4, 4, 0)),
        ("fs4", DIMENSION, 0, [], lambda: faiss.IndexPQFastScan(DIMENSION, 8, 4, L2)),
        ("opq4", DIMENSION, 0, [], lambda: faiss.IndexPQ(DIMENSION, 4, 8, 0)),
        ("rabitq", DIMENSION, 0, [], lambda: faiss.IndexRaBitQ(DIMENSION, 0)),
        ("pq3", DIMENSION, 0, [], lambda: faiss.IndexPQ(DIMENSION, 4, 8, 0)),
        ("nothing", DIMENSION, 0, [], lambda: faiss.IndexFlatIP(DIMENSION)),
    ],
)
def test_contents_that_do_not_agree_with_the_footer_are_refused(kind, dimension, rows, ids, content, tmp_path) -> None:  # type: ignore[no-untyped-def]
    raw = faiss.serialize_index(content()).tobytes()

    def write(writer: SectionWriter) -> None:
        writer.section("stage0")(raw)
        writer.array("ids", np.array(ids, np.int64))

    write_container(tmp_path / "index", kind, dimension, rows, write)
    with pytest.raises(DamagedIndexError, match=r"index file .*index: ") as caught:
        load_index(tmp_path / "index")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("raw", [b"", b"rubbish" * 20, b"IxMp"])
def test_contents_that_faiss_cannot_read_are_refused(raw: bytes, tmp_path: Path) -> None:
    write_container(tmp_path / "index", "flat", 4, 0, lambda writer: writer.section("stage0")(raw))
    with pytest.raises(DamagedIndexError, match="FAISS cannot read its contents"):
        load_index(tmp_path / "index")


def test_contents_followed_by_something_else_are_refused(tmp_path: Path) -> None:
    raw = faiss.serialize_index(filled(faiss.IndexFlatIP(DIMENSION), 1)).tobytes()
    write_container(tmp_path / "index", "flat", DIMENSION, 1, lambda writer: writer.section("stage0")(raw + b"more"))
    with pytest.raises(DamagedIndexError, match="4 bytes of its contents belong to nothing"):
        load_index(tmp_path / "index")


def test_a_part_that_belongs_to_nothing_is_refused(tmp_path: Path) -> None:
    raw = faiss.serialize_index(filled(faiss.IndexFlatIP(DIMENSION), 1)).tobytes()

    def write(writer: SectionWriter) -> None:
        writer.section("stage0")(raw)
        writer.array("ids", np.array([4], np.int64))
        writer.section("more")(b"x")

    write_container(tmp_path / "index", "flat", DIMENSION, 1, write)
    with pytest.raises(DamagedIndexError, match="its part more belongs to nothing"):
        load_index(tmp_path / "index")
