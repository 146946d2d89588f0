"""The cohort: people who are not enrolled, whom probes are compared with."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pytest
from altering import alter

from facesearch.errors import StoreError
from facesearch.store import GalleryStore, SqlStore
from facesearch.store.sql.checksums import refresh
from facesearch.store.sql.models import CohortRow

from .samples import ENCODER, SETTINGS, add

ADVICE = "facesearch calibrate --cohort none removes it"


def templates(count: int, seed: int = 0) -> npt.NDArray[np.float32]:
    """Of unit length: (count, 128)."""
    x = np.random.default_rng(seed).normal(size=(count, SETTINGS.dimension))
    return np.asarray(x / np.linalg.norm(x, axis=1, keepdims=True), np.float32)


def cohort_id(store: GalleryStore) -> int | None:
    """The id that a moment sees."""
    with store.moment() as moment:
        state = moment.state()
    assert state is not None
    return state.cohort


def test_a_new_store_has_no_cohort(store: GalleryStore) -> None:
    assert store.cohort.read() is None
    store.settings.configure(SETTINGS, ENCODER)
    assert cohort_id(store) is None


def test_a_cohort_is_kept_in_order_to_half_precision(store: GalleryStore) -> None:
    wanted = templates(7)
    store.cohort.replace(wanted, "photos of Zoë")
    kept = store.cohort.read()
    assert kept is not None
    assert (kept.source, kept.templates.shape) == ("photos of Zoë", (7, 128))
    assert kept.templates.dtype == np.float32
    assert np.array_equal(kept.templates, wanted.astype(np.float16).astype(np.float32))
    assert store.integrity_check() == []


def test_templates_may_lie_in_memory_in_any_way(store: GalleryStore) -> None:
    wanted = templates(6)
    for given in (np.asfortranarray(wanted), np.repeat(wanted, 2, axis=0)[::2], wanted.astype(np.float64)):
        store.cohort.replace(given, "others")  # type: ignore[arg-type]
        kept = store.cohort.read()
        assert kept is not None
        assert kept.templates == pytest.approx(wanted, abs=2**-11)


def test_another_cohort_takes_the_place_of_the_one_before_and_none_removes_it(kept: SqlStore) -> None:
    kept.cohort.replace(templates(7), "first")
    kept.cohort.replace(templates(3, seed=1), "second")
    found = kept.cohort.read()
    assert found is not None
    assert (found.source, len(found.templates)) == ("second", 3)
    for _ in range(2):
        kept.cohort.replace(templates(0), "")
        assert kept.cohort.read() is None
    with kept.transactions.reading() as connection:
        assert connection.exec_driver_sql("SELECT count(*) FROM cohorts").scalar_one() == 0


def test_the_id_of_a_cohort_is_never_used_again(store: GalleryStore) -> None:
    store.settings.configure(SETTINGS, ENCODER)
    seen = []
    for count in (5, 5, 0, 5, 0, 0, 6):
        store.cohort.replace(templates(count), "others")
        kept = store.cohort.read()
        assert cohort_id(store) == (None if kept is None else kept.id)
        seen += [] if kept is None else [kept.id]
    assert seen == sorted(set(seen))
    assert len(seen) == 4


def test_a_cohort_is_there_when_the_store_is_opened_again(opening: Callable[..., SqlStore]) -> None:
    with opening() as store:
        store.cohort.replace(templates(5), "others")
    for read_only in (False, True):
        with opening(read_only=read_only) as again:
            kept = again.cohort.read()
            assert kept is not None
            assert (kept.source, len(kept.templates)) == ("others", 5)


def test_enrolling_and_forgetting_leave_the_cohort_alone(store: GalleryStore) -> None:
    store.settings.configure(SETTINGS, ENCODER)
    store.cohort.replace(templates(5), "others")
    add(store, "Ann", "1", "2")
    store.identities.forget(["Ann"])
    kept = store.cohort.read()
    assert kept is not None
    assert len(kept.templates) == 5


@pytest.mark.parametrize("at", [0, 639, 1279])
def test_a_flipped_byte_of_a_cohort_is_damage_in_one_line_until_there_is_another(at: int, kept: SqlStore) -> None:
    kept.cohort.replace(templates(5), "others")
    content = bytearray(templates(5).astype("<f2").tobytes())
    content[at] ^= 1
    alter(kept, f"UPDATE cohorts SET content = x'{content.hex()}'")
    with pytest.raises(StoreError, match="row 1 of cohorts is damaged: its checksum is wrong") as caught:
        kept.cohort.read()
    assert "\n" not in str(caught.value)
    (problem,) = kept.integrity_check()
    assert problem == f"1 row of cohorts damaged (id 1): wrong checksum; {ADVICE}"
    kept.cohort.replace(templates(5), "others")
    assert kept.integrity_check() == []
    assert kept.cohort.read() is not None


@pytest.mark.parametrize("faces", [3, 0, -1])
def test_faces_that_do_not_divide_the_bytes_of_a_cohort_are_damage(faces: int, kept: SqlStore) -> None:
    kept.cohort.replace(templates(5), "others")
    alter(kept, f"UPDATE cohorts SET faces = {faces}")
    with kept.transactions.writing() as connection:
        refresh(connection, CohortRow, CohortRow.id == 1)
    with pytest.raises(StoreError, match=f"the cohort of {faces} faces has 1280 bytes; {ADVICE}"):
        kept.cohort.read()
