"""What another process does while a change is under way: nothing is lost, nobody who was forgotten comes back."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from facesearch import Gallery
from facesearch.errors import OvertakenError
from facesearch.gallery import template_enrolment
from facesearch.gallery.index_files import IndexFiles
from facesearch.store import open_store

from .doubles import ProjectionEncoder, damage, index_files, unit_vectors

COUNT = 300
VECTORS = unit_vectors(COUNT)
NAMES = [f"person {row}" for row in range(COUNT)]


def opened(folder: Path, kind: str | None = None) -> Gallery:
    return Gallery.open(folder, encoder=ProjectionEncoder(), index=kind)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    with opened(tmp_path) as gallery:
        gallery.enroll_templates(NAMES, VECTORS)
    return tmp_path


def once(change: Callable[[], object]) -> Callable[..., None]:
    """A function that makes a change when it is first called."""
    left = [change]

    def call(*_: object) -> None:
        if left:
            left.pop()()

    return call


def elsewhere(folder: Path, change: Callable[[Gallery], object]) -> Callable[..., None]:
    """The same in another gallery object, as another process has it."""

    def do() -> None:
        with opened(folder) as other:
            change(other)

    return once(do)


def lies_in_files(folder: Path, vector: npt.NDArray[np.float32]) -> list[str]:
    return [path.name for path in index_files(folder) if vector.tobytes() in path.read_bytes()]


def two_in_files(folder: Path) -> list[int]:
    """Two people whose template lies in the index file as it was given; others differ in the last bit."""
    return [row for row in range(COUNT) if lies_in_files(folder, VECTORS[row])][-2:]


def test_two_kinds_built_at_once_lose_no_template(folder: Path) -> None:
    with opened(folder) as gallery:
        gallery.build_index("pq8", progress=elsewhere(folder, lambda other: other.build_index("sq8")))
    with opened(folder) as gallery:
        assert gallery.info().index == "pq8"
        assert gallery.check() == []
        gallery.build_index("flat")
        found = gallery.search(VECTORS, 1)
    assert np.mean([row[0].identity == name for row, name in zip(found, NAMES, strict=True)]) > 0.9


@pytest.mark.parametrize(("started", "then"), [("tcq8", "sq8"), ("flat", "tcq8"), ("sq8", "pq8")])
def test_an_enrolment_goes_on_in_the_codec_of_the_kind_built_meanwhile(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, started: str, then: str
) -> None:
    monkeypatch.setattr(template_enrolment, "_BATCH", COUNT - 10)
    with opened(tmp_path, started) as gallery:
        built = elsewhere(tmp_path, lambda other: other.build_index(then))
        report = gallery.enroll_templates(NAMES, VECTORS, progress=built)
    assert report.templates == COUNT
    with opened(tmp_path) as gallery:
        assert gallery.info().index == then
        assert gallery.check() == []
        gallery.build_index()
        assert gallery.check() == []
        assert gallery.counts().templates == COUNT
    with open_store(tmp_path) as store:
        settings = store.settings.read()
        assert settings is not None
        assert store.templates.codecs() == {settings.codec}


def test_who_is_forgotten_during_a_build_is_in_no_file(folder: Path) -> None:
    one, two = two_in_files(folder)
    change = elsewhere(folder, lambda other: other.forget(NAMES[one]))

    def when_read(done: int, total: int) -> None:
        if done == total:
            change()

    with opened(folder) as gallery:
        gallery.build_index(progress=when_read)
        assert lies_in_files(folder, VECTORS[one]) == []
        assert lies_in_files(folder, VECTORS[two]) != []
        assert gallery.check() == []
        assert gallery.search(VECTORS[one][None], 1)[0][0].identity != NAMES[one]


def test_who_is_forgotten_while_their_enrolment_ends_is_in_no_file(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    more, one = unit_vectors(400, seed=9), two_in_files(folder)[0]
    forgotten = elsewhere(folder, lambda other: other.forget("late"))
    write = IndexFiles.write

    def write_then_forget(*given: object) -> object:
        written = write(*given)  # type: ignore[arg-type]
        forgotten()
        return written

    monkeypatch.setattr(IndexFiles, "write", write_then_forget)
    with opened(folder) as gallery:
        gallery.enroll_templates(["late"] * len(more), more)
        assert [vector for vector in more if lies_in_files(folder, vector)] == []
        assert lies_in_files(folder, VECTORS[one]) != []
        assert gallery.check() == []
        assert gallery.counts().templates == COUNT


def test_a_removed_codebook_is_listed_by_check(folder: Path) -> None:
    with opened(folder) as gallery:
        gallery.build_index("pq8")
    with open_store(folder) as store, pytest.raises(OvertakenError):
        store.recoding.switch("pq8", "pq8@99", lambda codes, codec: codes)
    for table in ("codebooks", "index_state"):
        damage(folder, f"DELETE FROM {table}")
    with opened(folder) as gallery:
        problems = gallery.check()
    assert len(problems) == 1
    assert "the codebook pq8@1 of stored templates is missing; restore a backup" in problems[0]
