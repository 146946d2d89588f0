"""An encoder without a model, galleries without photos: what the gallery's own behaviour can be tested with."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
from altering import alter

from facesearch.codecs.plain import find_codec
from facesearch.encoders import Encoder, EncoderSpec
from facesearch.store import EncoderKey, GallerySettings, GalleryStore, NewTemplate, open_store

DIMENSION = 128
KEY = EncoderKey("dlib-resnet", "fp32", "onnx", "f" * 64)
_GRID = 10  # a crop is shrunk to this many cells a side


class ProjectionEncoder:
    """An `Encoder` in memory: the crop, shrunk to a few cells, times a fixed random matrix. Counts what it encodes."""

    threshold = 0.9
    device = "cpu"

    def __init__(
        self,
        model: str = "projection",
        precision: str = "fp32",
        *,
        crop: str = "dlib-chip",
        crop_size: int = 150,
        dimension: int = DIMENSION,
    ) -> None:
        self.spec = EncoderSpec(model, precision, "memory")
        self.fingerprint = hashlib.sha256(str(self.spec).encode()).hexdigest()
        self.crop, self.crop_size, self.dimension = crop, crop_size, dimension
        self.encoded = 0
        self._lock = threading.Lock()
        seed = int.from_bytes(hashlib.sha256(model.encode()).digest()[:4], "big")
        self._matrix = np.random.default_rng(seed).normal(size=(_GRID * _GRID * 3, dimension))

    def encode(self, crops: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        n, side = len(crops), crops.shape[1] // _GRID
        with self._lock:
            self.encoded += n
        cells = crops.reshape(n, _GRID, side, _GRID, side, 3).mean(axis=(2, 4)).reshape(n, -1)  # (n, 300)
        templates = (cells - cells.mean(axis=1, keepdims=True) + 1e-3) @ self._matrix  # (n, d)
        unit: npt.NDArray[np.float32] = (templates / np.linalg.norm(templates, axis=1, keepdims=True)).astype("f4")
        return np.round(unit, 2) if self.spec.precision == "int8" else unit


def as_encoder(double: ProjectionEncoder) -> Encoder:
    """The type checker sees here that the double keeps the protocol."""
    return double


def unit_vectors(count: int, seed: int = 0) -> npt.NDArray[np.float32]:
    """`count` random templates (count, DIMENSION) float32 of unit length."""
    vectors = np.random.default_rng(seed).normal(size=(count, DIMENSION)).astype(np.float32)
    unit: npt.NDArray[np.float32] = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    return unit


def store_templates(
    folder: Path, names: Sequence[str], vectors: npt.NDArray[np.float32], *, kind: str = "flat", codec: str = "fp32"
) -> list[int]:
    """Put templates into the gallery in `folder`, as an enrolment that was stopped before it wrote the index file."""
    with open_store(folder) as store:
        settings = store.settings.configure(GallerySettings(KEY.model, DIMENSION, codec, kind), KEY)
        return add_templates(store, names, vectors, settings.codec)


def add_templates(
    store: GalleryStore,
    names: Sequence[str],
    vectors: npt.NDArray[np.float32],
    codec: str = "fp32",
    codes: list[bytes] | None = None,
) -> list[int]:
    """Add templates to an open store, each of an image of its own; returns their ids. codes: those of the vectors."""
    first = store.templates.position().last_template_id
    rows = [
        NewTemplate(name, hashlib.sha256(f"{first} {row}".encode()).digest(), f"{row}.jpg", 10, 10, code, 1.0, None)
        for row, (name, code) in enumerate(zip(names, codes or find_codec(codec).encode(vectors), strict=True))
    ]
    return [added for added in store.templates.add(rows, KEY, codec) if added is not None]


def damage(folder: Path, statement: str) -> None:
    """Change rows of the gallery in the folder past its store."""
    with open_store(folder) as store:
        alter(store, statement)


def index_files(folder: Path) -> list[Path]:
    """Index files in the folder, finished or not."""
    return sorted([*folder.glob("*.faiss"), *folder.glob(".index-*")])
