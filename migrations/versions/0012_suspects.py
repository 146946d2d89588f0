"""Templates set aside that are kept, and suspicions that were looked into.

Revision ID: 0012
Revises: 0011
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "kept_aside",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("checksum", sa.Integer(), nullable=False, server_default=sa.text("0")),
        sa.PrimaryKeyConstraint("id", name="pk_kept_aside"),
        sa.ForeignKeyConstraint(["id"], ["set_aside.id"], name="fk_kept_aside_id", ondelete="CASCADE"),
    )
    op.create_table(
        "kept_suspects",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("template_id", sa.Integer(), nullable=True),
        sa.Column("identity_id", sa.Integer(), nullable=True),
        sa.Column("other_id", sa.Integer(), nullable=True),
        sa.Column("created_at", sa.Integer(), nullable=False),
        sa.Column("checksum", sa.Integer(), nullable=False, server_default=sa.text("0")),
        sa.PrimaryKeyConstraint("id", name="pk_kept_suspects"),
        sa.ForeignKeyConstraint(
            ["template_id"], ["templates.id"], name="fk_kept_suspects_template_id", ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["identity_id"], ["identities.id"], name="fk_kept_suspects_identity_id", ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["other_id"], ["identities.id"], name="fk_kept_suspects_other_id", ondelete="CASCADE"),
    )


def downgrade() -> None:
    op.drop_table("kept_suspects")
    op.drop_table("kept_aside")
