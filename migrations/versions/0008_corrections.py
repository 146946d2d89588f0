"""Corrections: templates set aside, other names of people, and keyed hashes by which forgotten photos are known again.

Revision ID: 0008
Revises: 0007
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "set_aside",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("identity_id", sa.Integer(), nullable=False),
        sa.Column("image_id", sa.Integer(), nullable=False),
        sa.Column("encoder_id", sa.Integer(), nullable=False),
        sa.Column("codec", sa.Text(), nullable=False),
        sa.Column("code", sa.LargeBinary(), nullable=False),
        sa.Column("quality", sa.REAL(), nullable=False),
        sa.Column("box_x", sa.REAL(), nullable=True),
        sa.Column("box_y", sa.REAL(), nullable=True),
        sa.Column("box_w", sa.REAL(), nullable=True),
        sa.Column("box_h", sa.REAL(), nullable=True),
        sa.Column("created_at", sa.Integer(), nullable=False),
        sa.Column("checksum", sa.Integer(), nullable=False, server_default=sa.text("0")),
        sa.PrimaryKeyConstraint("id", name="pk_set_aside"),
        sa.ForeignKeyConstraint(
            ["identity_id"], ["identities.id"], name="fk_set_aside_identity_id", ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["image_id"], ["images.id"], name="fk_set_aside_image_id"),
        sa.ForeignKeyConstraint(["encoder_id"], ["encoders.id"], name="fk_set_aside_encoder_id"),
    )
    op.create_table(
        "secrets",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.Column("checksum", sa.Integer(), nullable=False, server_default=sa.text("0")),
        sa.PrimaryKeyConstraint("id", name="pk_secrets"),
        sa.CheckConstraint("id = 1", name=op.f("ck_secrets_single")),
    )
    op.create_table(
        "aliases",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("name_key", sa.LargeBinary(), nullable=False),
        sa.Column("identity_id", sa.Integer(), nullable=False),
        sa.Column("checksum", sa.Integer(), nullable=False, server_default=sa.text("0")),
        sa.PrimaryKeyConstraint("id", name="pk_aliases"),
        sa.UniqueConstraint("name_key", name="uq_aliases_name_key"),
        sa.ForeignKeyConstraint(["identity_id"], ["identities.id"], name="fk_aliases_identity_id", ondelete="CASCADE"),
    )
    op.create_table(
        "forgotten_photos",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("photo_key", sa.LargeBinary(), nullable=False),
        sa.Column("forgotten_at", sa.Integer(), nullable=False),
        sa.Column("checksum", sa.Integer(), nullable=False, server_default=sa.text("0")),
        sa.PrimaryKeyConstraint("id", name="pk_forgotten_photos"),
        sa.UniqueConstraint("photo_key", name="uq_forgotten_photos_photo_key"),
    )


def downgrade() -> None:
    raise NotImplementedError("what was set aside would be lost; restore a backup")
