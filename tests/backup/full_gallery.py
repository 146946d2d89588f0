"""A gallery with something in every table, and all its rows, wherever it is."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from gallery.doubles import DIMENSION, KEY, store_templates, unit_vectors

from facesearch.codecs.plain import find_codec
from facesearch.gallery.place import opened, place_of
from facesearch.store import Calibration, NewTemplate, Regrouping, SqlStore, open_store
from facesearch.store.records import KeptSuspect
from facesearch.store.sql.checksums import next_id
from facesearch.store.sql.copying import copied_models
from facesearch.store.sql.plans import plan_of, table_of

PEOPLE = [f"person {n // 2}" for n in range(240)]
VECTORS = unit_vectors(len(PEOPLE))
ACCENTED = "Zoë Ångström"
FORGOTTEN = "person 100"

Rows = dict[str, list[tuple[Any, ...]]]


def make_full_gallery(folder: Path) -> Path:
    """120 people with two templates each, and everything that can be done to them."""
    ids = store_templates(folder, PEOPLE, VECTORS, kind="sq8", codec="int8")
    codes = find_codec("int8").encode(unit_vectors(8, seed=9))
    faces = [
        NewTemplate("", bytes([number]) * 32, f"strangers/{number}.jpg", 8, 8, code, 0.5, (0.1, 0.0, 3.0, 1e-7))
        for number, code in enumerate(codes)
    ]
    with open_store(folder) as store:
        store.identities.rename("person 1", ACCENTED)
        store.identities.merge(["person 2"], "person 3")
        store.identities.forget([FORGOTTEN, "person 119"])  # the last one, whose ids are not given again
        store.groups.change(ACCENTED, tags=["staff", "zwölf"], note="knows the way ’round")
        store.groups.change("person 7", ignored=True)
        store.corrections.set_aside(ids[20:22])
        store.corrections.set_aside(ids[22:24], keep=True, stays_out=True)
        store.corrections.remember_rejected({b"r" * 32: "no face was found"}, "d" * 64)
        store.suspicions.add([KeptSuspect(ids[40], None, None), KeptSuspect(None, 8, 9)])
        store.negatives.add("person 8", faces[:1], KEY, "int8")
        added = [each for each in store.unknown.add(faces[1:6], [f.sha256 for f in faces], KEY, "int8") if each]
        groups = ((None, tuple(added[:2])), (None, tuple(added[2:4])))
        said = ((added[0], added[1], True), (added[0], added[2], False))
        store.unknown.regroup(store.unknown.inbox(), Regrouping(groups, tuple(added[4:]), said))
        store.cohort.replace(unit_vectors(3, seed=4), "strangers")
        store.settings.set_calibration(_calibration())
    return folder


def _calibration() -> Calibration:
    rates = (0.4375, 0.01, 0.1 + 0.2, 0.41, 0.47)
    return Calibration(*rates, 300, 150, None, 0, "strangers", "a" * 64, str(KEY), 120, 240, 1_790_000_000)


def rows_of(place: Path | str) -> Rows:
    """All rows of all tables but checksums; and of those that never give an id again, the next one."""
    with opened(place_of(place), lambda: None, create=False).store as store:
        return rows_in(store)


def rows_in(store: SqlStore) -> Rows:
    found: Rows = {}
    with store.transactions.reading() as connection:
        for model in copied_models():
            table, plan = table_of(model), plan_of(model)
            columns = [table.c[name] for name in plan.names]
            rows = connection.execute(table.select().with_only_columns(*columns).order_by(table.c.id))
            found[table.name] = [tuple(row) for row in rows]
            if plan.never_reused:
                found[f"{table.name} given"] = [(next_id(connection, model),)]
    return found


def without_copy(rows: Rows, made: int = 1) -> Rows:
    """The same without the last events of the audit log, which are of copies made of it."""
    events = rows["audit_events"]
    assert [event[2] for event in events[-made:]] == ["backup"] * made
    return rows | {"audit_events": events[:-made]}


def probes(count: int = 12) -> np.ndarray:
    """Templates (count, DIMENSION) like some that are stored."""
    near = VECTORS[:: len(VECTORS) // count][:count] + 0.1 * unit_vectors(count, seed=1)
    assert near.shape == (count, DIMENSION)
    return np.asarray(near / np.linalg.norm(near, axis=1, keepdims=True), np.float32)
