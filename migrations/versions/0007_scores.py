"""What is compared with the threshold: the similarity, as ever before, or a normalised score; and a cohort for it.

Revision ID: 0007
Revises: 0006
"""

from __future__ import annotations

import sqlite3
import zlib

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    driver = op.get_bind().connection.driver_connection
    assert isinstance(driver, sqlite3.Connection)  # noqa: S101 - for the type checker
    driver.create_function("row_checksum", -1, _row_checksum, deterministic=True)
    op.execute(
        "CREATE TEMPORARY TABLE kept_gallery AS SELECT *, checksum = row_checksum(NULL, id, model, dimension, codec, "
        "index_kind, threshold, encoder_id, created_at) AS sound FROM gallery"
    )
    op.drop_table("gallery")
    op.create_table(
        "gallery",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("model", sa.Text(), nullable=False),
        sa.Column("dimension", sa.Integer(), nullable=False),
        sa.Column("codec", sa.Text(), nullable=False),
        sa.Column("index_kind", sa.Text(), nullable=False),
        sa.Column("threshold", sa.REAL(), nullable=True),
        sa.Column("score", sa.Text(), nullable=False, server_default=sa.text("'cosine'")),
        sa.Column("encoder_id", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.Integer(), nullable=False),
        sa.Column("checksum", sa.Integer(), nullable=False, server_default=sa.text("0")),
        sa.PrimaryKeyConstraint("id", name="pk_gallery"),
        sa.CheckConstraint("id = 1", name=op.f("ck_gallery_single")),
        sa.ForeignKeyConstraint(["encoder_id"], ["encoders.id"], name="fk_gallery_encoder_id"),
    )
    op.execute(
        "INSERT INTO gallery (id, model, dimension, codec, index_kind, threshold, encoder_id, created_at, checksum) "
        "SELECT id, model, dimension, codec, index_kind, threshold, encoder_id, created_at, sound - 1 FROM kept_gallery"
    )
    op.execute("DROP TABLE kept_gallery")
    # A row that was damaged stays so: its checksum is one that no row has.
    op.execute(
        "UPDATE gallery SET checksum = row_checksum(NULL, id, model, dimension, codec, index_kind, threshold, score, "
        "encoder_id, created_at) WHERE checksum = 0"
    )
    op.create_table(
        "cohorts",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("faces", sa.Integer(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", sa.Integer(), nullable=False),
        sa.Column("checksum", sa.Integer(), nullable=False, server_default=sa.text("0")),
        sa.PrimaryKeyConstraint("id", name="pk_cohorts"),
        sqlite_autoincrement=True,
    )


def downgrade() -> None:
    raise NotImplementedError("a threshold for normalised scores means nothing without them; restore a backup")


def _row_checksum(blob: bytes | None, *values: object) -> int:
    return zlib.crc32(ascii(values).encode("ascii"), zlib.crc32(blob or b""))
