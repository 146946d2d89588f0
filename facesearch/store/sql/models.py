"""The tables of the identity store, whichever database holds them.

The migrations in `migrations/` lead to these tables; a test compares both. `REVISIONS` is kept here, so that opening an
up-to-date gallery does not have to import Alembic.
"""

from __future__ import annotations

from sqlalchemy import (
    DOUBLE_PRECISION,
    REAL,
    BigInteger,
    CheckConstraint,
    Column,
    ForeignKey,
    Integer,
    LargeBinary,
    MetaData,
    PrimaryKeyConstraint,
    String,
    Table,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

REVISIONS = (
    "0001",
    "0002",
    "0003",
    "0004",
    "0005",
    "0006",
    "0007",
    "0008",
    "0009",
    "0010",
    "0011",
    "0012",
    "0013",
    "0014",
)  # of migrations/versions, oldest first

# The table that Alembic keeps; an empty database is created with it at the newest revision.
version_table = Table(
    "alembic_version",
    MetaData(),
    Column("version_num", String(32), nullable=False),
    PrimaryKeyConstraint("version_num", name="alembic_version_pkc"),
)

# AUTOINCREMENT: SQLite would otherwise hand out the id of a deleted last row again, and an id in an index file, a log
# or a receipt must never come to mean somebody else.
_NEVER_REUSED = {"sqlite_autoincrement": True}


class Base(DeclarativeBase):
    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_name)s",
            "uq": "uq_%(table_name)s_%(column_0_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_name)s",
            "pk": "pk_%(table_name)s",
        }
    )
    type_annotation_map = {  # noqa: RUF012 - read by SQLAlchemy
        int: Integer().with_variant(BigInteger(), "postgresql"),
        str: Text,
        float: REAL().with_variant(DOUBLE_PRECISION(), "postgresql"),  # 8 bytes, as SQLite's REAL has
        bytes: LargeBinary,
    }


class Checked:
    """A table whose rows carry a checksum over their other columns; see `facesearch.store.sql.checksums`."""

    checksum: Mapped[int] = mapped_column(server_default=text("0"), sort_order=1)


class IdentityRow(Checked, Base):
    """A person enrolled. Names are compared exactly."""

    __tablename__ = "identities"
    __table_args__ = _NEVER_REUSED

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(unique=True)
    created_at: Mapped[int]


