"""Flipped bits and cut-off files: an answer is the one from before, or a refusal in one line; the check finds them."""

from __future__ import annotations

import logging
import os
import random
import shutil
from collections import Counter
from pathlib import Path

import pytest

from benchmarks.faults.operations import OLD, TEMPLATES, opened, owner, prepare
from facesearch import Gallery
from facesearch.errors import FacesearchError
from facesearch.store import open_store

FLIPS = 60
PROBES = OLD[::7]

Answers = tuple[list[list[tuple[str, float, int]]], list[str], float]


@pytest.fixture(scope="module")
def galleries(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A gallery of 150 people per kind of index."""
    made = {}
    for kind in ("flat", "sq8", "pq8"):
        folder = tmp_path_factory.mktemp("damage")
        prepare(folder, kind)
        made[kind] = folder / "gallery"
    return made


@pytest.fixture(autouse=True)
def quiet() -> None:
    logging.getLogger("facesearch").setLevel(logging.CRITICAL)


def _answers(gallery: Gallery) -> Answers:
    found = [[(c.identity, round(c.similarity, 5), c.template_id) for c in row] for row in gallery.search(PROBES, 3)]
    return found, [person.name for person in gallery.identities()], gallery.threshold


def _outcome(folder: Path, wanted: Answers) -> str:
    """What becomes of questions to a gallery that was damaged."""
    try:
        with opened(folder) as gallery:
            answers, problems = _answers(gallery), gallery.check()
    except FacesearchError as error:
        assert "\n" not in str(error)
        return "refused"
    assert answers == wanted, "a wrong answer"
    return "found" if problems else "unharmed"


@pytest.mark.parametrize("index_file", [True, False], ids=["with index file", "index to be rebuilt"])
def test_no_flipped_bit_of_the_database_leads_to_a_wrong_answer(
    index_file: bool, galleries: dict[str, Path], tmp_path: Path
) -> None:
    folder, draw, outcomes = galleries["flat"], random.Random(index_file), Counter[str]()
    with opened(folder) as gallery:
        wanted = _answers(gallery)
    content = (folder / "gallery.db").read_bytes()
    for number in range(FLIPS):
        place = Path(shutil.copytree(folder, tmp_path / str(number)))
        if not index_file:
            next(place.glob("index-*")).unlink()
        flipped = bytearray(content)
        flipped[draw.randrange(len(content))] ^= 1 << draw.randrange(8)
        (place / "gallery.db").write_bytes(flipped)
        outcomes[_outcome(place, wanted)] += 1
        shutil.rmtree(place)
    assert outcomes["refused"] > 5


@pytest.mark.parametrize("table", ["templates", "identities", "gallery"])
def test_a_flipped_bit_inside_a_row_is_found_by_the_check(
    table: str, galleries: dict[str, Path], tmp_path: Path
) -> None:
    """Each byte of a stored value counts, unlike the empty space between rows."""
    folder = Path(shutil.copytree(galleries["flat"], tmp_path / "gallery"))
    with open_store(folder) as store, store.transactions.reading() as connection:
        column = {"templates": "code", "identities": "name", "gallery": "model"}[table]
        value = connection.exec_driver_sql(f"SELECT {column} FROM {table} WHERE id = 1").scalar_one()
    stored = value if isinstance(value, bytes) else value.encode()
    path = folder / "gallery.db"
    content = bytearray(path.read_bytes())
    at = content.index(stored)
    content[at + len(stored) // 2] ^= 1
    path.write_bytes(content)
    try:
        with opened(folder) as gallery:
            problems = gallery.check()
    except FacesearchError as error:
        problems = [str(error)]
    assert len(problems) >= 1


@pytest.mark.parametrize("kind", ["flat", "sq8", "pq8"])
def test_no_damage_of_an_index_file_leads_to_a_wrong_answer_and_a_build_mends_it(
    kind: str, galleries: dict[str, Path], tmp_path: Path
) -> None:
    draw = random.Random(kind)
    with opened(galleries[kind]) as gallery:
        found = [candidates[0].identity for candidates in gallery.search(PROBES, 1)]
    for number in range(6):
        folder = Path(shutil.copytree(galleries[kind], tmp_path / str(number)))
        path = next(folder.glob("index-*"))
        content = bytearray(path.read_bytes())
        if number % 2:
            del content[draw.randrange(len(content)) :]
        else:
            content[draw.randrange(len(content))] ^= 1 << draw.randrange(8)
        path.write_bytes(content)
        with opened(folder) as gallery:
            assert [candidates[0].identity for candidates in gallery.search(PROBES, 1)] == found
            assert gallery.check() != []
            gallery.build_index()
            assert gallery.check() == []


def test_a_write_ahead_log_that_was_cut_or_flipped_gives_a_state_that_once_was(
    galleries: dict[str, Path], tmp_path: Path
) -> None:
    """SQLite's log has checksums of its own: it counts up to the last transaction that is whole."""
    source = Path(shutil.copytree(galleries["flat"], tmp_path / "source"))
    left = tmp_path / "left"
    with opened(source) as gallery:
        for row in range(4):
            gallery.enroll_templates([f"late {row}"], -OLD[row : row + 1])
        shutil.copytree(source, left)  # as a process that is killed leaves it
    log = (left / "gallery.db-wal").read_bytes()
    assert len(log) > 4096
    draw, states = random.Random(0), set[int]()
    for number in range(16):
        folder = Path(shutil.copytree(left, tmp_path / str(number)))
        (folder / "gallery.db-shm").unlink(missing_ok=True)
        damaged = bytearray(log)
        place = draw.randrange(len(log))
        if number % 2:
            del damaged[place:]
        else:
            damaged[place] ^= 1 << draw.randrange(8)
        (folder / "gallery.db-wal").write_bytes(damaged)
        with opened(folder) as gallery:
            late = [person.name for person in gallery.identities() if person.name.startswith("late ")]
            assert late == [f"late {row}" for row in range(len(late))]
            assert gallery.check() in ([], [problem for problem in gallery.check() if "index build" in problem])
            assert gallery.search(OLD[:1], 1)[0][0].identity == owner(0)
            states.add(len(late))
        shutil.rmtree(folder)
    assert len(states) > 1


@pytest.mark.parametrize("length", [0, 1, 4096, 0.5, 0.99])
def test_a_database_cut_short_is_refused_or_found(length: float, galleries: dict[str, Path], tmp_path: Path) -> None:
    folder = Path(shutil.copytree(galleries["flat"], tmp_path / "gallery"))
    path = folder / "gallery.db"
    whole = path.stat().st_size
    os.truncate(path, int(length * whole) if 0 < length < 1 else int(length))
    try:
        with opened(folder) as gallery:
            problems = gallery.check()
            assert gallery.counts().templates in (0, TEMPLATES + 1)
    except FacesearchError as error:
        problems = [str(error)]
    assert problems != []
    assert "\n" not in problems[0]
