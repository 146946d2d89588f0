"""Creating, migrating and refusing databases."""

from __future__ import annotations

import re
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

from facesearch.errors import GalleryNotFoundError, NewerSchemaError, StoreError, UsageError
from facesearch.store import GallerySettings, open_store
from facesearch.store.sql import migrating
from facesearch.store.sql.models import REVISIONS, Base
from facesearch.store.sqlite.connection import file_engine, writing
from facesearch.store.sqlite.rows import register

from .samples import add


def _database(tmp_path: Path) -> Path:
    folder = tmp_path / "gallery"
    folder.mkdir()
    return folder / "gallery.db"


def _migrated(path: Path, revision: str) -> None:
    """Build a database by the migrations alone, up to `revision`."""
    engine = file_engine(path, read_only=False)
    try:
        with writing(engine).begin() as connection:
            migrating.upgrade(connection, revision)
    finally:
        engine.dispose()


def _definitions(path: Path) -> dict[tuple[str, str], list[str]]:
    """What SQLite knows of each table and index; columns that a migration added stand at its end."""
    with closing(sqlite3.connect(path)) as connection:
        rows = connection.execute("SELECT type, name, sql FROM sqlite_master WHERE name NOT LIKE 'sqlite_%'").fetchall()
    return {
        (kind, name): sorted(re.split(r"\s*,\s*(?![^(]*\))", " ".join(sql.split()).strip("() ")))
        for kind, name, sql in rows
    }


def _contents(path: Path) -> list[str]:
    with closing(sqlite3.connect(path)) as connection:
        return list(connection.iterdump())


def _old_gallery(path: Path) -> None:
    """A gallery of the first schema, with somebody enrolled."""
    _migrated(path, "0001")
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.executescript(
            f"""
            INSERT INTO identities VALUES (1, 'Ann', 1700000000);
            INSERT INTO images VALUES (1, x'{"ab" * 32}', 'ann.jpg', 250, 250, 1700000000);
            INSERT INTO encoders VALUES (1, 'dlib-resnet', 'fp32', 'onnx', 'ff');
            INSERT INTO templates VALUES (1, 1, 1, 1, 'int8', x'0102', 0.5, NULL, NULL, NULL, NULL, 1700000000);
            """
        )


def _gallery_without_scores(path: Path) -> None:
    """A gallery of the default encoder from before there were scores, with a threshold of its own."""
    _migrated(path, "0006")
    with closing(sqlite3.connect(path)) as connection, connection:
        register(connection)
        connection.executescript(
            """
            INSERT INTO encoders VALUES (1, 'mobilefacenet', 'fp32', 'onnx', 'ff', '', 0);
            UPDATE encoders
                SET checksum = row_checksum(NULL, id, model, precision, backend, fingerprint, pipeline);
            INSERT INTO gallery (id, model, dimension, codec, index_kind, threshold, encoder_id, created_at)
                VALUES (1, 'mobilefacenet', 192, 'fp32', 'flat', 0.25, 1, 1700000000);
            UPDATE gallery SET checksum = row_checksum(
                NULL, id, model, dimension, codec, index_kind, threshold, encoder_id, created_at);
            """
        )


def _gallery_with_one_set_aside(path: Path) -> None:
    """From before what is set aside could be kept."""
    _migrated(path, "0011")
    with closing(sqlite3.connect(path)) as connection, connection:
        register(connection)
        connection.executescript(
            f"""
            INSERT INTO identities VALUES (1, 'Ann', 1700000000, 0);
            UPDATE identities SET checksum = row_checksum(NULL, id, name, created_at);
            INSERT INTO images VALUES (1, x'{"ab" * 32}', 'ann.jpg', 250, 250, 1700000000, 0);
            UPDATE images SET checksum = row_checksum(sha256, id, path, width, height, created_at);
            INSERT INTO encoders VALUES (1, 'dlib-resnet', 'fp32', 'onnx', 'ff', '', 0);
            UPDATE encoders
                SET checksum = row_checksum(NULL, id, model, precision, backend, fingerprint, pipeline);
            INSERT INTO set_aside VALUES (7, 1, 1, 1, 'int8', x'0102', 0.5, NULL, NULL, NULL, NULL, 1700000000, 0);
            UPDATE set_aside SET checksum = row_checksum(code, id, identity_id, image_id, encoder_id, codec, quality,
                box_x, box_y, box_w, box_h, created_at);
            """
        )


def test_the_migrations_lead_to_the_tables_of_the_models(tmp_path: Path) -> None:
    path = _database(tmp_path)
    _migrated(path, "head")
    with open_store(tmp_path / "new"):
        pass
    created, migrated = _definitions(tmp_path / "new" / "gallery.db"), _definitions(path)
    assert created == migrated
    engine = file_engine(path, read_only=False)
    with engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), Base.metadata) == []
    engine.dispose()


def test_the_known_revisions_are_those_of_the_migrations() -> None:
    config = Config()
    config.set_main_option("script_location", str(migrating.migrations_folder()))
    revisions = [script.revision for script in ScriptDirectory.from_config(config).walk_revisions()]
    assert tuple(reversed(revisions)) == REVISIONS


