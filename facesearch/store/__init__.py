"""The identity store: identities, images and templates in SQL, and what the index and the evaluations keep."""

from facesearch.photos.geometry import Box
from facesearch.store.records import (
    AuditEvent,
    Counts,
    EncoderKey,
    EvaluationRun,
    GallerySettings,
    IdentitySummary,
    IndexState,
    NewTemplate,
    Owner,
    Removal,
    Removed,
    TemplateInfo,
    TemplateOwners,
    Templates,
    Watermark,
)
from facesearch.store.roles import IdentityStore
from facesearch.store.sqlite.store import DATABASE_NAME, SqlStore, open_store

__all__ = [
    "DATABASE_NAME",
    "AuditEvent",
    "Box",
    "Counts",
    "EncoderKey",
    "EvaluationRun",
    "GallerySettings",
    "IdentityStore",
    "IdentitySummary",
    "IndexState",
    "NewTemplate",
    "Owner",
    "Removal",
    "Removed",
    "SqlStore",
    "TemplateInfo",
    "TemplateOwners",
    "Templates",
    "Watermark",
    "open_store",
]
