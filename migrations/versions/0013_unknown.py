"""The inbox: faces of people who are not enrolled, their clusters, and what was said of them.

Revision ID: 0013
Revises: 0012
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "unknown_clusters",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.Integer(), nullable=False),
        sa.Column("checksum", sa.Integer(), nullable=False, server_default=sa.text("0")),
        sa.PrimaryKeyConstraint("id", name="pk_unknown_clusters"),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "unknown_faces",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("cluster_id", sa.Integer(), nullable=True),
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
        sa.PrimaryKeyConstraint("id", name="pk_unknown_faces"),
        sa.ForeignKeyConstraint(["cluster_id"], ["unknown_clusters.id"], name="fk_unknown_faces_cluster_id"),
        sa.ForeignKeyConstraint(["image_id"], ["images.id"], name="fk_unknown_faces_image_id"),
        sa.ForeignKeyConstraint(["encoder_id"], ["encoders.id"], name="fk_unknown_faces_encoder_id"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_unknown_faces_cluster_id", "unknown_faces", ["cluster_id"])
    op.create_index("ix_unknown_faces_image_id", "unknown_faces", ["image_id"])
    op.create_table(
        "unknown_pairs",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("first_id", sa.Integer(), nullable=False),
        sa.Column("second_id", sa.Integer(), nullable=False),
        sa.Column("together", sa.Integer(), nullable=False),
        sa.Column("checksum", sa.Integer(), nullable=False, server_default=sa.text("0")),
        sa.PrimaryKeyConstraint("id", name="pk_unknown_pairs"),
        sa.ForeignKeyConstraint(
            ["first_id"], ["unknown_faces.id"], name="fk_unknown_pairs_first_id", ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["second_id"], ["unknown_faces.id"], name="fk_unknown_pairs_second_id", ondelete="CASCADE"
        ),
    )
    op.create_index("ix_unknown_pairs_first_id", "unknown_pairs", ["first_id"])
    op.create_index("ix_unknown_pairs_second_id", "unknown_pairs", ["second_id"])
    op.create_table(
        "collected_photos",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("photo_key", sa.LargeBinary(), nullable=False),
        sa.Column("collected_at", sa.Integer(), nullable=False),
        sa.Column("checksum", sa.Integer(), nullable=False, server_default=sa.text("0")),
        sa.PrimaryKeyConstraint("id", name="pk_collected_photos"),
        sa.UniqueConstraint("photo_key", name="uq_collected_photos_photo_key"),
    )


def downgrade() -> None:
    raise NotImplementedError("unknown faces would be lost; restore a backup")