def test_an_old_gallery_is_brought_up_to_date_and_keeps_what_is_in_it(tmp_path: Path) -> None:
    path = _database(tmp_path)
    _old_gallery(path)
    with open_store(path.parent) as store:
        assert [(i.name, i.templates) for i in store.identities.all()] == [("Ann", 1)]
        assert store.templates.codes([1]).codes == [b"\1\2"]
        assert store.audit.events() == []
        assert store.integrity_check() == []
        store.identities.forget(["Ann"])
        assert store.integrity_check() == []
    with open_store(path.parent) as store:
        assert store.templates.counts() == (0, 0, 0)


def test_a_gallery_from_before_there_were_scores_decides_by_the_cosine_at_its_threshold(tmp_path: Path) -> None:
    path = _database(tmp_path)
    _gallery_without_scores(path)
    with open_store(path.parent) as store:
        assert store.settings.read() == GallerySettings("mobilefacenet", 192, "fp32", "flat", 0.25, "cosine")
        assert store.settings.started_at() == 1700000000
        assert str(store.settings.encoder()) == "mobilefacenet:fp32@onnx"
        assert store.cohort.read() is None
        assert store.integrity_check() == []
        store.settings.set_score("normalised")
        assert store.settings.read() == GallerySettings("mobilefacenet", 192, "fp32", "flat", None, "normalised")
        assert store.integrity_check() == []


@pytest.mark.parametrize("keep", [False, True])
def test_what_an_earlier_version_set_aside_goes_as_it_would_have_or_can_be_kept(keep: bool, tmp_path: Path) -> None:
    path = _database(tmp_path)
    _gallery_with_one_set_aside(path)
    with open_store(path.parent) as store:
        assert [(info.id, info.state, info.kept) for info in store.corrections.all()] == [(7, "set-aside", False)]
        if keep:
            store.corrections.set_aside([7], keep=True)
        assert store.integrity_check() == []
        assert store.suspicions.all() == set()
        assert store.corrections.discard() == (0 if keep else 1)
        assert store.integrity_check() == []


@pytest.mark.parametrize("change", ["threshold = 0.1", "threshold = NULL", "model = 'facenet'", "checksum = 0"])
def test_settings_that_were_damaged_before_a_migration_stay_so(change: str, tmp_path: Path) -> None:
    path = _database(tmp_path)
    _gallery_without_scores(path)
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute(f"UPDATE gallery SET {change}")
    with open_store(path.parent) as store:
        with pytest.raises(StoreError, match="row 1 of gallery is damaged: its checksum is wrong"):
            store.settings.read()
        assert store.integrity_check() == ["1 row of gallery damaged (id 1): wrong checksum; restore a backup"]


def test_a_gallery_without_settings_is_brought_up_to_date(tmp_path: Path) -> None:
    path = _database(tmp_path)
    _migrated(path, "0006")
    with open_store(path.parent) as store:
        assert store.settings.read() is None
        assert store.integrity_check() == []


def test_a_migration_that_fails_leaves_the_old_gallery_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = _database(tmp_path)
    _old_gallery(path)
    before = _contents(path)
    folder = tmp_path / "migrations 100%"
    shutil.copytree(migrating.migrations_folder(), folder)
    script = folder / "versions" / "0002_audit_events.py"
    damage = '    op.execute("DELETE FROM templates")\n    op.execute("INSERT INTO nowhere VALUES (1)")\n'
    script.write_text(script.read_text().replace("\n\ndef downgrade", f"{damage}\n\ndef downgrade"))
    monkeypatch.setattr(migrating, "migrations_folder", lambda: folder)
    with pytest.raises(StoreError, match="left as it was") as caught:
        open_store(path.parent)
    assert "\n" not in str(caught.value)
    assert _contents(path) == before
    monkeypatch.undo()
    with open_store(path.parent) as store:
        assert store.templates.counts() == (1, 1, 1)


def test_a_migration_that_breaks_references_is_undone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = _database(tmp_path)
    _old_gallery(path)
    before = _contents(path)
    folder = tmp_path / "migrations"
    shutil.copytree(migrating.migrations_folder(), folder)
    script = folder / "versions" / "0002_audit_events.py"
    damage = '    op.execute("DELETE FROM identities")\n'  # foreign keys are off while migrating, nothing cascades
    script.write_text(script.read_text().replace("\n\ndef downgrade", f"{damage}\n\ndef downgrade"))
    monkeypatch.setattr(migrating, "migrations_folder", lambda: folder)
    with pytest.raises(StoreError, match="1 rows refer to rows that are missing"):
        open_store(path.parent)
    assert _contents(path) == before


