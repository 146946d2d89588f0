"""A row that is not as it was written is never an answer, and the check names it."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from facesearch.errors import StoreError
from facesearch.store import IndexState, SqlStore, open_store
from facesearch.store.sqlite.checksums import COVERED, row_checksum

from .samples import ENCODER, SETTINGS, add, content

STATE = IndexState("sq8", "int8", "index-0.faiss", "ab" * 32, 3, 3, 0, 1000, 1700000000)


@pytest.fixture
def filled(disk: SqlStore) -> SqlStore:
    """Two people, one of three forgotten, settings and index state."""
    disk.configure(SETTINGS, ENCODER)
    add(disk, "Ann", "1", "2")
    add(disk, "Zoë", "3")
    add(disk, "Bob", "4")
    disk.forget("Bob")
    disk.set_index_state(STATE)
    return disk


def _alter(store: SqlStore, statement: str) -> None:
    with closing(sqlite3.connect(str(store.path))) as connection, connection:
        assert connection.execute(statement).rowcount >= 1


def test_a_sound_store_has_no_damaged_row_whatever_was_done_to_it(filled: SqlStore) -> None:
    filled.rename("Ann", "Änn")
    filled.merge("Zoë", "Änn")
    filled.set_threshold(0.5)
    filled.set_index_kind("flat", "int8")
    filled.recode(lambda codes, codec: [code + b"!" for code in codes], "pq4")
    filled.set_threshold(None)
    assert filled.integrity_check() == []
    assert filled.identity("Änn").templates == 3


@pytest.mark.parametrize(
    ("statement", "read"),
    [
        ("UPDATE templates SET code = x'00' WHERE id = 2", lambda store: list(store.templates())),
        ("UPDATE templates SET code = x'00' WHERE id = 2", lambda store: store.codes([2])),
        ("UPDATE templates SET codec = 'fp16' WHERE id = 2", lambda store: list(store.templates(1))),
        ("UPDATE templates SET identity_id = 2 WHERE id = 2", lambda store: store.owners([2])),
        ("UPDATE templates SET quality = 0.25 WHERE id = 2", lambda store: store.template_infos("Ann")),
        ("UPDATE templates SET box_x = 1 WHERE id = 2", lambda store: store.template_infos("Ann")),
        ("UPDATE templates SET checksum = checksum + 1 WHERE id = 2", lambda store: store.merge("Ann", "Zoë")),
        ("UPDATE images SET path = 'x.jpg' WHERE id = 2", lambda store: store.template_infos("Ann")),
        ("UPDATE identities SET name = 'Anm' WHERE id = 1", lambda store: store.owners([1])),
        ("UPDATE identities SET name = 'Anm' WHERE id = 1", lambda store: store.identities()),
        ("UPDATE removals SET template_id = 1", lambda store: store.removals()),
        ("UPDATE gallery SET threshold = 0.1", lambda store: store.settings()),
        ("UPDATE encoders SET fingerprint = 'aa'", lambda store: store.gallery_encoder()),
    ],
)
def test_an_altered_row_is_refused_and_named(statement: str, read: Callable[[SqlStore], Any], filled: SqlStore) -> None:
    _alter(filled, statement)
    with pytest.raises(StoreError, match=r"row \d of \w+ is damaged: its checksum is wrong; restore a backup"):
        read(filled)
    (problem,) = filled.integrity_check()
    assert f"1 row of {statement.split()[1]} damaged (id " in problem


def test_an_altered_index_state_is_not_relied_on(filled: SqlStore) -> None:
    assert filled.index_state() == STATE
    _alter(filled, "UPDATE index_state SET last_template_id = 1")
    assert filled.index_state() is None
    assert filled.integrity_check() == [
        "1 row of index_state damaged (id 1): wrong checksum; facesearch index build repairs it"
    ]
    assert filled.set_index_state(STATE)
    assert filled.integrity_check() == []


def test_a_damaged_person_can_be_forgotten(filled: SqlStore) -> None:
    _alter(filled, "UPDATE templates SET code = x'00' WHERE id = 1")
    filled.forget("Ann")
    assert filled.integrity_check() == []
    assert filled.owners([1, 2]) == {}


def test_many_damaged_rows_are_counted_and_some_named(disk: SqlStore) -> None:
    add(disk, "Ann", *map(str, range(20)))
    _alter(disk, "UPDATE templates SET code = x'00'")
    (problem,) = disk.integrity_check()
    assert problem.startswith("20 rows of templates damaged (id 1, 2, 3, 4, 5, …): wrong checksum")


def test_a_counter_of_ids_that_fell_back_is_made_good_by_the_rows(filled: SqlStore) -> None:
    before = filled.watermark()
    _alter(filled, "UPDATE sqlite_sequence SET seq = 1 WHERE name IN ('templates', 'removals')")
    assert filled.watermark().last_template_id == 3
    assert filled.watermark().last_removal_id == before.last_removal_id == 1


def test_ids_of_forgotten_people_and_templates_are_not_given_again(filled: SqlStore) -> None:
    assert add(filled, "Cyd", "5") == [5]
    assert [person.id for person in filled.identities()] == [1, 4, 2]


@pytest.mark.parametrize(("table", "column"), [("identities", "name"), ("templates", "codec")])
def test_text_that_is_not_text_any_more_is_damage_in_one_line(table: str, column: str, filled: SqlStore) -> None:
    _alter(filled, f"UPDATE {table} SET {column} = CAST(x'ff41' AS TEXT) WHERE id = 1")
    with pytest.raises(StoreError, match="is damaged; restore it from a backup"):
        filled.owners([1])
    assert len(filled.integrity_check()) == 1


def test_every_table_that_answers_depend_on_is_covered() -> None:
    names = {model.__tablename__ for model in COVERED}
    assert names == {"gallery", "encoders", "identities", "images", "templates", "codebooks", "removals", "index_state"}


def test_all_rows_of_a_store_in_memory_are_checked_too() -> None:
    with open_store("sqlite://") as store:
        add(store, "Ann", "1")
        assert store.enrolled([content("1")]) == {content("1"): "Ann"}
        assert store.integrity_check() == []


@given(st.binary(min_size=1, max_size=64), st.integers(0, 511), st.integers(), st.text(), st.floats(allow_nan=False))
def test_any_flipped_bit_changes_the_checksum(code: bytes, bit: int, number: int, text: str, real: float) -> None:
    flipped = bytearray(code)
    flipped[bit // 8 % len(code)] ^= 1 << bit % 8
    assert row_checksum(code, number, text, real) != row_checksum(bytes(flipped), number, text, real)
    assert row_checksum(code, number, text, real) != row_checksum(code, number ^ 1, text, real)
    assert 0 <= row_checksum(code, number, text, real) < 2**32


def test_the_checksum_of_a_row_stays_what_it_is() -> None:
    """Stored checksums outlive versions of Python and of facesearch."""
    assert row_checksum(b"\1\2", 1, 2, "Zoë \u0378", None, 0.1, 1e300) == 1821971808
