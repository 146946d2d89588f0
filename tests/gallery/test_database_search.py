"""Searching inside the database: answers are those of the index files, without any."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import psycopg
import pytest
from command_line import Command

from facesearch import Gallery, Tagged
from facesearch.errors import GalleryNotFoundError, StoreError
from facesearch.gallery.answers import Candidate
from facesearch.gallery.neighbourhood import surroundings
from facesearch.photos.photo import Photo
from facesearch.store import open_on_server
from facesearch.store.postgresql import nearby, pgvector, vectors
from facesearch.store.postgresql.store import PostgresqlStore

from .doubles import add_templates, index_files, store_templates, unit_vectors
from .on_server import Server

pytestmark = pytest.mark.server

PEOPLE = [f"person {number}" for number in range(60)]
STAFF = PEOPLE[3::7]


def _like(known: np.ndarray, seed: int) -> np.ndarray:
    near = known + 0.8 * unit_vectors(len(known), seed)
    return np.asarray(near / np.linalg.norm(near, axis=1, keepdims=True), np.float32)


VECTORS = np.concatenate([_like(unit_vectors(len(PEOPLE)), seed) for seed in (1, 2)])
PROBES = _like(unit_vectors(len(PEOPLE)), 3)

Told = list[list[tuple[str, float, float, int]]]


def _told(answers: list[list[Candidate]]) -> Told:
    return [[(each.identity, each.similarity, each.score, each.template_id) for each in found] for found in answers]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A gallery of 60 people with two templates each, ready for searches in the database."""
    store_templates(tmp_path / "gallery", PEOPLE * 2, VECTORS)
    with Gallery.open(tmp_path / "gallery") as gallery:
        gallery.build_index(search="database")
    return tmp_path / "gallery"


@contextmanager
def _both(folder: Path) -> Iterator[tuple[Gallery, Gallery]]:
    """The gallery searched by index files, and in the database."""
    with Gallery.open(folder) as by_files, Gallery.open(folder, search="database") as in_database:
        yield by_files, in_database


def _store(gallery: Gallery) -> PostgresqlStore:
    store = gallery.parts.store
    assert isinstance(store, PostgresqlStore)
    return store


def _run(gallery: Gallery, statement: str) -> None:
    address = _store(gallery).address
    with psycopg.connect(address.conninfo) as connection:
        connection.execute(f"SET search_path = {address.gallery}, public".encode())
        connection.execute(statement.encode())


def _same(by_files: Gallery, in_database: Gallery, k: int = 3, **asked: Any) -> Told:
    expected = _told(by_files.search(PROBES, k, **asked))
    assert _told(in_database.search(PROBES, k, **asked)) == expected
    return expected


@pytest.mark.parametrize(("kind", "codec"), [("flat", "fp32"), ("sq8", "int8"), ("fp16+sq8", "int8"), ("sq4", None)])
def test_answers_are_those_of_the_index_files(tmp_path: Path, kind: str, codec: str | None) -> None:
    store_templates(tmp_path / "gallery", PEOPLE * 2, VECTORS)
    with Gallery.open(tmp_path / "gallery") as gallery:
        if kind != "flat":
            gallery.build_index(kind)
        assert codec in (None, gallery.info().codec)
        gallery.build_index(search="database")
        for name in STAFF:
            gallery.set_attributes(name, tags=["staff"])
    with _both(tmp_path / "gallery") as both:
        for k in (1, 100):
            assert [found[0][0] for found in _same(*both, k)] == PEOPLE
        _same(*both, score="normalised")
        _same(*both, score="normalised", among=Tagged("staff"))
        _same(*both, among=STAFF[0])
        assert _told(both[1].search(PROBES[:1], 3)) == _told(both[0].search(PROBES, 3))[:1]


