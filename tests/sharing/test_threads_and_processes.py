"""A gallery that threads, several processes and forked children use at once: right answers, or one line."""

from __future__ import annotations

import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
from sqlalchemy import Engine, event

from benchmarks.sharing.people import DIMENSION, NoEncoder, opened, photo
from facesearch import FacesearchError, Gallery

ROOT = Path(__file__).parents[2]
KINDS = (
    *("flat", "fp16", "sq8", "sq4", "pq32", "opq32", "fs16", "rabitq", "tcq32", "hnsw16", "hnsw16,sq8"),
    *("ivf8,sq8", "rabitq+sq8", "pca32,fs16+sq8"),
)
PEOPLE = 400
PHOTOS = 3
STORED = np.stack([photo(person, number) for person in range(PEOPLE) for number in range(PHOTOS)])
NAMES = [f"person {person}" for person in range(PEOPLE) for _ in range(PHOTOS)]


@pytest.fixture(scope="module")
def galleries(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """The folder of a gallery of 400 people with three photos each, by kind of index; to be copied, not changed."""
    made: dict[str, Path] = {}

    def of_kind(kind: str) -> Path:
        if kind not in made:
            made[kind] = tmp_path_factory.mktemp("shared") / "gallery"
            with opened(str(made[kind]), "flat") as gallery:
                gallery.enroll_templates(NAMES, STORED)
                gallery.build_index(kind)
        return made[kind]

    return of_kind


@pytest.fixture
def folder(request: pytest.FixtureRequest, galleries: Callable[[str], Path], tmp_path: Path) -> str:
    """A copy of such a gallery, of the kind that the test is about (flat)."""
    kind = request.node.callspec.params.get("kind", "flat") if hasattr(request.node, "callspec") else "flat"
    return str(shutil.copytree(galleries(kind), tmp_path / "gallery"))


@contextmanager
def asking(gallery: Gallery, threads: int = 3) -> Iterator[list[str]]:
    """Threads that ask for people who stay; what went wrong, in words."""
    wrong: list[str] = []
    stop = threading.Event()

    def ask(first: int) -> None:
        person = first
        while not stop.is_set():
            person = (person + 7) % 100
            try:
                (found,) = gallery.search(photo(person, 1)[None], 3)
                if found[0].identity != f"person {person}" or len({each.identity for each in found}) != 3:
                    wrong.append(f"person {person}: {[each.identity for each in found]}")
            except Exception as error:
                wrong.append(f"{type(error).__name__}: {error}")

    askers = [threading.Thread(target=ask, args=(number,)) for number in range(threads)]
    for asker in askers:
        asker.start()
    try:
        yield wrong
    finally:
        stop.set()
        for asker in askers:
            asker.join()


@pytest.mark.parametrize("kind", KINDS)
def test_threads_ask_while_another_one_enrols_and_forgets(kind: str, folder: str) -> None:
    with opened(folder) as gallery, asking(gallery) as wrong:
        for number in range(10):
            gallery.enroll_templates(["newcomer"] * 2, [photo(9000 + number, each) for each in range(2)])
            gallery.forget("newcomer")
        gallery.forget_all(["person 399", "person 398"])
    assert wrong == []
    with opened(folder) as gallery:
        assert gallery.check() == []
        assert gallery.counts()[:2] == (PEOPLE - 2, (PEOPLE - 2) * PHOTOS)


@pytest.mark.parametrize("kind", ["flat", "tcq32", "pca32,fs16+sq8"])
def test_threads_ask_while_another_gallery_changes_everything(kind: str, folder: str) -> None:
    with opened(folder) as here, opened(folder) as there, asking(here) as wrong:
        for number in range(3):
            there.rename(f"person {200 + number}", f"renamed {number}")
            there.merge(f"person {210 + number}", f"person {220 + number}", f"person {230 + number}")
            there.enroll_templates([f"newcomer {number}"], photo(9000 + number, 0)[None])
            there.forget_all([f"person {240 + number}", f"renamed {number}"])
            there.build_index("sq8" if number == 1 else kind, keep="fp32")
            there.compact()
    assert wrong == []
    with opened(folder) as gallery:
        assert gallery.check() == []


def test_many_threads_whose_first_question_replays_changes_agree(folder: str) -> None:
    with opened(folder) as writer:
        for number in range(60):
            writer.enroll_templates([f"late {number}"], photo(9000 + number, 0)[None])
            if number % 3 == 0:
                writer.forget(f"late {number}")
    for _ in range(3):
        with opened(folder) as gallery:
            names: list[str] = []
            barrier = threading.Barrier(8)

            def ask(number: int, gallery: Gallery = gallery, names: list[str] = names) -> None:
                barrier.wait()  # noqa: B023 - joined below
                names.append(gallery.search(photo(9001 + 3 * number, 0)[None], 1)[0][0].identity)

            threads = [threading.Thread(target=ask, args=(number,)) for number in range(8)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            assert sorted(names) == sorted(f"late {1 + 3 * number}" for number in range(8))


def test_three_thousand_templates_enrolled_elsewhere_are_all_found(folder: str) -> None:
    with opened(folder) as here, opened(folder) as there, asking(here, threads=4) as wrong:
        for batch in range(15):
            people = range(9000 + 200 * batch, 9200 + 200 * batch)
            there.enroll_templates([f"person {each}" for each in people], [photo(each, 0) for each in people])
        found = here.search(np.stack([photo(each, 0) for each in range(9000, 12000, 17)]), 1)
    assert wrong == []
    assert [row[0].identity for row in found] == [f"person {each}" for each in range(9000, 12000, 17)]


def test_a_forgotten_name_comes_back_from_no_gallery_that_is_open(folder: str) -> None:
    galleries = [opened(folder) for _ in range(3)]
    try:
        for gallery in galleries:
            assert gallery.search(photo(7, 0)[None], 1)[0][0].identity == "person 7"
        galleries[0].forget("person 7")
        for gallery in galleries:
            names = {each.identity for each in gallery.search(photo(7, 0)[None], PEOPLE)[0]}
            assert len(names) == PEOPLE - 1
            assert "person 7" not in names
    finally:
        for gallery in galleries:
            gallery.close()


def test_many_changes_take_no_descriptors_and_leave_no_files(folder: str) -> None:
    process = psutil.Process()
    with opened(folder) as here, opened(folder) as there:
        here.search(photo(1, 0)[None], 1)
        before = process.num_fds()
        for number in range(60):
            there.enroll_templates(["come and gone"], photo(9000 + number, 0)[None])
            there.forget_all(["come and gone", f"person {300 + number}"])
            here.search(photo(1, 0)[None], 1)
        assert process.num_fds() <= before + 4
    assert len(list(Path(folder).glob("*.faiss"))) == 1


def test_a_search_is_one_transaction_of_two_statements(folder: str) -> None:
    statements: list[str] = []
    begun: list[object] = []

    def note(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        statements.append(statement)

    def begin(connection: object) -> None:
        begun.append(connection)

    with opened(folder) as gallery:
        gallery.search(photo(1, 0)[None], 5)
        event.listen(Engine, "before_cursor_execute", note)
        event.listen(Engine, "begin", begin)
        try:
            gallery.search(photo(2, 0)[None], 2)
        finally:
            event.remove(Engine, "before_cursor_execute", note)
            event.remove(Engine, "begin", begin)
    asked = [each for each in statements if not each.startswith("BEGIN")]
    assert len(asked) == 2, asked
    assert len(begun) == 1


def test_two_galleries_of_a_process_share_what_they_load(people_photos: Path, tmp_path: Path) -> None:
    path = next(people_photos.glob("*/*.jpg"))
    with Gallery.open(tmp_path / "one") as one, Gallery.open(tmp_path / "other") as other:
        one.enroll("Ann", [path])
        other.enroll("Ann", [path])
        assert one.parts.pipeline() is other.parts.pipeline()
        assert one.parts.pipeline(threads=1) is other.parts.pipeline(threads=1)
        assert np.array_equal(one.template(path), other.template(path))


# forks


FORKED = """
import multiprocessing, sys
from facesearch import Gallery

gallery = Gallery.open(sys.argv[1])
paths = sys.argv[2:]

def who(path):
    found = gallery.identify(path).candidates[0].identity
    return found

if __name__ == "__main__":
    names = [gallery.identify(path).candidates[0].identity for path in paths]
    gallery.search(__import__("numpy").stack([gallery.template(path) for path in paths]), 3)
    with multiprocessing.get_context("fork").Pool(2) as pool:
        assert pool.map_async(who, paths).get(timeout=60) == names
    print("right", len(names))
"""


@pytest.mark.skipif(not hasattr(sys, "getdlopenflags"), reason="nothing is forked here")
def test_children_of_a_process_that_has_asked_answer_as_it_does(people_photos: Path, tmp_path: Path) -> None:
    people = sorted(people_photos.iterdir())[:4]
    with Gallery.open(tmp_path / "gallery") as gallery:
        for person in people:
            gallery.enroll(person.name, sorted(person.iterdir())[:2])
    paths = [str(sorted(person.iterdir())[2]) for person in people]
    arguments = [sys.executable, "-c", FORKED, str(tmp_path / "gallery"), *paths]
    done = subprocess.run(arguments, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)
    assert (done.returncode, done.stdout) == (0, "right 4\n"), done.stderr


FORKED_WITH_ENCODER = """
import os, sys
from benchmarks.sharing.people import opened, photo
from facesearch import FacesearchError

gallery = opened(sys.argv[1])
gallery.search(photo(1, 0)[None], 1)
child = os.fork()
if child == 0:
    try:
        gallery.search(photo(1, 0)[None], 1)
    except FacesearchError as error:
        print(error, flush=True)
    os._exit(0)
os.waitpid(child, 0)
print(gallery.search(photo(1, 0)[None], 1)[0][0].identity)
"""


@pytest.mark.skipif(not hasattr(sys, "getdlopenflags"), reason="nothing is forked here")
def test_an_encoder_that_was_handed_in_is_refused_in_a_child_in_one_line(folder: str) -> None:
    arguments = [sys.executable, "-c", FORKED_WITH_ENCODER, folder]
    done = subprocess.run(arguments, cwd=ROOT, capture_output=True, text=True, timeout=60, check=True)
    refused, answered = done.stdout.splitlines()
    assert refused.endswith("open it anew with Gallery.open")
    assert answered == "person 1"


def test_an_error_of_a_gallery_is_one_of_the_package(tmp_path: Path) -> None:
    with pytest.raises(FacesearchError), Gallery.open(tmp_path, encoder=NoEncoder()) as gallery:
        gallery.search(np.zeros((1, DIMENSION), np.float32), 1)
