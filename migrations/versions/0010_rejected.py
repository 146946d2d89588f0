"""Rejected photos, as keyed hashes of their content, so that they are not looked at again and again.

Revision ID: 0010
Revises: 0009
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "rejected_photos",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("photo_key", sa.LargeBinary(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("checksum", sa.Integer(), nullable=False, server_default=sa.text("0")),
        sa.PrimaryKeyConstraint("id", name="pk_rejected_photos"),
        sa.UniqueConstraint("photo_key", name="uq_rejected_photos_photo_key"),
    )


def downgrade() -> None:
    op.drop_table("rejected_photos")
