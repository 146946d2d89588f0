"""A checksum in every row that an answer depends on.

Revision ID: 0003
Revises: 0002
"""

from __future__ import annotations

import sqlite3
import zlib

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

# Per table the column of bytes (NULL: none), then all others in their order.
COLUMNS = {
    "gallery": "NULL, id, model, dimension, codec, index_kind, threshold, encoder_id, created_at",
    "encoders": "NULL, id, model, precision, backend, fingerprint",
    "identities": "NULL, id, name, created_at",
    "images": "sha256, id, path, width, height, created_at",
    "templates": (
        "code, id, identity_id, image_id, encoder_id, codec, quality, box_x, box_y, box_w, box_h, created_at"
    ),
    "removals": "NULL, id, template_id",
    "index_state": (
        "NULL, id, kind, codec, file_name, sha256, rows, last_template_id, last_removal_id, size_bytes, built_at"
    ),
}


def upgrade() -> None:
    driver = op.get_bind().connection.driver_connection
    assert isinstance(driver, sqlite3.Connection)  # noqa: S101 - for the type checker
    driver.create_function("row_checksum", -1, _row_checksum, deterministic=True)
    for table, columns in COLUMNS.items():
        op.add_column(table, sa.Column("checksum", sa.Integer(), nullable=False, server_default=sa.text("0")))
        op.execute(f"UPDATE {table} SET checksum = row_checksum({columns})")  # noqa: S608 - names from above


def downgrade() -> None:
    for table in COLUMNS:
        op.drop_column(table, "checksum")


def _row_checksum(blob: bytes | None, *values: object) -> int:
    return zlib.crc32(ascii(values).encode("ascii"), zlib.crc32(blob or b""))
