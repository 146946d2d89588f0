"""facesearch: vector-search face identification with quantized encoders.

    from facesearch import Gallery, load_encoder

    with Gallery.open("my-gallery") as gallery:
        gallery.enroll("Ada Lovelace", ["ada1.jpg", "ada2.jpg"])
        answer = gallery.identify("who-is-this.jpg")

Importing the package loads nothing heavy; its names are loaded when they are first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from facesearch.encoders import Encoder, load_encoder
    from facesearch.errors import FacesearchError
    from facesearch.gallery.answers import Candidate, Compaction, FaceAnswer, GalleryInfo, Receipt, Verification
    from facesearch.gallery.backup import BackupReport, RestoreReport
    from facesearch.gallery.enrolment import EnrolmentReport
    from facesearch.gallery.gallery import Gallery
    from facesearch.photos.photo import Photo, Rejection

__version__ = "0.1.0"

__all__ = [
    "BackupReport",
    "Candidate",
    "Compaction",
    "Encoder",
    "EnrolmentReport",
    "FaceAnswer",
    "FacesearchError",
    "Gallery",
    "GalleryInfo",
    "Photo",
    "Receipt",
    "Rejection",
    "RestoreReport",
    "Verification",
    "__version__",
    "load_encoder",
]

_LOADED_ON_USE = {
    "BackupReport": "facesearch.gallery.backup",
    "Candidate": "facesearch.gallery.answers",
    "Compaction": "facesearch.gallery.answers",
    "Encoder": "facesearch.encoders",
    "EnrolmentReport": "facesearch.gallery.enrolment",
    "FaceAnswer": "facesearch.gallery.answers",
    "FacesearchError": "facesearch.errors",
    "Gallery": "facesearch.gallery.gallery",
    "GalleryInfo": "facesearch.gallery.answers",
    "Photo": "facesearch.photos.photo",
    "Receipt": "facesearch.gallery.answers",
    "Rejection": "facesearch.photos.photo",
    "RestoreReport": "facesearch.gallery.backup",
    "Verification": "facesearch.gallery.answers",
    "load_encoder": "facesearch.encoders",
}


def __getattr__(name: str) -> object:
    if name not in _LOADED_ON_USE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value: object = getattr(import_module(_LOADED_ON_USE[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
