"""The profile of quality that a gallery keeps; galleries from before have the usual one.

Revision ID: 0014
Revises: 0013
"""

from __future__ import annotations

import sqlite3
import zlib

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None

_BEFORE = "id, model, dimension, codec, index_kind, threshold, score, encoder_id, created_at"
_AFTER = "id, model, dimension, codec, index_kind, threshold, score, quality, encoder_id, created_at"


def upgrade() -> None:
    driver = op.get_bind().connection.driver_connection
    assert isinstance(driver, sqlite3.Connection)  # noqa: S101 - for the type checker
    driver.create_function("row_checksum", -1, _row_checksum, deterministic=True)
    sound = f"checksum = row_checksum(NULL, {_BEFORE})"
    op.execute(f"CREATE TEMPORARY TABLE kept_gallery AS SELECT *, {sound} AS sound FROM gallery")  # noqa: S608
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
        sa.Column("quality", sa.Text(), nullable=False, server_default=sa.text("'standard'")),
        sa.Column("encoder_id", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.Integer(), nullable=False),
        sa.Column("checksum", sa.Integer(), nullable=False, server_default=sa.text("0")),
        sa.PrimaryKeyConstraint("id", name="pk_gallery"),
        sa.CheckConstraint("id = 1", name=op.f("ck_gallery_single")),
        sa.ForeignKeyConstraint(["encoder_id"], ["encoders.id"], name="fk_gallery_encoder_id"),
    )
    op.execute(f"INSERT INTO gallery ({_BEFORE}, checksum) SELECT {_BEFORE}, sound - 1 FROM kept_gallery")  # noqa: S608
    op.execute("DROP TABLE kept_gallery")
    # A row that was damaged stays so: its checksum is one that no row has.
    op.execute(f"UPDATE gallery SET checksum = row_checksum(NULL, {_AFTER}) WHERE checksum = 0")  # noqa: S608


def downgrade() -> None:
    raise NotImplementedError("earlier versions would name probes that this gallery refuses; restore a backup")


def _row_checksum(blob: bytes | None, *values: object) -> int:
    return zlib.crc32(ascii(values).encode("ascii"), zlib.crc32(blob or b""))
