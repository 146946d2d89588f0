"""What a gallery's threshold was set from.

Revision ID: 0004
Revises: 0003
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "calibration",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("threshold", sa.REAL(), nullable=False),
        sa.Column("fpir", sa.REAL(), nullable=False),
        sa.Column("observed_fpir", sa.REAL(), nullable=False),
        sa.Column("threshold_low", sa.REAL(), nullable=False),
        sa.Column("threshold_high", sa.REAL(), nullable=False),
        sa.Column("searches", sa.Integer(), nullable=False),
        sa.Column("people", sa.Integer(), nullable=False),
        sa.Column("fnir", sa.REAL(), nullable=True),
        sa.Column("mated", sa.Integer(), nullable=False),
        sa.Column("dataset", sa.Text(), nullable=False),
        sa.Column("dataset_sha256", sa.Text(), nullable=False),
        sa.Column("encoder", sa.Text(), nullable=False),
        sa.Column("identities", sa.Integer(), nullable=False),
        sa.Column("templates", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.Integer(), nullable=False),
        sa.CheckConstraint("id = 1", name=op.f("ck_calibration_single")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_calibration")),
    )


def downgrade() -> None:
    op.drop_table("calibration")
