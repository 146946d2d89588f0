"""The index in segments, so that forgetting somebody rewrites the files that held them and no other; the pipeline that
gave a template stands with its encoder; evaluations are files of their own since version 0.1 and leave the gallery.

Revision ID: 0006
Revises: 0005
"""

from __future__ import annotations

import sqlite3
import zlib

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    driver = op.get_bind().connection.driver_connection
    assert isinstance(driver, sqlite3.Connection)  # noqa: S101 - for the type checker
    driver.create_function("row_checksum", -1, _row_checksum, deterministic=True)
    op.drop_table("evaluation_runs")
    op.execute(
        "CREATE TEMPORARY TABLE kept_encoders AS SELECT *, "
        "checksum = row_checksum(NULL, id, model, precision, backend, fingerprint) AS sound FROM encoders"
    )
    op.drop_table("encoders")
    op.create_table(
        "encoders",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("model", sa.Text(), nullable=False),
        sa.Column("precision", sa.Text(), nullable=False),
        sa.Column("backend", sa.Text(), nullable=False),
        sa.Column("fingerprint", sa.Text(), nullable=False),
        sa.Column("pipeline", sa.Text(), nullable=False, server_default=sa.text("''")),
        sa.Column("checksum", sa.Integer(), nullable=False, server_default=sa.text("0")),
        sa.PrimaryKeyConstraint("id", name="pk_encoders"),
        sa.UniqueConstraint("fingerprint", "pipeline", name="uq_encoders_fingerprint"),
    )
    op.execute(
        "INSERT INTO encoders (id, model, precision, backend, fingerprint, checksum) "
        "SELECT id, model, precision, backend, fingerprint, sound - 1 FROM kept_encoders"
    )
    op.execute("DROP TABLE kept_encoders")
    # A row that was damaged stays so: its checksum is one that no row has.
    op.execute(
        "UPDATE encoders SET checksum = row_checksum(NULL, id, model, precision, backend, fingerprint, pipeline) "
        "WHERE checksum = 0"
    )
    op.create_table(
        "index_segments",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("file_name", sa.Text(), nullable=False),
        sa.Column("sha256", sa.Text(), nullable=False),
        sa.Column("rows", sa.Integer(), nullable=False),
        sa.Column("first_template_id", sa.Integer(), nullable=False),
        sa.Column("last_template_id", sa.Integer(), nullable=False),
        sa.Column("size_bytes", sa.Integer(), nullable=False),
        sa.Column("checksum", sa.Integer(), nullable=False, server_default=sa.text("0")),
        sa.PrimaryKeyConstraint("id", name="pk_index_segments"),
    )
    # What a damaged row says of the index file is not to be relied on: the index is then built anew.
    sound = (
        "checksum = row_checksum(NULL, id, kind, codec, file_name, sha256, rows, last_template_id, last_removal_id, "
        "size_bytes, built_at)"
    )
    op.execute(
        "INSERT INTO index_segments (id, file_name, sha256, rows, first_template_id, last_template_id, size_bytes) "  # noqa: S608
        f"SELECT 1, file_name, sha256, rows, 1, last_template_id, size_bytes FROM index_state WHERE {sound}"
    )
    op.execute(
        "UPDATE index_segments SET checksum = row_checksum(NULL, id, file_name, sha256, rows, first_template_id, "
        "last_template_id, size_bytes)"
    )
    op.execute(f"CREATE TEMPORARY TABLE kept AS SELECT * FROM index_state WHERE {sound}")  # noqa: S608 - as above
    op.drop_table("index_state")
    op.create_table(
        "index_state",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("codec", sa.Text(), nullable=False),
        sa.Column("last_template_id", sa.Integer(), nullable=False),
        sa.Column("last_removal_id", sa.Integer(), nullable=False),
        sa.Column("built_at", sa.Integer(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("checksum", sa.Integer(), nullable=False, server_default=sa.text("0")),
        sa.CheckConstraint("id = 1", name=op.f("ck_index_state_single")),
        sa.PrimaryKeyConstraint("id", name="pk_index_state"),
    )
    op.execute(
        "INSERT INTO index_state (id, kind, codec, last_template_id, last_removal_id, built_at, version) "
        "SELECT id, kind, codec, last_template_id, last_removal_id, built_at, 1 FROM kept"
    )
    op.execute("DROP TABLE kept")
    op.execute(
        "UPDATE index_state SET checksum = row_checksum(NULL, id, kind, codec, last_template_id, last_removal_id, "
        "built_at, version)"
    )


def downgrade() -> None:
    raise NotImplementedError("the segments of an index cannot be put together again; restore a backup")


def _row_checksum(blob: bytes | None, *values: object) -> int:
    return zlib.crc32(ascii(values).encode("ascii"), zlib.crc32(blob or b""))
