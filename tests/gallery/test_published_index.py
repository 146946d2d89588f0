"""Index files that one machine publishes in the database, and others take from there."""

from __future__ import annotations

import contextlib
import shutil
import threading
from collections import namedtuple
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import psycopg
import pytest

from facesearch import Gallery
from facesearch.errors import IndexStateError, StoreBusyError, StoreError
from facesearch.gallery import index_building, index_files, index_writing, published_files
from facesearch.store import GallerySettings
from facesearch.store.postgresql import published, published_tables
from facesearch.store.postgresql.alone import alone
from facesearch.store.postgresql.published import PostgresqlPublished
from facesearch.store.postgresql.store import PostgresqlStore
from facesearch.store.sql.templates import SqlTemplates

from .doubles import DIMENSION, KEY, add_templates, unit_vectors
from .doubles import index_files as files_in

pytestmark = pytest.mark.folder  # what stands for folders elsewhere would be in the way
SLOW = pytest.mark.slow
PEOPLE = [f"person {number}" for number in range(60)]
VECTORS = unit_vectors(2 * len(PEOPLE))
Machine = Callable[..., Gallery]


@pytest.fixture(autouse=True)
def small_files(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of thirty templates each, sent in pieces of a few."""
    for module in (index_building, index_writing):
        monkeypatch.setattr(module, "segment_rows", lambda kind, dimension: 30)
    monkeypatch.setattr(SqlTemplates.batches, "__defaults__", (0, None, 20))
    monkeypatch.setattr(published, "PIECE", 4096)


@pytest.fixture
def machine(gallery_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Machine]:
    """Opens the gallery on a machine of that name."""
    with contextlib.ExitStack() as opened:

        def open_on(name: str, url: str = gallery_url) -> Gallery:
            monkeypatch.setenv("FACESEARCH_HOME", str(tmp_path / name))
            encoder = "dlib-resnet:fp32@onnx" if name == "first" else None
            return opened.enter_context(Gallery.open(url, encoder=encoder))

        yield open_on


@pytest.fixture
def first(machine: Machine) -> Gallery:
    """The machine on which sixty people were enrolled, who published its four files."""
    gallery = machine("first")
    store_of(gallery).settings.configure(GallerySettings(KEY.model, DIMENSION, "fp32", "flat"), KEY)
    add_templates(store_of(gallery), PEOPLE * 2, VECTORS)
    gallery.build_index()
    assert gallery.publish_index().files == 4
    return gallery


@pytest.fixture
def builds(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What is built from stored templates from here on."""
    done: list[str] = []
    for name in ("build", "fill"):
        work = getattr(index_building.IndexBuilder, name)

        def noted(*given: Any, _name: str = name, _work: Any = work, **more: Any) -> Any:
            done.append(_name)
            return _work(*given, **more)

        monkeypatch.setattr(index_building.IndexBuilder, name, noted)
    return done


def best(gallery: Gallery) -> list[str]:
    return [found[0].identity for found in gallery.search(VECTORS, 1)]


def store_of(gallery: Gallery) -> PostgresqlStore:
    store = gallery.parts.store
    assert isinstance(store, PostgresqlStore)
    return store


def run(gallery: Gallery, *statements: str) -> list[Any]:
    """The last one's rows."""
    address = store_of(gallery).address
    with psycopg.connect(address.conninfo) as connection:
        connection.execute(f"SET search_path = {address.gallery}".encode())
        for statement in statements:
            done = connection.execute(statement.encode())
        return done.fetchall() if done.description else []


def numbers(gallery: Gallery) -> list[int]:
    return [row[0] for row in run(gallery, "SELECT number FROM published_files ORDER BY number")]


def test_a_new_machine_takes_published_files_and_builds_nothing(
    first: Gallery, machine: Machine, builds: list[str]
) -> None:
    second = machine("second")
    assert best(second) == PEOPLE * 2
    assert builds == []
    assert second.index_info().replayed == 0
    assert len(files_in(second.parts.folder)) == 4
    assert second.check() == []
    info = second.published_info()
    assert info is not None and (info.templates, info.lacking, info.fits) == (120, 0, True)
    assert info.bytes > 120 * 512
    second.close()
    again = machine("second")
    assert best(again) == PEOPLE * 2 and builds == []


def test_what_changed_since_is_replayed_and_who_was_forgotten_is_named_by_nobody(
    first: Gallery, machine: Machine, builds: list[str]
) -> None:
    receipt = first.forget(PEOPLE[5])
    assert (receipt.published, receipt.published_left, receipt.wiped) == (2, 0, True)
    first.enroll_templates(["Ada"] * 3, unit_vectors(3, seed=9))
    info = first.published_info()
    assert info is not None and (info.files, info.templates, info.lacking) == (2, 60, 61)
    builds.clear()
    second = machine("second")
    assert PEOPLE[5] not in best(second)
    assert [name for number, name in enumerate(best(second)) if number % 60 != 5] == (PEOPLE[:5] + PEOPLE[6:]) * 2
    assert second.search(unit_vectors(3, seed=9), 1)[2][0].identity == "Ada"
    assert "build" not in builds and "fill" in builds
    assert second.check() == []
    second.close()
    builds.clear()
    again = machine("second")
    assert PEOPLE[5] not in best(again) and builds == [] and again.index_info().replayed == 0


def pages(gallery: Gallery) -> bytes:
    """What the files hold on the server that published pieces are in."""
    files = (
        "SELECT pg_read_binary_file(pg_relation_filepath(one)) FROM pg_class, unnest(ARRAY[oid, reltoastrelid]) AS one "
        "WHERE oid = 'published_pieces'::regclass"
    )
    return b"".join(row[0] for row in run(gallery, "CHECKPOINT", files))


def test_no_byte_of_who_was_forgotten_is_left_in_a_published_file(first: Gallery) -> None:
    codes = first.parts.index.current().searched.reconstruct(np.array([8, 9, 39]))
    held = [code.tobytes()[100:116] for code in codes]
    assert [pages(first).count(part) for part in held] == [1, 1, 1]
    assert first.forget(PEOPLE[7]).wiped
    assert [pages(first).count(part) for part in held] == [0, 0, 1]  # files go whole
    first.publish_index()
    assert [pages(first).count(part) for part in held] == [0, 1, 1]


@pytest.mark.parametrize(
    "way",
    ["forget", *(pytest.param(way, marks=SLOW) for way in ("remove", "set aside", "thin", "merge and forget"))],
)
def test_whoever_is_taken_out_leaves_the_published_files_too(first: Gallery, way: str) -> None:
    one = first.templates(PEOPLE[0])
    ids = [one[0].id]
    assert len(numbers(first)) == 4
    if way == "remove":
        first.remove_templates(ids)
    elif way == "set aside":
        first.set_aside_templates(ids)
    elif way == "thin":
        first.enroll_templates([PEOPLE[0]] * 2, VECTORS[[0, 0]] + 0.001 * unit_vectors(2, seed=4))
        first.publish_index()
        assert len(first.thin(3).people) == 1
    elif way == "forget":
        first.forget(PEOPLE[0])
    else:
        first.merge(PEOPLE[0], into=PEOPLE[1])
        first.forget(PEOPLE[1])
    gone = "SELECT template_id FROM removals"
    holding = (
        f"SELECT count(*) FROM published_files JOIN ({gone}) AS r "
        "ON template_id BETWEEN first_template_id AND last_template_id"
    )
    assert run(first, holding) == [(0,)]
    assert run(
        first, "SELECT count(*) FROM published_pieces WHERE file NOT IN (SELECT number FROM published_files)"
    ) == [(0,)]
    assert len(numbers(first)) < (5 if way == "thin" else 4)
    assert first.publish_index().lacking == 0
    assert first.check() == []


def test_publishing_again_sends_only_files_that_changed(first: Gallery) -> None:
    before = numbers(first)
    told: list[tuple[int, int]] = []
    first.publish_index(lambda done, total: told.append((done, total)))
    assert (numbers(first), told) == (before, [])
    first.enroll_templates(["Ada"], unit_vectors(1, seed=9))
    info = first.published_info()
    assert info is not None and info.lacking == 1
    assert first.publish_index(lambda done, total: told.append((done, total))).lacking == 0
    assert set(before) < set(numbers(first))
    assert told[-1][0] == told[-1][1] > 0


@SLOW
def test_another_kind_of_index_takes_the_publication_with_it(
    first: Gallery, machine: Machine, builds: list[str]
) -> None:
    first.build_index("sq8")
    assert numbers(first) == [] and first.check() == []
    assert first.published_info() is not None
    builds.clear()
    assert best(machine("second")) == PEOPLE * 2
    assert builds == ["build"]
    assert first.publish_index().kind == "sq8"
    builds.clear()
    third = machine("third")
    assert best(third) == PEOPLE * 2 and builds == [] and third.check() == []


@pytest.mark.parametrize(
    "statement",
    [
        pytest.param(
            "UPDATE published_pieces SET content = set_byte(content, 9, 255 - get_byte(content, 9)) WHERE place = 1 "
            "AND file = (SELECT min(number) FROM published_files)",
            id="a byte",
        ),
        pytest.param(
            "DELETE FROM published_pieces WHERE place = 2 AND file = (SELECT min(number) FROM published_files)",
            id="a piece missing",
            marks=SLOW,
        ),
        pytest.param(
            "UPDATE published_files SET last_template_id = last_template_id - 1 "
            "WHERE number = (SELECT min(number) FROM published_files)",
            id="what is noted of it",
            marks=SLOW,
        ),
        pytest.param(
            "UPDATE published_pieces AS a SET content = b.content, sha256 = b.sha256 FROM published_pieces AS b "
            "WHERE a.place = 0 AND b.place = 1 AND a.file = b.file",
            id="a piece with its checksum",
            marks=SLOW,
        ),
    ],
)
def test_a_damaged_file_costs_its_part_alone(
    first: Gallery, machine: Machine, builds: list[str], caplog: pytest.LogCaptureFixture, statement: str
) -> None:
    run(first, statement)
    second = machine("second")
    assert best(second) == PEOPLE * 2
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    if "sha256 =" in statement:  # whoever changes pieces with their checksums is found out by the whole file's
        return
    assert "build" not in builds and "fill" in builds
    assert second.check() == ["published index files are damaged: 1 of them; run: facesearch index publish"]
    first.publish_index()
    assert first.check() == []


@SLOW
def test_a_damaged_note_of_what_is_published_is_not_believed(
    first: Gallery, machine: Machine, builds: list[str]
) -> None:
    run(first, "UPDATE published_index SET last_template_id = 99")
    assert best(machine("second")) == PEOPLE * 2
    assert "build" in builds
    assert "what is noted of the published index files is damaged" in first.check()[0]
    first.publish_index()
    assert first.check() == []


def during_the_first_file(patch: pytest.MonkeyPatch, work: Callable[[], object]) -> None:
    """Once, while the first published file is fetched, this is done by somebody else."""
    content = PostgresqlPublished.content
    todo = [work]

    def interrupted(self: PostgresqlPublished, file: Any) -> Iterator[bytes]:
        for piece in content(self, file):
            yield piece
            if todo:
                todo.pop()()

    patch.setattr(PostgresqlPublished, "content", interrupted)


@SLOW
def test_what_happens_while_files_are_fetched_leaves_no_wrong_answer(
    first: Gallery, machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    def forgotten() -> None:
        store_of(first).identities.forget([PEOPLE[0]])

    def republished() -> None:
        first.forget(PEOPLE[1])
        first.publish_index()

    gone: set[str] = set()
    for work, name in ((forgotten, PEOPLE[0]), (republished, PEOPLE[1])):
        during_the_first_file(monkeypatch, work)
        gallery = machine(name)
        gone.add(name)
        assert not gone & set(best(gallery))
        assert gallery.check() == []
        assert gone.isdisjoint(best(first))
        first.publish_index()
    monkeypatch.setattr(published_files, "_ATTEMPTS", 3)

    def withdrawn() -> None:
        run(first, "DELETE FROM published_files")

    during_the_first_file(monkeypatch, withdrawn)
    gallery = machine("last")
    assert [name for name in best(gallery) if name in PEOPLE[2:]].count(PEOPLE[2]) >= 2
    assert gallery.check() == []


def test_processes_and_threads_of_a_machine_fetch_once(
    first: Gallery, machine: Machine, monkeypatch: pytest.MonkeyPatch, builds: list[str]
) -> None:
    fetched: list[int] = []
    content = PostgresqlPublished.content

    def noted(self: PostgresqlPublished, file: Any) -> Iterator[bytes]:
        fetched.append(file.number)
        yield from content(self, file)

    monkeypatch.setattr(PostgresqlPublished, "content", noted)
    galleries = [machine("second") for _ in range(3)]
    answers: list[list[str]] = []
    threads = [threading.Thread(target=lambda gallery=gallery: answers.append(best(gallery))) for gallery in galleries]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == [PEOPLE * 2] * 3
    assert sorted(fetched) == numbers(first) and builds == []
    assert len(files_in(galleries[0].parts.folder)) == 4


@SLOW
def test_files_cleared_away_while_they_are_fetched_are_fetched_again(
    first: Gallery, machine: Machine, monkeypatch: pytest.MonkeyPatch, builds: list[str]
) -> None:
    second = machine("second")
    receive = index_files.IndexFiles.receive
    cleared: list[int] = []

    def clearing(self: index_files.IndexFiles, pieces: Any, segment: Any) -> str | None:
        if len(files_in(self.folder)) == 2 and not cleared:
            cleared.append(second.parts.writer.remove_strays())
        return receive(self, pieces, segment)

    monkeypatch.setattr(index_files.IndexFiles, "receive", clearing)
    assert best(second) == PEOPLE * 2
    assert cleared == [2] and second.check() == [] and len(files_in(second.parts.folder)) == 4


def test_a_machine_without_room_builds_its_own(
    first: Gallery,
    machine: Machine,
    monkeypatch: pytest.MonkeyPatch,
    builds: list[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    with monkeypatch.context() as patch:
        usage = namedtuple("usage", "total used free")
        patch.setattr(shutil, "disk_usage", lambda path: usage(1, 1, 1000))
        assert best(machine("second")) == PEOPLE * 2
    with monkeypatch.context() as patch:
        receive = index_files.IndexFiles.receive

        def full(self: index_files.IndexFiles, pieces: Any, segment: Any) -> str | None:
            if files_in(self.folder):
                raise OSError(28, "No space left on device")
            return receive(self, pieces, segment)

        patch.setattr(index_files.IndexFiles, "receive", full)
        third = machine("third")
        assert best(third) == PEOPLE * 2
    assert builds.count("build") == 2
    assert ["has no room" in caplog.messages[0], "No space left" in caplog.messages[1]] == [True, True]


@SLOW
def test_who_publishes_and_is_interrupted_leaves_nothing_that_others_see(
    first: Gallery, machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = first.published_info()
    first.enroll_templates(["Ada"] * 50, unit_vectors(50, seed=9))
    sent = PostgresqlPublished._sent

    def killed(self: PostgresqlPublished, *given: Any) -> Iterator[int]:
        yield next(sent(self, *given))
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(PostgresqlPublished, "_sent", killed)
        first.publish_index()
    left = first.published_info()
    assert before is not None and left is not None and (left.files, left.templates) == (before.files, before.templates)
    assert run(first, "SELECT count(*) > 0 FROM published_files WHERE NOT valid") == [(True,)]
    assert best(machine("second")) == PEOPLE * 2
    first.forget("Ada")
    assert run(first, "SELECT count(*) FROM published_files WHERE NOT valid") == [(0,)]
    assert first.publish_index().lacking == 0


def test_somebody_forgotten_while_files_are_published_is_in_none_of_them(
    first: Gallery, machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = machine("other")
    first.withdraw_index()
    sent, todo = PostgresqlPublished._sent, [PEOPLE[3], PEOPLE[4]]

    def forgetting(self: PostgresqlPublished, *given: Any) -> Iterator[int]:
        for size in sent(self, *given):
            yield size
            if todo:
                other.forget(todo.pop())

    monkeypatch.setattr(PostgresqlPublished, "_sent", forgetting)
    monkeypatch.setattr(published, "_AT_ONCE", 1)
    info = first.publish_index()
    assert todo == [] and (info.templates, info.lacking) == (116, 0)
    third = machine("third")
    assert not {PEOPLE[3], PEOPLE[4]} & set(best(third))
    assert third.check() == []


@SLOW
def test_one_process_publishes_at_a_time(first: Gallery) -> None:
    store = store_of(first)
    with alone(store.transactions, store.address.gallery, "publication", "publishes"):
        for work in (first.publish_index, first.withdraw_index):
            with pytest.raises(StoreBusyError, match="another process publishes the index files of postgresql://"):
                work()


def test_what_is_withdrawn_is_gone_and_can_be_published_again(first: Gallery, machine: Machine) -> None:
    size = store_of(first).database_bytes()
    assert first.withdraw_index() is True
    assert first.published_info() is None and first.check() == []
    assert store_of(first).database_bytes() < size - 120 * 512
    assert first.withdraw_index() is None
    second = machine("second")
    assert best(second) == PEOPLE * 2
    assert len(files_in(second.parts.folder)) == 4  # as it was built, no larger
    assert first.publish_index().files == 4


def test_files_side_by_side_stay_files_of_their_own_when_people_are_forgotten(first: Gallery) -> None:
    first.forget_all([PEOPLE[29], PEOPLE[30]])
    state = store_of(first).index_state.read()
    assert state is not None and [segment.rows for segment in state.segments] == [29] * 4
    assert first.check() == []


@SLOW
def test_copies_of_the_gallery_leave_it_out(first: Gallery, tmp_path: Path, gallery_url: str) -> None:
    first.backup(tmp_path / "backup")
    Gallery.copy(gallery_url, tmp_path / "copy")
    Gallery.copy(tmp_path / "copy", f"{gallery_url}_back")
    with Gallery.open(f"{gallery_url}_back") as back:
        assert back.published_info() is None and back.publish_index().files == 4
    with Gallery.open(tmp_path / "copy") as copy:
        assert copy.published_info() is None


@SLOW
def test_too_few_templates_for_the_kind_are_no_index_to_publish(machine: Machine) -> None:
    gallery = machine("first")
    store_of(gallery).settings.configure(GallerySettings(KEY.model, DIMENSION, "int8", "pq16"), KEY)
    add_templates(store_of(gallery), PEOPLE * 2, VECTORS, "int8")
    with pytest.raises(IndexStateError, match="no index files to publish: too few templates for index pq16"):
        gallery.publish_index()


@SLOW
def test_tables_that_somebody_dropped_or_renamed_keep_nobody_from_forgetting(first: Gallery, machine: Machine) -> None:
    run(first, "DROP TABLE published_pieces, published_files")
    first.forget(PEOPLE[0])
    first.publish_index()
    old = store_of(first).address
    first.close()
    with psycopg.connect(old.conninfo) as connection:
        connection.execute(f"ALTER SCHEMA {old.gallery} RENAME TO {old.gallery}_2".encode())
    renamed = machine("second", f"{old.conninfo}&gallery={old.gallery}_2")
    assert renamed.forget(PEOPLE[1]).published == 2
    assert len(numbers(renamed)) == 2


@SLOW
def test_roles_publish_take_and_forget_as_they_may(
    first: Gallery, machine: Machine, postgresql_server: str, builds: list[str]
) -> None:
    name, roles = store_of(first).address.gallery, ("publisher", "forgetter", "asker_alone", "asker")
    url = postgresql_server.replace("postgres@", "{}@")
    with psycopg.connect(postgresql_server, autocommit=True) as admin:
        for role in (f"{name}_{each}" for each in roles):
            admin.execute(f"CREATE ROLE {role} LOGIN".encode())
            admin.execute(f"GRANT USAGE ON SCHEMA {name} TO {role}".encode())
            admin.execute(f"GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA {name} TO {role}".encode())
        tables = ", ".join(f"{name}.{table}" for table in published_tables.TABLES)
        admin.execute(f"REVOKE ALL ON {tables} FROM {name}_forgetter, {name}_asker_alone".encode())
        admin.execute(f"REVOKE INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA {name} FROM {name}_asker".encode())
    there = [machine(role, f"{url.format(f'{name}_{role}')}&gallery={name}") for role in roles]
    publisher, forgetter, left_out, asker = there
    builds.clear()
    assert best(asker) == PEOPLE * 2 and builds == [] and asker.check() == []
    assert best(left_out) == PEOPLE * 2 and builds == ["build"]
    assert left_out.published_info() is None and left_out.check() == []
    for work in (asker.publish_index, asker.withdraw_index):
        with pytest.raises(StoreError, match="no permission to write to postgresql://"):
            work()
    with pytest.raises(StoreError, match="no permission to publish index files in postgresql://"):
        forgetter.publish_index()
    receipt = forgetter.forget(PEOPLE[0])
    assert not receipt.wiped and len(numbers(first)) == 2
    assert publisher.publish_index().lacking == 0
    assert publisher.withdraw_index() is False and numbers(first) == []
    run(first, f"DROP TABLE {tables}")
    with pytest.raises(StoreError, match="has to be the first to run facesearch index publish"):
        publisher.publish_index()


@SLOW
def test_photos_are_answered_alike_by_published_files(
    lfw: Path, gallery_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, builds: list[str]
) -> None:
    people = [folder for folder in sorted(lfw.iterdir()) if len(list(folder.glob("*.jpg"))) >= 3][:12]
    photos = {folder.name: sorted(folder.glob("*.jpg"))[:3] for folder in people}
    monkeypatch.setenv("FACESEARCH_HOME", str(tmp_path / "first"))
    with Gallery.open(gallery_url) as gallery:
        for name, some in photos.items():
            gallery.enroll(name, some[:2])
        gallery.publish_index()
        expected = [gallery.identify(some[2], k=3) for some in photos.values()]
        gone = expected[0].candidates[0].identity
    monkeypatch.setenv("FACESEARCH_HOME", str(tmp_path / "second"))
    builds.clear()
    with Gallery.open(gallery_url) as gallery:
        assert [gallery.identify(some[2], k=3) for some in photos.values()] == expected
        assert builds == []
        assert gallery.forget(gone).published == 1
    monkeypatch.setenv("FACESEARCH_HOME", str(tmp_path / "third"))
    with Gallery.open(gallery_url) as gallery:
        answers = [gallery.identify(some[2], k=3) for some in photos.values()]
        assert gone not in {each.identity for answer in answers for each in answer.candidates}
        assert gallery.check() == []