class ImageRow(Checked, Base):
    """A photo, known by the SHA-256 of its content. Pixels are never stored."""

    __tablename__ = "images"
    __table_args__ = (CheckConstraint("length(sha256) = 32", name="sha256"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    sha256: Mapped[bytes] = mapped_column(unique=True)
    path: Mapped[str]
    width: Mapped[int]
    height: Mapped[int]
    created_at: Mapped[int]


class EncoderRow(Checked, Base):
    """An encoder that made templates, and the pipeline that it stood at the end of; told apart by both."""

    __tablename__ = "encoders"
    __table_args__ = (UniqueConstraint("fingerprint", "pipeline"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    model: Mapped[str]
    precision: Mapped[str]
    backend: Mapped[str]
    fingerprint: Mapped[str]
    pipeline: Mapped[str] = mapped_column(server_default=text("''"))


class TemplateRow(Checked, Base):
    """The stored vector of one face, in the codec that the row names."""

    __tablename__ = "templates"
    __table_args__ = _NEVER_REUSED

    id: Mapped[int] = mapped_column(primary_key=True)
    identity_id: Mapped[int] = mapped_column(ForeignKey("identities.id", ondelete="CASCADE"), index=True)
    image_id: Mapped[int] = mapped_column(ForeignKey("images.id"), index=True)
    encoder_id: Mapped[int] = mapped_column(ForeignKey("encoders.id"))
    codec: Mapped[str]
    code: Mapped[bytes]
    quality: Mapped[float]
    box_x: Mapped[float | None]
    box_y: Mapped[float | None]
    box_w: Mapped[float | None]
    box_h: Mapped[float | None]
    created_at: Mapped[int]


class SetAsideRow(Checked, Base):
    """A template that was taken out as a mistake and can be put back; id: that it had, never given again.

    They are few: an index would take more room than it saves time.
    """

    __tablename__ = "set_aside"

    id: Mapped[int] = mapped_column(primary_key=True)
    identity_id: Mapped[int] = mapped_column(ForeignKey("identities.id", ondelete="CASCADE"))
    image_id: Mapped[int] = mapped_column(ForeignKey("images.id"))
    encoder_id: Mapped[int] = mapped_column(ForeignKey("encoders.id"))
    codec: Mapped[str]
    code: Mapped[bytes]
    quality: Mapped[float]
    box_x: Mapped[float | None]
    box_y: Mapped[float | None]
    box_w: Mapped[float | None]
    box_h: Mapped[float | None]
    created_at: Mapped[int]


class KeptAsideRow(Checked, Base):
    """A template set aside that stays when what is set aside is deleted; id: the template's."""

    __tablename__ = "kept_aside"

    id: Mapped[int] = mapped_column(ForeignKey("set_aside.id", ondelete="CASCADE"), primary_key=True)


class KeptSuspectRow(Checked, Base):
    """A suspicion that somebody looked into and found to be none: of a template (other_id: whose it seemed to be, if
    anybody's), or of two people being one (identity_id, the lower id, and other_id). They are few, too."""

    __tablename__ = "kept_suspects"

    id: Mapped[int] = mapped_column(primary_key=True)
    template_id: Mapped[int | None] = mapped_column(ForeignKey("templates.id", ondelete="CASCADE"))
    identity_id: Mapped[int | None] = mapped_column(ForeignKey("identities.id", ondelete="CASCADE"))
    other_id: Mapped[int | None] = mapped_column(ForeignKey("identities.id", ondelete="CASCADE"))
    created_at: Mapped[int]


class NegativeRow(Checked, Base):
    """A face that is not the identity's, so that it is not given the name again. They are few, too."""

    __tablename__ = "negatives"

    id: Mapped[int] = mapped_column(primary_key=True)
    identity_id: Mapped[int] = mapped_column(ForeignKey("identities.id", ondelete="CASCADE"))
    image_id: Mapped[int] = mapped_column(ForeignKey("images.id"))
    encoder_id: Mapped[int] = mapped_column(ForeignKey("encoders.id"))
    codec: Mapped[str]
    code: Mapped[bytes]
    quality: Mapped[float]
    box_x: Mapped[float | None]
    box_y: Mapped[float | None]
    box_w: Mapped[float | None]
    box_h: Mapped[float | None]
    created_at: Mapped[int]


class SecretRow(Checked, Base):
    """The key of the hashes below, drawn at random for each gallery; at most one row."""

    __tablename__ = "secrets"
    __table_args__ = (CheckConstraint("id = 1", name="single"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    content: Mapped[bytes]


class AliasRow(Checked, Base):
    """A name that an identity had before it was renamed or merged, as a keyed hash: folders may still be called so."""

    __tablename__ = "aliases"

    id: Mapped[int] = mapped_column(primary_key=True)
    name_key: Mapped[bytes] = mapped_column(unique=True)
    identity_id: Mapped[int] = mapped_column(ForeignKey("identities.id", ondelete="CASCADE"))


class ForgottenPhotoRow(Checked, Base):
    """A photo of somebody who was forgotten, as a keyed hash of its content, so that it is not enrolled unnoticed."""

    __tablename__ = "forgotten_photos"

    id: Mapped[int] = mapped_column(primary_key=True)
    photo_key: Mapped[bytes] = mapped_column(unique=True)
    forgotten_at: Mapped[int]


class RejectedPhotoRow(Checked, Base):
    """A photo that enrolment rejected for what it shows, as a keyed hash of its content and of the pipeline, or for
    another reason that was told, as one of its content and that reason; or one whose template was thinned or taken out,
    as a keyed hash of its content."""

    __tablename__ = "rejected_photos"

    id: Mapped[int] = mapped_column(primary_key=True)
    photo_key: Mapped[bytes] = mapped_column(unique=True)
    reason: Mapped[str]


class UnknownClusterRow(Checked, Base):
    """Unknown faces that look like one person; a number is never another cluster's."""

    __tablename__ = "unknown_clusters"
    __table_args__ = _NEVER_REUSED

    id: Mapped[int] = mapped_column(primary_key=True)
    created_at: Mapped[int]


class UnknownFaceRow(Checked, Base):
    """A face that matched nobody enrolled, kept in the inbox; in a cluster, or alone."""

    __tablename__ = "unknown_faces"
    __table_args__ = _NEVER_REUSED

    id: Mapped[int] = mapped_column(primary_key=True)
    cluster_id: Mapped[int | None] = mapped_column(ForeignKey("unknown_clusters.id"), index=True)
    image_id: Mapped[int] = mapped_column(ForeignKey("images.id"), index=True)
    encoder_id: Mapped[int] = mapped_column(ForeignKey("encoders.id"))
    codec: Mapped[str]
    code: Mapped[bytes]
    quality: Mapped[float]
    box_x: Mapped[float | None]
    box_y: Mapped[float | None]
    box_w: Mapped[float | None]
    box_h: Mapped[float | None]
    created_at: Mapped[int]


class UnknownPairRow(Checked, Base):
    """Two unknown faces of which a person said that they are one person's (together = 1), or are not (0)."""

    __tablename__ = "unknown_pairs"

    id: Mapped[int] = mapped_column(primary_key=True)
    first_id: Mapped[int] = mapped_column(ForeignKey("unknown_faces.id", ondelete="CASCADE"), index=True)
    second_id: Mapped[int] = mapped_column(ForeignKey("unknown_faces.id", ondelete="CASCADE"), index=True)
    together: Mapped[int]


class CollectedPhotoRow(Checked, Base):
    """A photo whose unknown faces were collected, as a keyed hash of its content, so that it is not looked at again."""

    __tablename__ = "collected_photos"

    id: Mapped[int] = mapped_column(primary_key=True)
    photo_key: Mapped[bytes] = mapped_column(unique=True)
    collected_at: Mapped[int]


class TagRow(Checked, Base):
    """A tag of an identity."""

    __tablename__ = "tags"
    __table_args__ = (UniqueConstraint("identity_id", "tag"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    identity_id: Mapped[int] = mapped_column(ForeignKey("identities.id", ondelete="CASCADE"))
    tag: Mapped[str] = mapped_column(index=True)


class NoteRow(Checked, Base):
    """What was noted of an identity; id: the identity's."""

    __tablename__ = "notes"

    id: Mapped[int] = mapped_column(ForeignKey("identities.id", ondelete="CASCADE"), primary_key=True)
    note: Mapped[str]


class IgnoredRow(Checked, Base):
    """An identity that is never named; id: the identity's."""

    __tablename__ = "ignored"

    id: Mapped[int] = mapped_column(ForeignKey("identities.id", ondelete="CASCADE"), primary_key=True)


class CodebookRow(Checked, Base):
    """What codes of an index kind are read with. A template's codec names kind and id, as in `tcq64@1`."""

    __tablename__ = "codebooks"
    __table_args__ = _NEVER_REUSED

    id: Mapped[int] = mapped_column(primary_key=True)
    kind: Mapped[str]
    origin: Mapped[str]
    content: Mapped[bytes]
    created_at: Mapped[int]


class RemovalRow(Checked, Base):
    """Templates taken out, so that an index that is behind can be brought up to date."""

    __tablename__ = "removals"
    __table_args__ = _NEVER_REUSED

    id: Mapped[int] = mapped_column(primary_key=True)
    template_id: Mapped[int]


class GalleryRow(Checked, Base):
    """The settings of the gallery; one row."""

    __tablename__ = "gallery"
    __table_args__ = (CheckConstraint("id = 1", name="single"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    model: Mapped[str]
    dimension: Mapped[int]
    codec: Mapped[str]
    index_kind: Mapped[str]
    threshold: Mapped[float | None]
    score: Mapped[str] = mapped_column(server_default=text("'cosine'"))
    quality: Mapped[str] = mapped_column(server_default=text("'standard'"))
    encoder_id: Mapped[int] = mapped_column(ForeignKey("encoders.id"))
    created_at: Mapped[int]


class CohortRow(Checked, Base):
    """Templates of people who are not enrolled, to compare probes with; at most one row. content: float16."""

    __tablename__ = "cohorts"
    __table_args__ = _NEVER_REUSED

    id: Mapped[int] = mapped_column(primary_key=True)
    faces: Mapped[int]
    source: Mapped[str]
    content: Mapped[bytes]
    created_at: Mapped[int]


class IndexStateRow(Checked, Base):
    """What the valid index files cover; at most one row. `version` is another one whenever they change."""

    __tablename__ = "index_state"
    __table_args__ = (CheckConstraint("id = 1", name="single"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    kind: Mapped[str]
    codec: Mapped[str]
    last_template_id: Mapped[int]
    last_removal_id: Mapped[int]
    built_at: Mapped[int]
    version: Mapped[int]


class SegmentRow(Checked, Base):
    """A part of the index, which holds the templates whose ids lie in an interval. Without a file, it has to be built.

    file_name, sha256: empty where the file was taken away, so that nobody forgotten stays in it.
    """

    __tablename__ = "index_segments"

    id: Mapped[int] = mapped_column(primary_key=True)
    file_name: Mapped[str]
    sha256: Mapped[str]
    rows: Mapped[int]
    first_template_id: Mapped[int]
    last_template_id: Mapped[int]
    size_bytes: Mapped[int]


class CalibrationRow(Base):
    """What the threshold was set from; at most one row, which outlives the threshold that was set by it."""

    __tablename__ = "calibration"
    __table_args__ = (CheckConstraint("id = 1", name="single"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    threshold: Mapped[float]
    fpir: Mapped[float]
    observed_fpir: Mapped[float]
    threshold_low: Mapped[float]
    threshold_high: Mapped[float]
    searches: Mapped[int]
    people: Mapped[int]
    fnir: Mapped[float | None]
    mated: Mapped[int]
    dataset: Mapped[str]
    dataset_sha256: Mapped[str]
    encoder: Mapped[str]
    identities: Mapped[int]
    templates: Mapped[int]
    created_at: Mapped[int]


class AuditRow(Base):
    """What was done to the gallery, without names and vectors. No foreign key: it outlives the identity."""

    __tablename__ = "audit_events"

    id: Mapped[int] = mapped_column(primary_key=True)
    at: Mapped[int]
    action: Mapped[str]
    identity_id: Mapped[int | None]
    detail: Mapped[str]
