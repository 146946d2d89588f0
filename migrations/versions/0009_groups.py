"""Groups: tags and notes of people, and people to be ignored.

Revision ID: 0009
Revises: 0008
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "tags",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("identity_id", sa.Integer(), nullable=False),
        sa.Column("tag", sa.Text(), nullable=False),
        sa.Column("checksum", sa.Integer(), nullable=False, server_default=sa.text("0")),
        sa.PrimaryKeyConstraint("id", name="pk_tags"),
        sa.UniqueConstraint("identity_id", "tag", name="uq_tags_identity_id"),
        sa.ForeignKeyConstraint(["identity_id"], ["identities.id"], name="fk_tags_identity_id", ondelete="CASCADE"),
    )
    op.create_index("ix_tags_tag", "tags", ["tag"])
    op.create_table(
        "notes",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.Column("checksum", sa.Integer(), nullable=False, server_default=sa.text("0")),
        sa.PrimaryKeyConstraint("id", name="pk_notes"),
        sa.ForeignKeyConstraint(["id"], ["identities.id"], name="fk_notes_id", ondelete="CASCADE"),
    )
    op.create_table(
        "ignored",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("checksum", sa.Integer(), nullable=False, server_default=sa.text("0")),
        sa.PrimaryKeyConstraint("id", name="pk_ignored"),
        sa.ForeignKeyConstraint(["id"], ["identities.id"], name="fk_ignored_id", ondelete="CASCADE"),
    )


def downgrade() -> None:
    raise NotImplementedError("tags and notes would be lost; restore a backup")
