"""Copying a gallery from one place to another: everything arrives, and the copy lives on as a gallery of its own."""

from __future__ import annotations

import itertools
import json
import shutil
import threading
from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest
from altering import alter
from command_line import Command
from gallery.doubles import add_templates, unit_vectors
from postgres_server import new_gallery

from facesearch import Gallery
from facesearch.errors import FacesearchError, GalleryNotFoundError, StoreBusyError, StoreError, UsageError
from facesearch.gallery.place import opened, place_of
from facesearch.store import open_store
from facesearch.store.postgresql.address import Address
from facesearch.store.sql import copying as copying_rows
from facesearch.store.sql.plans import plan_of

from .full_gallery import ACCENTED, Rows, make_full_gallery, probes, rows_of, without_copy

DIRECTIONS = [(a, b) for a in ("folder", "server") for b in ("folder", "server")]
PASSWORD = "s3cr3t-0f-nobody"

NewPlace = Callable[[str], Path | str]


@pytest.fixture(scope="session")
def full_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = make_full_gallery(tmp_path_factory.mktemp("full") / "gallery")
    with Gallery.open(folder) as gallery:
        gallery.build_index()
        gallery.parts.store.codebooks.add("tcq32", bytes(range(256)), "a test")
    return folder


@pytest.fixture
def new_place(tmp_path: Path, postgresql_server: str) -> NewPlace:
    """A place where no gallery is yet: a folder, or on a server."""
    numbers = itertools.count()

    def made(kind: str) -> Path | str:
        return new_gallery(postgresql_server) if kind == "server" else tmp_path / f"gallery {next(numbers)}"

    return made


@pytest.fixture
def full(full_once: Path, new_place: NewPlace) -> Callable[[str], Path | str]:
    """Makes a gallery with something in every table, in a folder or on a server."""

    def made(kind: str) -> Path | str:
        folder = new_place("folder")
        shutil.copytree(full_once, folder)
        if kind == "folder":
            return folder
        url = new_place("server")
        Gallery.copy(folder, url)
        return url

    return made


def _answers(place: Path | str) -> list[list[tuple[str, float, int]]]:
    with Gallery.open(place, create=False) as gallery:
        assert gallery.check() == []
        found = gallery.search(probes(), 4)
    return [[(each.identity, each.similarity, each.template_id) for each in row] for row in found]


def _opened(place: Path | str) -> list[tuple[str, float, int]]:
    return _answers(place)[0]


@pytest.mark.parametrize(("here", "there"), DIRECTIONS)
def test_a_copy_holds_every_row_of_the_gallery_and_answers_as_it_does(
    here: str, there: str, full: Callable[[str], Path | str], new_place: NewPlace
) -> None:
    source, target = full(here), new_place(there)
    before = rows_of(source)
    assert [name for name, rows in before.items() if not rows] == []
    told: list[tuple[int, int]] = []
    report = Gallery.copy(source, target, progress=lambda done, total: told.append((done, total)))
    after = rows_of(target)
    assert after == before
    assert without_copy(rows_of(source)) == before
    assert _answers(target) == _answers(source)
    assert (report.templates, report.has_index) == (len(before["templates"]), True)
    assert report.searches > 20
    assert {table.name: table.rows for table in report.tables} == {
        name: len(rows) for name, rows in before.items() if not name.endswith(" given")
    }
    if isinstance(target, Path):
        assert {path.stat().st_mode & 0o077 for path in (target, *target.iterdir())} == {0}
    assert told == sorted(told)
    assert told[-1] == (2 * sum(table.rows for table in report.tables),) * 2


def test_what_the_tables_hold_has_one_digest_wherever_it_is(
    full: Callable[[str], Path | str], new_place: NewPlace
) -> None:
    source, url, back = full("folder"), new_place("server"), new_place("folder")
    first, second = Gallery.copy(source, url), Gallery.copy(url, back)
    kept = {table.name: table.sha256 for table in first.tables}
    assert {table.name: table.sha256 for table in second.tables} | {"audit_events": ""} == kept | {"audit_events": ""}
    assert len(set(kept.values())) == len(kept)


