"""Flipped bits and cut-off files: an answer is the one from before, or a refusal in one line; the check finds them."""

from __future__ import annotations

import logging
import os
import random
import shutil
import sqlite3
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from benchmarks.faults.operations import OLD, TEMPLATES, opened, owner, prepare
from facesearch import Gallery
from facesearch.errors import FacesearchError, StoreError
from facesearch.store import open_store
from facesearch.store.sqlite.rows import row_checksum

FLIPS = 60
DAMAGES = 60
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


PAGE = 4096


def _damaged(content: bytes, draw: random.Random) -> bytes:
    """A bit, a few bytes, a page, or a page in place of another one."""
    damaged, page, at = bytearray(content), draw.randrange(len(content) // PAGE) * PAGE, draw.randrange(len(content))
    if draw.random() < 0.3:  # the first pages hold settings, versions and the roots of all tables
        page = draw.randrange(25) * PAGE
        at = page + draw.randrange(PAGE)
    match draw.randrange(5):
        case 0:
            damaged[at] ^= 1 << draw.randrange(8)
        case 1:
            damaged[at : at + 8] = draw.randbytes(len(damaged[at : at + 8]))
        case 2:
            damaged[page : page + PAGE] = bytes(PAGE)
        case 3:
            other = draw.randrange(len(content) // PAGE) * PAGE
            damaged[page : page + PAGE] = content[other : other + PAGE]
        case _:
            damaged[page + draw.randrange(40)] = draw.randrange(256)
    return bytes(damaged)


def test_whatever_is_damaged_each_question_is_answered_rightly_or_refused_in_one_line(
    galleries: dict[str, Path], tmp_path: Path
) -> None:
    folder, draw, outcomes = galleries["flat"], random.Random(21), Counter[str]()

    def asked(gallery: Gallery) -> dict[str, Callable[[], object]]:
        return {
            "identities": lambda: [(each.name, each.templates, each.images) for each in gallery.identities()],
            "identity": lambda: [(each.id, each.path) for each in gallery.identity("person 7")[1]],
            "info": lambda: (gallery.info().identities, gallery.info().templates, gallery.info().threshold),
            "search": lambda: _answers(gallery),
        }

    with opened(folder) as gallery:
        wanted = {name: ask() for name, ask in asked(gallery).items()}
    content = (folder / "gallery.db").read_bytes()
    for number in range(DAMAGES):
        place = Path(shutil.copytree(folder, tmp_path / str(number)))
        (place / "gallery.db").write_bytes(_damaged(content, draw))
        try:
            with opened(place) as gallery:
                for name, ask in asked(gallery).items():
                    try:
                        answer = ask()
                    except FacesearchError as error:
                        assert "\n" not in str(error)
                        outcomes[name] += 1
                    else:
                        assert answer == wanted[name], f"damage {number}: {name}"
                for problem in gallery.check():
                    assert "\n" not in problem
        except FacesearchError as error:
            assert "\n" not in str(error)
            outcomes["opening"] += 1
        shutil.rmtree(place)
    assert set(outcomes) == {"opening", *wanted}


@pytest.mark.parametrize(
    "damage",
    [
        "UPDATE alembic_version SET version_num = NULL",
        "UPDATE alembic_version SET version_num = x'ff00'",
        "UPDATE alembic_version SET version_num = char(10)",
        "DELETE FROM alembic_version",
        "INSERT INTO alembic_version VALUES ('0001')",
        "INSERT INTO gallery SELECT 2, model, dimension, codec, index_kind, threshold, score, quality, encoder_id, "
        "1, 0 FROM gallery",
        "UPDATE identities SET name = NULL WHERE id = 3",
        "UPDATE gallery SET encoder_id = 99",
        "UPDATE templates SET code = NULL WHERE id = 3",
        "UPDATE templates SET identity_id = NULL WHERE id = 3",
        "UPDATE images SET path = NULL",
        "UPDATE encoders SET model = NULL",
    ],
)
def test_values_that_no_column_may_have_are_refused_in_one_line(
    damage: str, galleries: dict[str, Path], tmp_path: Path
) -> None:
    folder = Path(shutil.copytree(galleries["flat"], tmp_path / "gallery"))
    with closing(sqlite3.connect(folder / "gallery.db", isolation_level=None)) as connection:
        connection.execute("PRAGMA writable_schema=ON")
        connection.execute("UPDATE sqlite_master SET sql = replace(replace(sql, 'NOT NULL', ''), 'CHECK (id = 1)', '')")
        connection.execute("UPDATE sqlite_master SET sql = replace(sql, ' CONSTRAINT ck_gallery_single', '')")
    with closing(sqlite3.connect(folder / "gallery.db", isolation_level=None)) as connection:
        connection.create_function("row_checksum", -1, row_checksum)
        connection.execute(damage)
    said = []
    for ask in (
        lambda gallery: gallery.identities(),
        lambda gallery: gallery.identity("person 1"),
        lambda gallery: gallery.info(),
        _answers,
        lambda gallery: gallery.check(),
        lambda gallery: gallery.forget("nobody"),
    ):
        try:
            with opened(folder) as gallery:
                answer = ask(gallery)
                said += answer if ask.__name__ == "<lambda>" and isinstance(answer, list) and answer else []
        except FacesearchError as error:
            said.append(str(error))
    assert said
    assert not any("\n" in str(line) for line in said)


def test_an_sql_index_that_lacks_rows_is_named_by_the_check(galleries: dict[str, Path], tmp_path: Path) -> None:
    folder = Path(shutil.copytree(galleries["flat"], tmp_path / "gallery"))
    with closing(sqlite3.connect(folder / "gallery.db", isolation_level=None)) as connection:
        query = "SELECT rootpage FROM sqlite_master WHERE name = ?"
        (root,) = connection.execute(query, ("ix_templates_identity_id",)).fetchone()
    content = bytearray((folder / "gallery.db").read_bytes())
    page = (root - 1) * PAGE
    content[page + 3 : page + 5] = (int.from_bytes(content[page + 3 : page + 5], "big") - 1).to_bytes(2, "big")
    (folder / "gallery.db").write_bytes(content)
    with opened(folder) as gallery:
        for ask in (gallery.identities, gallery.counts, gallery.info):
            with pytest.raises(StoreError, match="SQL indexes disagree"):
                ask()
        assert any("ix_templates_identity_id" in problem for problem in gallery.check())


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