@pytest.mark.parametrize("revision", ["0099", "f00ba4"])
def test_a_gallery_of_a_newer_version_is_refused_and_left_alone(tmp_path: Path, revision: str) -> None:
    with open_store(tmp_path) as store:
        add(store, "Ann", "1")
    path = tmp_path / "gallery.db"
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("UPDATE alembic_version SET version_num = ?", (revision,))
    before = _contents(path)
    for read_only in (False, True):
        with pytest.raises(NewerSchemaError, match="upgrade facesearch") as caught:
            open_store(tmp_path, read_only=read_only)
        assert revision in str(caught.value)
        assert "\n" not in str(caught.value)
    assert _contents(path) == before


def test_an_old_gallery_that_may_not_be_written_says_so(tmp_path: Path) -> None:
    path = _database(tmp_path)
    _old_gallery(path)
    with pytest.raises(StoreError, match="older facesearch"):
        open_store(path.parent, read_only=True)


def test_the_database_of_another_program_is_refused(tmp_path: Path) -> None:
    path = _database(tmp_path)
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("CREATE TABLE recipes (id INTEGER)")
    with pytest.raises(StoreError, match="not a facesearch gallery"):
        open_store(path.parent)


@pytest.mark.parametrize("read_only", [False, True])
def test_a_file_that_is_no_database_is_refused(tmp_path: Path, read_only: bool) -> None:
    path = _database(tmp_path)
    path.write_bytes(b"this is not a database, " * 200)
    with pytest.raises(StoreError, match="not an SQLite database") as caught:
        open_store(path.parent, read_only=read_only)
    assert "\n" not in str(caught.value)
    assert path.read_bytes() == b"this is not a database, " * 200


def test_a_damaged_database_is_reported_in_one_line(tmp_path: Path) -> None:
    with open_store(tmp_path) as store:
        add(store, "Ann", *map(str, range(500)))
    path = tmp_path / "gallery.db"
    data = bytearray(path.read_bytes())
    data[4096:] = b"\xff" * (len(data) - 4096)
    path.write_bytes(data)
    with pytest.raises(StoreError, match="damaged") as caught, open_store(tmp_path) as store:
        store.identities.all()
    assert "\n" not in str(caught.value)


def test_damage_is_found_by_the_integrity_check(tmp_path: Path) -> None:
    with open_store(tmp_path) as store:
        add(store, "Ann", *map(str, range(500)))
        assert store.integrity_check() == []
    path = tmp_path / "gallery.db"
    data = bytearray(path.read_bytes())
    data[-8 * 4096 : -4096] = b"\x0d" * (7 * 4096)
    path.write_bytes(data)
    with open_store(tmp_path) as store:
        problems = store.integrity_check()
    assert problems
    assert all(isinstance(problem, str) for problem in problems)


def test_an_empty_file_left_by_a_crash_becomes_a_gallery(tmp_path: Path) -> None:
    _database(tmp_path).touch()
    with open_store(tmp_path / "gallery") as store:
        assert store.templates.counts() == (0, 0, 0)


def test_a_gallery_that_is_not_there_is_only_made_when_asked_for(tmp_path: Path) -> None:
    absent = tmp_path / "absent"
    with pytest.raises(GalleryNotFoundError, match="there is no gallery in"):
        open_store(absent, read_only=True)
    with pytest.raises(GalleryNotFoundError, match="there is no gallery in"):
        open_store(absent, create=False)
    assert not (tmp_path / "absent").exists()
    with open_store(tmp_path / "a" / "b") as store:
        assert store.path == tmp_path / "a" / "b" / "gallery.db"


def test_a_folder_that_cannot_be_made_is_a_store_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StoreError, match="cannot be used"):
        open_store(tmp_path / "file" / "gallery")


def test_urls_name_sqlite_files_and_nothing_else(tmp_path: Path) -> None:
    with open_store(f"sqlite:///{tmp_path / 'any name.db'}") as store:
        add(store, "Ann", "1")
    assert (tmp_path / "any name.db").exists()
    with pytest.raises(UsageError, match="SQLite"):
        open_store("postgresql://host/db")


@pytest.mark.parametrize("name", ["a?mode=ro#x", "50%", "äöü 山", "a b"])
def test_folders_may_have_any_name(tmp_path: Path, name: str) -> None:
    with open_store(tmp_path / name) as store:
        add(store, "Ann", "1")
    with open_store(tmp_path / name, read_only=True) as store:
        assert store.templates.counts() == (1, 1, 1)
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_opening_an_up_to_date_gallery_does_not_import_alembic(tmp_path: Path) -> None:
    open_store(tmp_path).close()
    program = (
        "import sys; from facesearch.store import open_store; open_store(sys.argv[1]).close();"
        "open_store(sys.argv[1] + '/new').close(); assert 'alembic' not in sys.modules"
    )
    root = Path(__file__).parents[2]
    subprocess.run([sys.executable, "-c", program, str(tmp_path)], check=True, cwd=root)


def test_migrations_of_an_installed_package_are_preferred(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "site-packages" / "facesearch"
    (package / "migrations").mkdir(parents=True)
    monkeypatch.setattr(migrating, "__file__", str(package / "store" / "sql" / "migrating.py"))
    assert migrating.migrations_folder() == package / "migrations"