@pytest.mark.parametrize(("here", "there"), [("folder", "server"), ("server", "folder")])
def test_a_copy_lives_on_as_a_gallery_of_its_own(
    here: str, there: str, full: Callable[[str], Path | str], new_place: NewPlace
) -> None:
    source, target = full(here), new_place(there)
    Gallery.copy(source, target)
    wanted = _answers(source)
    with Gallery.open(target) as gallery:
        (receipt,) = gallery.forget_all(["person 0"])
        assert receipt.templates == 2
        assert receipt.backups == ()
        store = gallery.parts.store
        assert store.corrections.once_called(["person 2"]) == {"person 2": "person 3"}
        first = store.templates.position().last_template_id
        new = add_templates(store, ["Newcomer"], unit_vectors(1, seed=77), "int8")
        assert new == [first + 1]
        assert gallery.search(unit_vectors(1, seed=77), 1)[0][0].identity == "Newcomer"
        assert "person 0" not in {each.identity for row in gallery.search(probes(), 120) for each in row}
        assert gallery.check() == []
    assert _answers(source) == wanted
    with Gallery.open(source) as gallery:  # where the copy still holds everybody
        (receipt,) = gallery.forget_all([ACCENTED])
        assert len(receipt.backups) >= 1


@pytest.mark.parametrize("here", ["folder", "server"])
def test_a_copy_is_of_one_moment_while_others_write(
    here: str, full: Callable[[str], Path | str], new_place: NewPlace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(copying_rows, "_BATCH", 40)
    source, stop, added = full(here), threading.Event(), [0]

    def enrol() -> None:
        with opened(place_of(source), lambda: None, create=False).store as store:
            for number in itertools.count():
                if stop.is_set():
                    return
                added[0] += len(add_templates(store, [f"newcomer {number}"] * 2, unit_vectors(2, seed=number), "int8"))
                if number % 2:
                    store.identities.forget([f"newcomer {number - 1}"], remember=False)

    writer = threading.Thread(target=enrol)
    writer.start()
    try:
        while added[0] < 4:
            pass
        before = added[0]
        target = new_place("server" if here == "folder" else "folder")
        report = Gallery.copy(source, target)
        after = added[0]
    finally:
        stop.set()
        writer.join()
    assert after > before
    held = rows_of(target)
    assert len(held["templates"]) == report.templates
    newcomers = [row for row in held["identities"] if row[1].startswith("newcomer")]
    owners = [row[1] for row in held["templates"]]
    assert all(owners.count(row[0]) == 2 for row in newcomers)
    _answers(target)


@pytest.mark.parametrize("here", ["folder", "server"])
@pytest.mark.parametrize("table", ["templates", "aliases"])
def test_a_damaged_row_stops_the_copy_and_is_named(
    here: str, table: str, full: Callable[[str], Path | str], new_place: NewPlace
) -> None:
    source, target = full(here), new_place("folder")
    with opened(place_of(source), lambda: None, create=False).store as store:
        alter(store, f"UPDATE {table} SET checksum = 5 WHERE id = 1")
    with pytest.raises(StoreError, match=f"row 1 of {table} is damaged: its checksum is wrong; restore a backup"):
        Gallery.copy(source, target)


@pytest.mark.parametrize("there", ["folder", "server"])
def test_a_row_that_arrives_otherwise_is_noticed(
    there: str, full: Callable[[str], Path | str], new_place: NewPlace, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, target, real = full("folder"), new_place(there), copying_rows._add

    def other(target_: object, copying: object, model: type, rows: list[tuple[object, ...]], done: object) -> None:
        if model.__tablename__ == "notes":  # type: ignore[attr-defined]
            sent = [(rows[0][0], "knows another way")]
            real(target_, copying, model, sent, copying_rows._Digest(plan_of(model)))  # type: ignore[arg-type]
            done.add(rows)  # type: ignore[attr-defined]
        else:
            real(target_, copying, model, rows, done)  # type: ignore[arg-type]

    monkeypatch.setattr(copying_rows, "_add", other)
    with pytest.raises(StoreError, match="notes holds 1 rows in the copy, and they are not the 1 that were read"):
        Gallery.copy(source, target)
    with pytest.raises(StoreError, match="is an unfinished copy of"):
        _opened(target)


@pytest.mark.parametrize("there", ["folder", "server"])
def test_nothing_is_copied_over_what_is_there(
    there: str, full: Callable[[str], Path | str], new_place: NewPlace
) -> None:
    source, target = full("folder"), full(there)
    before = rows_of(target)
    with pytest.raises(UsageError, match=r"there is a gallery in .* already: choose another place"):
        Gallery.copy(source, target)
    assert rows_of(target) == before


def test_places_that_cannot_take_a_copy_are_refused(
    full: Callable[[str], Path | str], tmp_path: Path, gallery_url: str
) -> None:
    source = full("folder")
    assert isinstance(source, Path)
    for target in (source, source / "inside"):
        with pytest.raises(UsageError, match="lies in the gallery's own folder"):
            Gallery.copy(source, target)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("words")
    with pytest.raises(UsageError, match=r"mine holds 'thesis.txt', which is no part of a gallery"):
        Gallery.copy(source, tmp_path / "mine")
    with pytest.raises(UsageError, match=r"thesis.txt is not a folder"):
        Gallery.copy(source, tmp_path / "mine" / "thesis.txt")
    with pytest.raises(GalleryNotFoundError, match="there is no gallery in"):
        Gallery.copy(tmp_path / "absent", tmp_path / "new")
    with pytest.raises(GalleryNotFoundError, match="there is no gallery"):
        Gallery.copy(gallery_url, tmp_path / "new")
    assert not (tmp_path / "new").exists()


class _StoppedError(Exception):
    pass


def _stop_after(calls: int) -> Callable[[int, int], None]:
    left = itertools.count(1)

    def told(done: int, total: int) -> None:
        if next(left) == calls:
            raise _StoppedError

    return told


@pytest.mark.parametrize("there", ["folder", "server"])
def test_an_unfinished_copy_is_no_gallery_until_the_same_is_copied_again(
    there: str, full: Callable[[str], Path | str], new_place: NewPlace, facesearch: Command
) -> None:
    source, target, other = full("folder"), new_place(there), full("folder")
    with pytest.raises(_StoppedError):
        Gallery.copy(source, target, progress=_stop_after(4))
    for question in (Gallery.open, _opened):
        with pytest.raises(StoreError, match=r"is an unfinished copy of .*; the command that began it goes on with it"):
            question(target)
    told = facesearch("query", "photo.jpg", "--gallery", target)
    assert told.status == 1
    assert told.err.count("\n") == 1
    with pytest.raises(StoreError, match="is an unfinished copy of"):
        Gallery.copy(target, new_place("folder"))
    with pytest.raises(UsageError, match=r"is an unfinished copy of .*, not of .*: choose another place"):
        Gallery.copy(other, target)
    before = rows_of(source)
    Gallery.copy(source, target)
    assert rows_of(target) == before
    assert _answers(target) == _answers(source)


@pytest.mark.parametrize("there", ["folder", "server"])
@pytest.mark.parametrize("calls", [9, 26])
def test_what_changed_since_a_copy_was_interrupted_is_copied_too(
    calls: int, there: str, full: Callable[[str], Path | str], new_place: NewPlace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(copying_rows, "_BATCH", 40)
    source, target = full("folder"), new_place(there)
    with pytest.raises(_StoppedError):
        Gallery.copy(source, target, progress=_stop_after(calls))
    with Gallery.open(source) as gallery:
        gallery.forget_all(["person 4"])
        gallery.rename("person 5", "person five")
        add_templates(gallery.parts.store, ["Newcomer"], unit_vectors(1, seed=77), "int8")
    before = rows_of(source)
    Gallery.copy(source, target)
    assert rows_of(target) == before
    assert _answers(target) == _answers(source)


def test_what_came_over_is_not_sent_again(
    full: Callable[[str], Path | str], new_place: NewPlace, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, target, real, sent = full("folder"), new_place("folder"), copying_rows._add, []

    def counted(target_: object, copying: object, model: type, rows: list[object], done: object) -> None:
        sent.append(model)
        real(target_, copying, model, rows, done)  # type: ignore[arg-type]

    monkeypatch.setattr(copying_rows, "_add", counted)
    with pytest.raises(_StoppedError):
        Gallery.copy(source, target, progress=_stop_after(6))
    assert len(sent) == 6
    Gallery.copy(source, target)
    assert len(sent) == len(set(sent)) > 20


def test_of_two_processes_that_make_one_copy_the_later_one_goes_on(
    full: Callable[[str], Path | str], new_place: NewPlace
) -> None:
    source, target = full("folder"), new_place("folder")
    began = False

    def overtaken(done: int, total: int) -> None:
        nonlocal began
        if not began:
            began = True
            with pytest.raises(_StoppedError):
                Gallery.copy(source, target, progress=_stop_after(12))

    with pytest.raises(StoreBusyError, match="another process goes on with this copy of"):
        Gallery.copy(source, target, progress=overtaken)
    Gallery.copy(source, target)
    assert _answers(target) == _answers(source)


def test_no_password_is_in_a_copy_or_in_what_is_said_of_it(
    full: Callable[[str], Path | str], new_place: NewPlace, facesearch: Command, caplog: pytest.LogCaptureFixture
) -> None:
    source, folder, other = full("server"), new_place("folder"), new_place("server")
    assert isinstance(source, str) and isinstance(folder, Path) and isinstance(other, str)
    with_password = [each.replace("postgres@", f"postgres:{PASSWORD}@") for each in (source, other)]
    with pytest.raises(_StoppedError):
        Gallery.copy(with_password[0], folder, progress=_stop_after(3))
    assert PASSWORD.encode() not in b"".join(path.read_bytes() for path in folder.iterdir())
    said = [facesearch("gallery", "info", "--gallery", folder)]
    said.append(facesearch("gallery", "copy", with_password[0], folder, "--json"))
    said.append(facesearch("gallery", "copy", *with_password))
    said.append(facesearch("gallery", "copy", *with_password))
    assert [each.status for each in said] == [1, 0, 0, 2]
    assert PASSWORD not in "".join(each.out + each.err for each in said) + caplog.text
    assert PASSWORD.encode() not in b"".join(path.read_bytes() for path in folder.iterdir())
    with psycopg.connect(Address.of(other).conninfo) as server:
        tables = server.execute(
            "SELECT relname FROM pg_class WHERE relkind = 'r' AND relnamespace = %s::regnamespace",
            (Address.of(other).gallery,),
        ).fetchall()
        assert {"templates", "alembic_version"} <= {name for (name,) in tables}
        assert not {"unfinished_copy", "copied_rows"} & {name for (name,) in tables}


def test_the_command_says_what_was_copied(
    full: Callable[[str], Path | str], new_place: NewPlace, facesearch: Command
) -> None:
    source, target = full("folder"), new_place("folder")
    before = rows_of(source)
    done = facesearch("gallery", "copy", source, target)
    assert done.status == 0
    count = sum(len(rows) for name, rows in before.items() if not name.endswith(" given"))
    assert f"from {source} to {target}" in done.out
    assert f"  {count:,} rows are the same, and 31 answers" in done.out
    again = facesearch("gallery", "copy", source, new_place("server"), "--json")
    assert json.loads(again.out)["templates"] == len(before["templates"])


def test_text_that_a_server_cannot_keep_is_named_by_its_row(tmp_path: Path, gallery_url: str) -> None:
    with open_store(make_full_gallery(tmp_path / "gallery")) as store:
        store.corrections.relocate(1, "a\0b.jpg")
    with pytest.raises(FacesearchError, match=r"row \d+ of images: text with a NUL character cannot be kept"):
        Gallery.copy(tmp_path / "gallery", gallery_url)


def test_a_gallery_that_nobody_is_enrolled_in_is_copied(tmp_path: Path, gallery_url: str) -> None:
    with open_store(tmp_path / "gallery") as store:
        store.audit.add("test")
    report = Gallery.copy(tmp_path / "gallery", gallery_url)
    assert (report.templates, report.searches, report.has_index) == (0, 0, False)
    kept: Rows = rows_of(gallery_url)
    assert [row[2] for row in kept["audit_events"]] == ["test"]


@pytest.mark.parametrize("kind", ["hnsw8", "tcq32"])
def test_galleries_of_every_sort_of_index_are_copied(
    kind: str, tmp_path: Path, full_once: Path, gallery_url: str
) -> None:
    folder = Path(shutil.copytree(full_once, tmp_path / "gallery"))
    with Gallery.open(folder) as gallery:
        gallery.build_index(kind)
    assert Gallery.copy(folder, gallery_url).has_index
    assert _answers(gallery_url) == _answers(folder)
    wanted = [row[:2] for row in _answers(folder)]
    for path in folder.glob("index-*"):  # without files, each builds its own
        path.unlink()
    assert not Gallery.copy(folder, tmp_path / "other").has_index
    if kind != "hnsw8":  # which may be built otherwise each time
        assert [row[:2] for row in _answers(tmp_path / "other")] == wanted
