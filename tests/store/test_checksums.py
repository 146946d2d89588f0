"""A row that is not as it was written is never an answer, and the check names it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from altering import alter
from hypothesis import given
from hypothesis import strategies as st

from facesearch.errors import StoreError
from facesearch.store import IndexState, LogPosition, Segment, SqliteStore, SqlStore, open_store
from facesearch.store.sql.checksums import COVERED
from facesearch.store.sqlite.rows import row_checksum

from .samples import ENCODER, SETTINGS, add, content, owners_of

STATE = IndexState(
    "sq8", "int8", LogPosition(3, 0), (Segment("index-0.faiss", "ab" * 32, 3, 1, 3, 1000),), 1700000000, version=7
)


@pytest.fixture
def filled(kept: SqlStore) -> SqlStore:
    """Two people, one of three forgotten, settings, a cohort and index state."""
    kept.settings.configure(SETTINGS, ENCODER)
    kept.cohort.replace(np.eye(5, 128, dtype=np.float32), "others")
    add(kept, "Ann", "1", "2")
    add(kept, "Zoë", "3")
    add(kept, "Bob", "4")
    kept.identities.forget(["Bob"])
    assert kept.index_state.replace(None, STATE)
    return kept


def test_a_sound_store_has_no_damaged_row_whatever_was_done_to_it(filled: SqlStore) -> None:
    filled.identities.rename("Ann", "Änn")
    filled.identities.merge(["Zoë"], "Änn")
    filled.settings.set_threshold(0.5)
    filled.recoding.switch("flat", "pq4", lambda codes, codec: [code + b"!" for code in codes])
    filled.settings.set_threshold(None)
    filled.settings.set_score("normalised")
    filled.cohort.replace(np.eye(7, 128, dtype=np.float32), "Zoë")
    assert filled.integrity_check() == []
    assert filled.identities.find("Änn").templates == 3


@pytest.mark.parametrize(
    ("statement", "read"),
    [
        ("UPDATE templates SET code = x'00' WHERE id = 2", lambda store: list(store.templates.batches())),
        ("UPDATE templates SET code = x'00' WHERE id = 2", lambda store: store.templates.codes([2])),
        ("UPDATE templates SET quality = 0.9 WHERE id = 2", lambda store: store.templates.qualities([2])),
        ("UPDATE templates SET codec = 'fp16' WHERE id = 2", lambda store: list(store.templates.batches(1))),
        ("UPDATE templates SET identity_id = 2 WHERE id = 2", lambda store: store.templates.owners([2])),
        ("UPDATE templates SET quality = 0.25 WHERE id = 2", lambda store: store.identities.templates("Ann")),
        ("UPDATE templates SET box_x = 1 WHERE id = 2", lambda store: store.identities.templates("Ann")),
        (
            "UPDATE templates SET checksum = checksum + 1 WHERE id = 2",
            lambda store: store.identities.merge(["Ann"], "Zoë"),
        ),
        ("UPDATE images SET path = 'x.jpg' WHERE id = 2", lambda store: store.identities.templates("Ann")),
        ("UPDATE identities SET name = 'Anm' WHERE id = 1", lambda store: store.templates.owners([1])),
        ("UPDATE identities SET name = 'Anm' WHERE id = 1", lambda store: store.identities.all()),
        ("UPDATE removals SET template_id = 1", lambda store: store.templates.removed_since(0)),
        ("UPDATE gallery SET threshold = 0.1", lambda store: store.settings.read()),
        ("UPDATE gallery SET score = 'normalised'", lambda store: store.settings.read()),
        ("UPDATE cohorts SET content = zeroblob(length(content))", lambda store: store.cohort.read()),
        ("UPDATE cohorts SET faces = 4", lambda store: store.cohort.read()),
        ("UPDATE cohorts SET source = 'elsewhere'", lambda store: store.cohort.read()),
        ("UPDATE encoders SET fingerprint = 'aa'", lambda store: store.settings.encoder()),
    ],
)
def test_an_altered_row_is_refused_and_named(statement: str, read: Callable[[SqlStore], Any], filled: SqlStore) -> None:
    alter(filled, statement)
    advice = "facesearch calibrate --cohort none removes it" if "cohorts" in statement else "restore a backup"
    with pytest.raises(StoreError, match=rf"row \d of \w+ is damaged: its checksum is wrong; {advice}"):
        read(filled)
    (problem,) = filled.integrity_check()
    assert f"1 row of {statement.split()[1]} damaged (id " in problem


@pytest.mark.parametrize(("table", "change"), [("index_state", "last_template_id = 1"), ("index_segments", "rows = 2")])
def test_an_altered_index_state_is_not_relied_on(table: str, change: str, filled: SqlStore) -> None:
    assert filled.index_state.read() == STATE
    alter(filled, f"UPDATE {table} SET {change}")
    assert filled.index_state.read() is None
    assert filled.integrity_check() == [
        f"1 row of {table} damaged (id 1): wrong checksum; facesearch index build repairs it"
    ]
    assert filled.index_state.replace(None, STATE)
    assert filled.integrity_check() == []


def test_an_altered_owner_is_refused_also_where_nobody_has_its_number(filled: SqlStore) -> None:
    filled.identities.rename("Ann", "Änn")
    filled.corrections.set_aside([1])
    photo = content("1")
    assert filled.corrections.once_called(["Ann"]) == {"Ann": "Änn"}
    assert filled.corrections.aside([photo]) == {photo: {"Änn"}}
    for number in (2, 99):
        alter(filled, f"UPDATE aliases SET identity_id = {number}")
        alter(filled, f"UPDATE set_aside SET identity_id = {number}")
        with pytest.raises(StoreError, match="of aliases is damaged"):
            filled.corrections.once_called(["Ann"])
        with pytest.raises(StoreError, match="of set_aside is damaged"):
            filled.corrections.aside([photo])


@pytest.mark.parametrize("table", ["set_aside", "kept_aside"])
def test_what_was_to_be_kept_is_not_deleted_where_damage_hides_it(table: str, filled: SqlStore) -> None:
    filled.corrections.set_aside([1], keep=True)
    filled.corrections.set_aside([2])
    alter(filled, f"UPDATE {table} SET id = 9 WHERE id = 1")
    with pytest.raises(StoreError, match=rf"row 9 of {table} is damaged"):
        filled.corrections.discard()
    alter(filled, f"UPDATE {table} SET id = 1 WHERE id = 9")
    alter(filled, "UPDATE set_aside SET quality = 0.9 WHERE id = 2")  # which goes anyway
    assert filled.corrections.discard() == 1
    assert filled.integrity_check() == []


def test_a_damaged_person_can_be_forgotten(filled: SqlStore) -> None:
    alter(filled, "UPDATE templates SET code = x'00' WHERE id = 1")
    filled.identities.forget(["Ann"])
    assert filled.integrity_check() == []
    assert filled.templates.owners([1, 2]) == {}


def test_many_damaged_rows_are_counted_and_some_named(kept: SqlStore) -> None:
    add(kept, "Ann", *map(str, range(20)))
    alter(kept, "UPDATE templates SET code = x'00'")
    (problem,) = kept.integrity_check()
    assert problem.startswith("20 rows of templates damaged (id 1, 2, 3, 4, 5, …): wrong checksum")


def test_a_counter_of_ids_that_fell_back_is_made_good_by_the_rows(filled: SqlStore) -> None:
    before = filled.templates.position()
    given = "sqlite_sequence SET seq" if isinstance(filled, SqliteStore) else "numbers SET last"
    alter(filled, f"UPDATE {given} = 1 WHERE name IN ('templates', 'removals')")
    assert filled.templates.position().last_template_id == 3
    assert filled.templates.position().last_removal_id == before.last_removal_id == 1


def test_ids_of_forgotten_people_and_templates_are_not_given_again(filled: SqlStore) -> None:
    assert add(filled, "Cyd", "5") == [5]
    assert [person.id for person in filled.identities.all()] == [1, 4, 2]


@pytest.mark.parametrize(("table", "column"), [("identities", "name"), ("templates", "codec")])
def test_text_that_is_not_text_any_more_is_damage_in_one_line(table: str, column: str, filled: SqlStore) -> None:
    if not isinstance(filled, SqliteStore):
        pytest.skip("a server keeps no text that is none")
    alter(filled, f"UPDATE {table} SET {column} = CAST(x'ff41' AS TEXT) WHERE id = 1")
    with pytest.raises(StoreError, match="is damaged; restore it from a backup"):
        filled.templates.owners([1])
    assert len(filled.integrity_check()) == 1


def test_every_table_that_answers_depend_on_is_covered() -> None:
    names = {model.__tablename__ for model in COVERED}
    assert names == {"gallery", "encoders", "identities", "images", "templates", "codebooks", "removals"} | {
        "cohorts",
        "set_aside",
        "kept_aside",
        "kept_suspects",
        "aliases",
        "tags",
        "notes",
        "ignored",
        "negatives",
        "forgotten_photos",
        "rejected_photos",
        "collected_photos",
        "unknown_clusters",
        "unknown_faces",
        "unknown_pairs",
        "secrets",
        "index_state",
        "index_segments",
    }


def test_all_rows_of_a_store_in_memory_are_checked_too() -> None:
    with open_store("sqlite://") as store:
        add(store, "Ann", "1")
        assert owners_of(store, "1") == {"1": "Ann"}
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
