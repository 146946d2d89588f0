"""Made-up templates for the tests of the identity store."""

from __future__ import annotations

import hashlib
import sqlite3
from contextlib import closing
from pathlib import Path

import psycopg

from facesearch.store import EncoderKey, GallerySettings, GalleryStore, NewTemplate, SqliteStore, SqlStore
from facesearch.store.postgresql.store import PostgresqlStore

ENCODER = EncoderKey("dlib-resnet", "fp32", "onnx", "f" * 64)
SETTINGS = GallerySettings("dlib-resnet", 128, "int8", "sq8")


def content(image: str) -> bytes:
    """The hash of an image called so."""
    return hashlib.sha256(image.encode()).digest()


def template(identity: str, image: str, code: bytes = b"code") -> NewTemplate:
    return NewTemplate(
        identity, content(image), f"people/{identity}/{image}", 250, 240, code, 0.5, (1.5, 2.0, 30.0, 40.0)
    )


def owners_of(store: GalleryStore, *images: str) -> dict[str, str]:
    """Of these images, those that are enrolled: whose they are."""
    found = store.templates.enrolled([content(image) for image in images])
    return {image: found[content(image)][0].identity for image in images if content(image) in found}


def add(store: GalleryStore, identity: str, *images: str, code: bytes = b"code") -> list[int]:
    """Enrol these images of one identity; returns their template ids."""
    ids = store.templates.add([template(identity, image, code) for image in images], ENCODER, "int8")
    return [template_id for template_id in ids if template_id is not None]


def alter(store: SqlStore, statement: str) -> None:
    """Change rows as a failing disk would, past the store."""
    if isinstance(store, PostgresqlStore) and not statement.startswith(("UPDATE index_state", "UPDATE index_segments")):
        statement = statement.replace("x'00'", "'\\x00'::bytea")
        statement = statement.replace("zeroblob(length(content))", "decode(repeat('00', length(content)), 'hex')")
        with psycopg.connect(store.address.conninfo) as server:
            server.execute(f"SET search_path TO {store.address.gallery}".encode())
            server.execute(b"SET session_replication_role TO replica")  # a disk knows nothing of foreign keys
            assert server.execute(statement.encode()).rowcount >= 1
        return
    with closing(sqlite3.connect(_file(store))) as connection, connection:
        assert connection.execute(statement).rowcount >= 1


def _file(store: SqlStore) -> Path:
    if isinstance(store, PostgresqlStore):
        return store.folder / "projection.db"
    assert isinstance(store, SqliteStore) and store.path is not None
    return store.path
