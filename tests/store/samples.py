"""Made-up templates for the tests of the identity store."""

from __future__ import annotations

import hashlib

from facesearch.store import EncoderKey, GallerySettings, GalleryStore, NewTemplate

ENCODER = EncoderKey("dlib-resnet", "fp32", "onnx", "f" * 64)
SETTINGS = GallerySettings("dlib-resnet", 128, "int8", "sq8")


def content(image: str) -> bytes:
    """The hash of an image called so."""
    return hashlib.sha256(image.encode()).digest()


def template(identity: str, image: str, code: bytes = b"code") -> NewTemplate:
    return NewTemplate(
        identity, content(image), f"people/{identity}/{image}", 250, 240, code, 0.5, (1.5, 2.0, 30.0, 40.0)
    )


def owners_of(store: GalleryStore, *images: str) -> dict[str, str]:
    """Of these images, those that are enrolled: whose they are."""
    found = store.templates.enrolled([content(image) for image in images])
    return {image: found[content(image)][0].identity for image in images if content(image) in found}


def add(store: GalleryStore, identity: str, *images: str, code: bytes = b"code") -> list[int]:
    """Enrol these images of one identity; returns their template ids."""
    ids = store.templates.add([template(identity, image, code) for image in images], ENCODER, "int8")
    return [template_id for template_id in ids if template_id is not None]
