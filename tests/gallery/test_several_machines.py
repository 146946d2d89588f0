"""A gallery on a server, shared by machines: each has a home and index files of its own."""

from __future__ import annotations

import multiprocessing
from pathlib import Path

import psycopg
import pytest

from facesearch import Gallery
from facesearch.errors import StoreError, UnknownIdentityError, UsageError
from facesearch.store import SqlStore
from facesearch.store.postgresql.address import Address

from .doubles import add_templates, index_files, unit_vectors

pytestmark = pytest.mark.folder  # what stands for folders elsewhere would be in the way
PEOPLE = [f"person {number}" for number in range(60)]
VECTORS = unit_vectors(len(PEOPLE))


@pytest.fixture
def machines(gallery_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Gallery, Gallery]:
    """The same gallery, open on two machines; the people were enrolled on the first."""
    opened = []
    for home in ("one", "other"):
        monkeypatch.setenv("FACESEARCH_HOME", str(tmp_path / home))
        opened.append(Gallery.open(gallery_url, encoder="dlib-resnet:fp32@onnx", index="flat"))
        if home == "one":
            opened[0].enroll_templates(PEOPLE, VECTORS)
    return opened[0], opened[1]


def best(gallery: Gallery, number: int) -> str:
    return gallery.search(VECTORS[number : number + 1], 1)[0][0].identity


def store_of(gallery: Gallery) -> SqlStore:
    return gallery.parts.store


def test_the_first_question_on_a_machine_writes_index_files_and_the_next_process_opens_them(
    machines: tuple[Gallery, Gallery], gallery_url: str
) -> None:
    one, other = machines
    assert one.parts.folder != other.parts.folder
    assert index_files(other.parts.folder) == []
    assert best(other, 7) == PEOPLE[7]
    assert len(index_files(other.parts.folder)) == 1
    assert other.index_info().replayed == 0
    assert other.check() == one.check() == []


def test_what_one_machine_changes_the_others_answer_by_at_once(machines: tuple[Gallery, Gallery]) -> None:
    one, other = machines
    assert best(other, 7) == PEOPLE[7]
    newcomer = unit_vectors(1, seed=5)
    one.enroll_templates(["newcomer"], newcomer)
    assert other.search(newcomer, 1)[0][0].identity == "newcomer"
    other.rename(PEOPLE[8], "somebody")
    assert best(one, 8) == "somebody"
    receipt = one.forget(PEOPLE[7])
    assert receipt.on_server and receipt.wiped
    assert best(other, 7) != PEOPLE[7]
    with pytest.raises(UnknownIdentityError):
        other.forget(PEOPLE[7])
    one.build_index("sq8")
    assert best(other, 9) == PEOPLE[9]
    assert other.info().index == "sq8"


def test_index_files_of_another_machine_are_rewritten_without_who_was_forgotten(
    machines: tuple[Gallery, Gallery],
) -> None:
    one, other = machines
    assert best(other, 7) == PEOPLE[7]
    before = index_files(other.parts.folder)
    one.forget(PEOPLE[7])
    other.build_index()
    for gallery in machines:
        state = store_of(gallery).index_state.read()
        assert state is not None and sum(segment.rows for segment in state.segments) == len(PEOPLE) - 1
    assert not set(before) & set(index_files(other.parts.folder))


def test_a_machine_that_was_away_fetches_what_was_added_and_writes_it(
    machines: tuple[Gallery, Gallery], gallery_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, other = machines
    assert best(other, 7) == PEOPLE[7]
    many = unit_vectors(3000, seed=9)
    add_templates(store_of(one), [f"late {number // 30}" for number in range(len(many))], many)
    other.close()
    monkeypatch.setenv("FACESEARCH_HOME", str(tmp_path / "other"))
    with Gallery.open(gallery_url) as again:
        assert again.search(many[-1:], 1)[0][0].identity == "late 99"
        assert again.index_info().replayed == 0


def test_a_fork_opens_a_gallery_on_a_server_anew(machines: tuple[Gallery, Gallery]) -> None:
    one, _ = machines
    assert best(one, 3) == PEOPLE[3]
    forking = multiprocessing.get_context("fork")
    here, there = forking.Pipe()
    child = forking.Process(target=lambda: there.send(best(one, 3)))
    child.start()
    assert here.poll(60) and here.recv() == PEOPLE[3]
    child.join()
    assert best(one, 4) == PEOPLE[4]


def test_other_servers_are_refused_in_one_line() -> None:
    with pytest.raises(UsageError, match="galleries are not kept on mysql"):
        Gallery.open("mysql://db/faces")


def test_a_gallery_that_another_one_took_the_place_of_answers_and_changes_nothing_any_more(
    machines: tuple[Gallery, Gallery], gallery_url: str
) -> None:
    one, other = machines
    assert best(one, 7) == PEOPLE[7]
    address = Address.of(gallery_url)
    with psycopg.connect(address.conninfo) as server:
        server.execute(f"DROP SCHEMA {address.gallery} CASCADE".encode())
    with Gallery.open(gallery_url, encoder="dlib-resnet:fp32@onnx", index="flat") as new:  # as far in its log
        new.enroll_templates(PEOPLE[::-1], VECTORS)
        assert best(new, 7) == PEOPLE[-8]
        for asked in (one, other):
            with pytest.raises(StoreError, match=r"another gallery was put in the place of .*: open it anew"):
                best(asked, 7)
            with pytest.raises(StoreError, match="open it anew"):
                asked.enroll_templates(["newcomer"], unit_vectors(1, seed=5))
        assert len(new.identities()) == len(PEOPLE)
