"""facesearch: vector-search face identification with quantized encoders.

    from facesearch import Gallery, load_encoder

    with Gallery.open("my-gallery") as gallery:
        gallery.enroll("Ada Lovelace", ["ada1.jpg", "ada2.jpg"])
        answer = gallery.identify("who-is-this.jpg")

Importing the package loads nothing heavy; its names are loaded when they are first used.
"""

from __future__ import annotations

import os
from importlib import import_module
from typing import TYPE_CHECKING

# Read when ONNX Runtime is first imported, which otherwise writes a device id and reports to its maker.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")

if TYPE_CHECKING:
    from facesearch.encoders import Encoder, load_encoder
    from facesearch.errors import (
        BackupError,
        EncoderMismatchError,
        FacesearchError,
        GalleryNotFoundError,
        IdentityExistsError,
        IndexStateError,
        NewerSchemaError,
        NoFaceError,
        PoorFaceError,
        RejectedImageError,
        SeveralFacesError,
        StoreBusyError,
        StoreError,
        TinyFaceError,
        UnknownEncoderError,
        UnknownIdentityError,
        UnknownTagError,
        UnknownTemplateError,
        UnreadableImageError,
        UsageError,
        WeightsError,
    )
    from facesearch.gallery.adding_negatives import NegativesReport
    from facesearch.gallery.answers import (
        Candidate,
        ClipAnswer,
        Compaction,
        FaceAnswer,
        GalleryInfo,
        PhotoAnswers,
        Receipt,
        TrackAnswer,
        Verification,
    )
    from facesearch.gallery.backup import BackupReport, RestoreReport
    from facesearch.gallery.clips import ClipOptions
    from facesearch.gallery.copying import CopyReport
    from facesearch.gallery.enrolment_report import EnrolmentReport
    from facesearch.gallery.exporting import ExportReport
    from facesearch.gallery.gallery import Gallery
    from facesearch.gallery.groups import Tagged
    from facesearch.gallery.template_index import IndexInfo
    from facesearch.photos.photo import Photo, Rejection
    from facesearch.pipeline.pipeline_spec import PipelineSpec
    from facesearch.sorting.by_person import cluster_photos
    from facesearch.sorting.person_folders import FoldersReport, write_folders
    from facesearch.sorting.photo_clusters import ClusteredFace, PhotoClusters
    from facesearch.store.published_roles import PublishedInfo
    from facesearch.store.records import Calibration, Counts, IdentitySummary, NegativeInfo, TemplateInfo

__version__ = "0.1.0"

__all__ = [
    "BackupError",
    "BackupReport",
    "Calibration",
    "Candidate",
    "ClipAnswer",
    "ClipOptions",
    "ClusteredFace",
    "Compaction",
    "CopyReport",
    "Counts",
    "Encoder",
    "EncoderMismatchError",
    "EnrolmentReport",
    "ExportReport",
    "FaceAnswer",
    "FacesearchError",
    "FoldersReport",
    "Gallery",
    "GalleryInfo",
    "GalleryNotFoundError",
    "IdentityExistsError",
    "IdentitySummary",
    "IndexInfo",
    "IndexStateError",
    "NegativeInfo",
    "NegativesReport",
    "NewerSchemaError",
    "NoFaceError",
    "Photo",
    "PhotoAnswers",
    "PhotoClusters",
    "PipelineSpec",
    "PoorFaceError",
    "PublishedInfo",
    "Receipt",
    "RejectedImageError",
    "Rejection",
    "RestoreReport",
    "SeveralFacesError",
    "StoreBusyError",
    "StoreError",
    "Tagged",
    "TemplateInfo",
    "TinyFaceError",
    "TrackAnswer",
    "UnknownEncoderError",
    "UnknownIdentityError",
    "UnknownTagError",
    "UnknownTemplateError",
    "UnreadableImageError",
    "UsageError",
    "Verification",
    "WeightsError",
    "__version__",
    "cluster_photos",
    "load_encoder",
    "write_folders",
]

_LOADED_ON_USE = {
    "BackupError": "facesearch.errors",
    "BackupReport": "facesearch.gallery.backup",
    "Calibration": "facesearch.store.records",
    "Candidate": "facesearch.gallery.answers",
    "ClipAnswer": "facesearch.gallery.answers",
    "ClipOptions": "facesearch.gallery.clips",
    "ClusteredFace": "facesearch.sorting.photo_clusters",
    "Compaction": "facesearch.gallery.answers",
    "CopyReport": "facesearch.gallery.copying",
    "Counts": "facesearch.store.records",
    "Encoder": "facesearch.encoders",
    "EncoderMismatchError": "facesearch.errors",
    "EnrolmentReport": "facesearch.gallery.enrolment",
    "ExportReport": "facesearch.gallery.exporting",
    "FaceAnswer": "facesearch.gallery.answers",
    "FacesearchError": "facesearch.errors",
    "FoldersReport": "facesearch.sorting.person_folders",
    "Gallery": "facesearch.gallery.gallery",
    "GalleryInfo": "facesearch.gallery.answers",
    "GalleryNotFoundError": "facesearch.errors",
    "IdentityExistsError": "facesearch.errors",
    "IdentitySummary": "facesearch.store.records",
    "IndexInfo": "facesearch.gallery.template_index",
    "IndexStateError": "facesearch.errors",
    "NegativeInfo": "facesearch.store.records",
    "NegativesReport": "facesearch.gallery.adding_negatives",
    "NewerSchemaError": "facesearch.errors",
    "NoFaceError": "facesearch.errors",
    "Photo": "facesearch.photos.photo",
    "PhotoAnswers": "facesearch.gallery.answers",
    "PhotoClusters": "facesearch.sorting.photo_clusters",
    "PipelineSpec": "facesearch.pipeline.pipeline_spec",
    "PoorFaceError": "facesearch.errors",
    "PublishedInfo": "facesearch.store.published_roles",
    "Receipt": "facesearch.gallery.answers",
    "RejectedImageError": "facesearch.errors",
    "Rejection": "facesearch.photos.photo",
    "RestoreReport": "facesearch.gallery.backup",
    "SeveralFacesError": "facesearch.errors",
    "StoreBusyError": "facesearch.errors",
    "StoreError": "facesearch.errors",
    "Tagged": "facesearch.gallery.groups",
    "TemplateInfo": "facesearch.store.records",
    "TinyFaceError": "facesearch.errors",
    "TrackAnswer": "facesearch.gallery.answers",
    "UnknownEncoderError": "facesearch.errors",
    "UnknownIdentityError": "facesearch.errors",
    "UnknownTagError": "facesearch.errors",
    "UnknownTemplateError": "facesearch.errors",
    "UnreadableImageError": "facesearch.errors",
    "UsageError": "facesearch.errors",
    "Verification": "facesearch.gallery.answers",
    "WeightsError": "facesearch.errors",
    "cluster_photos": "facesearch.sorting.by_person",
    "load_encoder": "facesearch.encoders",
    "write_folders": "facesearch.sorting.person_folders",
}


def __getattr__(name: str) -> object:
    if name not in _LOADED_ON_USE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value: object = getattr(import_module(_LOADED_ON_USE[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