def test_answers_follow_every_change(folder: Path) -> None:
    with _both(folder) as both:
        gallery = both[1]
        _same(*both)
        gallery.ignore(PEOPLE[0])
        assert _same(*both)[0][0][0] != PEOPLE[0]
        gallery.rename(PEOPLE[1], "Ada")
        gallery.merge(PEOPLE[2], into="Ada")
        assert [found[0][0] for found in _same(*both)[1:3]] == ["Ada", "Ada"]
        gone = [each.id for each in gallery.templates(PEOPLE[4])]
        gallery.remove_templates(gone)
        assert _same(*both)[4][0][0] != PEOPLE[4]
        gallery.restore_templates(gone)
        assert _same(*both)[4][0][0] == PEOPLE[4]
        gallery.move_templates([each.id for each in gallery.templates(PEOPLE[5])], PEOPLE[6])
        assert _same(*both)[5][0][0] == PEOPLE[6]
        gallery.enroll_templates(["Grace"] * 2, PROBES[10:12])
        assert [found[0][0] for found in _same(*both)[10:12]] == ["Grace"] * 2
        assert gallery.check() == []


def test_who_is_forgotten_is_named_no_more_and_leaves_no_vector(folder: Path) -> None:
    with _both(folder) as both, Gallery.open(folder, search="database") as third:
        assert [found[0][0] for found in _same(*both)] == PEOPLE
        assert third.forget(PEOPLE[7]).wiped
        assert PEOPLE[7] not in {name for found in _same(*both, 100) for name, *_ in found}
        info = third.vectors_info()
        assert info is not None and info.rows == 2 * len(PEOPLE) - 2
        assert third.check() == []


