"""The store of a gallery: identities, images, templates, settings and audit log, and which index files are valid."""

from facesearch.photos.geometry import Box
from facesearch.store.records import (
    Attributes,
    AuditEvent,
    Calibration,
    Cohort,
    Counts,
    EncoderKey,
    EnrolledPhoto,
    GallerySettings,
    GalleryState,
    IdentitySummary,
    IndexState,
    LogPosition,
    NewTemplate,
    Owner,
    Removed,
    Segment,
    TemplateInfo,
    TemplateOwners,
    Templates,
)
from facesearch.store.roles import GalleryStore, Moment
from facesearch.store.sqlite.store import DATABASE_NAME, SqliteStore, open_store

__all__ = [
    "DATABASE_NAME",
    "Attributes",
    "AuditEvent",
    "Box",
    "Calibration",
    "Cohort",
    "Counts",
    "EncoderKey",
    "EnrolledPhoto",
    "GallerySettings",
    "GalleryState",
    "GalleryStore",
    "IdentitySummary",
    "IndexState",
    "LogPosition",
    "Moment",
    "NewTemplate",
    "Owner",
    "Removed",
    "Segment",
    "SqliteStore",
    "TemplateInfo",
    "TemplateOwners",
    "Templates",
    "open_store",
]