def test_an_answer_is_from_the_moment_that_it_began_at(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with Gallery.open(folder) as other, Gallery.open(folder, search="database") as gallery:
        nearest = nearby.PostgresqlNearby.nearest

        def forgetting(self: nearby.PostgresqlNearby, *given: Any, **asked: Any) -> Any:
            found = nearest(self, *given, **asked)
            if any(person.name == PEOPLE[8] for person in other.identities()):
                other.parts.store.identities.forget([PEOPLE[8]])
            return found

        monkeypatch.setattr(nearby.PostgresqlNearby, "nearest", forgetting)
        assert gallery.search(PROBES[8:9], 1)[0][0].identity == PEOPLE[8]
        assert gallery.search(PROBES[8:9], 1)[0][0].identity != PEOPLE[8]


def test_equal_templates_are_told_by_lowest_id(folder: Path) -> None:
    with _both(folder) as both:
        with Gallery.open(folder) as gallery:
            names = [f"twin {number}" for number in range(80)]
            twins = add_templates(gallery.parts.store, names, np.repeat(PROBES[:1], 80, axis=0))
        assert [each[3] for each in _same(*both, 5)[0]] == twins[:5]


def test_templates_of_those_who_do_not_know_of_vectors_are_found_too(folder: Path) -> None:
    with _both(folder) as both:
        store_templates(folder, ["Ada", "Grace"], PROBES[:2])
        info = both[1].vectors_info()
        assert info is not None and info.rows == 2 * len(PEOPLE)
        assert [found[0][0] for found in _same(*both)[:2]] == ["Ada", "Grace"]
        assert [name for name, *_ in _same(*both, among=["Ada"])[0]] == ["Ada"]
        both[1].ignore("Ada")
        assert _same(*both)[0][0][0] != "Ada"
        assert "lacks the vectors of 2 templates" in both[1].check()[0]
        both[1].enroll_templates(["Edith"], PROBES[3:4])
        info = both[1].vectors_info()
        assert info is not None and info.rows == 2 * len(PEOPLE) + 3
        assert both[1].check() == []


def test_too_many_templates_without_vectors_say_what_to_do(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nearby, "_MOST_LATER", 1)
    store_templates(folder, ["Ada", "Grace"], PROBES[:2])
    with Gallery.open(folder, search="database") as gallery:
        with pytest.raises(StoreError, match="run: facesearch index build --search database"):
            gallery.search(PROBES, 1)
        gallery.build_index(search="database")
        assert gallery.search(PROBES, 1)[0][0].identity == "Ada"


def test_nothing_is_enrolled_where_its_vector_cannot_be(folder: Path) -> None:
    with Gallery.open(folder) as gallery:
        before = gallery.counts()
        _run(gallery, "ALTER TABLE vectors ADD CHECK (template_id < 122)")
        with pytest.raises(StoreError):
            gallery.enroll_templates(["Ada", "Grace", "Edith"], PROBES[:3])
        assert gallery.counts() == before


def test_the_graph_leads_to_the_same_people(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vectors, "INDEXED_FROM", 50)
    monkeypatch.setattr(nearby, "RERANKED", 60)
    monkeypatch.setattr(vectors, "FACTS", f"{vectors.FACTS}, set_config('enable_seqscan', 'off', true)")
    plans = []
    found = nearby.PostgresqlNearby._found

    def planned(self: nearby.PostgresqlNearby, statement: str, values: dict[str, object]) -> Any:
        plan = self._connection.exec_driver_sql(f"EXPLAIN {statement}", values).scalars()
        plans.append("binary_quantize_idx" in " ".join(plan))
        return found(self, statement, values)

    monkeypatch.setattr(nearby.PostgresqlNearby, "_found", planned)
    with _both(folder) as both:
        info = both[1].vectors_info()
        assert info is not None and not info.indexed
        both[1].enroll_templates(["Ada"], PROBES[:1])
        info = both[1].vectors_info()
        assert info is not None and info.indexed
        assert [found[0][0] for found in _same(*both, 1)] == ["Ada", *PEOPLE[1:]]
        assert plans and all(plans)
        both[1].ignore("Ada")
        both[1].forget(PEOPLE[1])
        assert _same(*both, 1)[0][0][0] == PEOPLE[0]
        assert all(plans)
        plans.clear()
        _same(*both, among=STAFF)  # a graph that all share would find few of some
        _same(*both, 60)
        assert not any(plans)
        both[1].build_index(search="database")
        assert both[1].check() == []


def test_index_check_finds_vectors_that_differ_and_building_repairs_them(folder: Path) -> None:
    with Gallery.open(folder) as gallery:
        assert gallery.check() == []
        _run(gallery, "DELETE FROM vectors WHERE template_id IN (3, 4)")
        _run(gallery, "UPDATE vectors SET v = (SELECT v FROM vectors WHERE template_id = 7) WHERE template_id = 9")
        assert [line.partition(" templates")[0] for line in gallery.check()] == [
            "the database lacks the vectors of 2",
            "the database has other vectors than 1",
        ]
        gallery.build_index(search="database")
        assert gallery.check() == []


def test_vectors_are_those_of_the_codes_after_these_were_changed(folder: Path) -> None:
    with _both(folder) as both:
        both[0].build_index("sq8")
        assert both[1].info().codec == "int8"
        _same(*both)
        assert both[1].check() == []


def test_a_machine_that_searches_in_the_database_keeps_no_index_files(folder: Path) -> None:
    with Gallery.open(folder) as gallery:
        gallery.compact()
    for path in index_files(folder):
        path.unlink()
    (folder / "projection.db").unlink()
    with Gallery.open(folder, search="database") as gallery:
        gallery.enroll_templates(["Ada"], PROBES[:1])
        assert gallery.search(PROBES, 1)[0][0].identity == "Ada"
        assert gallery.forget("Ada").wiped
        gallery.compact()
        assert index_files(folder) == []


def test_what_was_built_is_dropped(folder: Path, facesearch: Command) -> None:
    dropped = facesearch("index", "drop", "--search", "database", "-g", folder)
    assert dropped.status == 0 and "dropped what was built for searches in the database" in dropped.out
    assert not facesearch("index", "drop", "--search", "database", "-g", folder, "--json").json["dropped"]
    assert facesearch("index", "drop", "--search", "projection", "-g", folder).status == 2
    with Gallery.open(folder) as gallery:
        assert gallery.vectors_info() is None
        assert gallery.check() == []
        gallery.enroll_templates(["Ada"], PROBES[:1])
    with pytest.raises(StoreError, match="its owner runs facesearch index build --search database"):
        Gallery.open(folder, search="database")


def test_new_templates_are_judged_as_by_index_files(folder: Path) -> None:
    with _both(folder) as both:
        expected, found = (surroundings(gallery.parts, [1, 62, 7]) for gallery in both)
        assert expected is not None and found is not None
        near = [
            {
                surrounding.ids[row]: [
                    (surrounding.ids[other] if other >= 0 else -1, similarity)
                    for other, similarity in zip(others[:5].tolist(), similarities[:5].tolist(), strict=True)
                ]
                for row, others, similarities in zip(
                    surrounding.hood.judged.tolist(), surrounding.hood.near, surrounding.hood.similarities, strict=True
                )
            }
            for surrounding in (expected, found)
        ]
        assert near[0].keys() == near[1].keys()
        assert expected.scale == found.scale


def test_commands_search_in_the_database(enrolled: Path, probes: list[Photo], facesearch: Command) -> None:
    refused = facesearch("query", probes[0].path, "-g", enrolled, "--search", "database")
    assert refused.status == 1
    assert "its owner runs facesearch index build --search database" in refused.err
    built = facesearch("index", "build", "--search", "database", "-g", enrolled)
    assert built.status == 0 and "made 24 vectors for searches in the database" in built.out
    shown = json.loads(facesearch("index", "show", "-g", enrolled, "--json").out)
    assert (shown["vectors"]["rows"], shown["vectors"]["indexed"]) == (24, False)
    answers = [
        json.loads(facesearch("query", probes[0].path, "-g", enrolled, "--search", where, "--json").out)["probes"]
        for where in ("projection", "database")
    ]
    assert answers[0] == answers[1]
    assert facesearch("query", probes[0].path, "-g", enrolled, "--search", "nowhere").status == 2
    assert facesearch("index", "build", "--search", "database", "--kind", "sq8", "-g", enrolled).status == 2
    forgotten = facesearch(
        "identities",
        "forget",
        answers[0][0]["faces"][0]["candidates"][0]["identity"],
        "-g",
        enrolled,
        "--search",
        "database",
        "--yes",
    )
    assert forgotten.status == 0


def test_a_gallery_has_to_be_there_and_ready(tmp_path: Path) -> None:
    with pytest.raises(GalleryNotFoundError, match="start one with facesearch enroll"):
        Gallery.open(tmp_path / "none", search="database")
    with Gallery.open(tmp_path / "empty") as gallery, pytest.raises(GalleryNotFoundError, match="is empty"):
        gallery.build_index(search="database")
    with pytest.raises(StoreError, match="its owner runs facesearch index build --search database"):
        Gallery.open(tmp_path / "empty", search="database")


def test_a_version_of_pgvector_with_known_faults_is_refused(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pgvector, "OLDEST", (99, 0, 0))
    with pytest.raises(StoreError, match=r"has pgvector 0\.8\.\d+: .*CVE-2026-3172.*VACUUM"):
        Gallery.open(folder, search="database")
    with Gallery.open(folder) as gallery, pytest.raises(StoreError, match=r"CVE-2026-3172"):
        gallery.build_index(search="database")


def test_a_database_without_pgvector_says_who_does_what(
    postgresql_server: str, server: Server | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bare = "CREATE DATABASE bare TEMPLATE template0"
    with psycopg.connect(postgresql_server, autocommit=True) as connection:
        connection.execute("DROP DATABASE IF EXISTS bare")
        connection.execute(bare.encode())
    assert server is not None
    url = server.url(tmp_path).replace("/postgres?", "/bare?")
    with open_on_server(url) as store:
        store.vectors.decode_with(lambda codes, codecs, dimension: unit_vectors(len(codes)))
        with pytest.raises(StoreError, match="types CREATE EXTENSION vector SCHEMA public in that database"):
            store.vectors.require()
        with monkeypatch.context() as patch:
            patch.setattr(pgvector, "_AVAILABLE", f"{pgvector._AVAILABLE} AND false")
            with pytest.raises(StoreError, match=r"the server of .* installs pgvector 0\.8\.4 or newer"):
                store.vectors.build(8)
        with monkeypatch.context() as patch:
            patch.setattr(pgvector, "_CREATE", "CREATE EXTENSION vector SCHEMA nowhere")
            with pytest.raises(StoreError, match="this user may not create it"):
                store.vectors.build(8)
        store.vectors.build(8)
        info = store.vectors.info()
        assert info is not None and (info.rows, info.indexed) == (0, False)
