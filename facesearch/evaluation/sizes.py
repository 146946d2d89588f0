"""What templates cost on disk: what an index kind shares among all of them, and a real gallery folder as a whole."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import numpy as np
import numpy.typing as npt

from facesearch.encoders import EncoderSpec
from facesearch.store import EncoderKey, GallerySettings, NewTemplate, open_store
from facesearch.template_codecs import CODES, TemplateCodecs, plain_codec
from indexes import VectorIndex, code_of, create_index, load_index

Floats = npt.NDArray[np.float32]

_BATCH = 1024


@dataclass(frozen=True, slots=True)
class GalleryBytes:
    """Bytes on disk of a gallery's database and index file."""

    database: int
    index: int


def codebook_bytes(index: VectorIndex) -> int:
    """What all templates of an index share: its file without any template, less that of an exact index."""
    with tempfile.TemporaryDirectory() as scratch:
        path = Path(scratch) / "index"
        saved = index.save(path)
        emptied = load_index(path)
        emptied.remove(index.ids)
        return max(0, min(emptied.save(path).size_bytes, saved.size_bytes) - _bare(index.dimension))


@cache
def _bare(dimension: int) -> int:
    with tempfile.TemporaryDirectory() as scratch:
        return create_index("flat", dimension).save(Path(scratch) / "index").size_bytes


class GallerySizes:
    """Databases of real galleries, built once per way of storing templates: their size hangs on nothing else."""

    def __init__(self) -> None:
        self._databases: dict[tuple[int, str, int], int] = {}

    def of(
        self, spec: EncoderSpec, index: VectorIndex, vectors: Floats, people: Sequence[str], files: Sequence[str]
    ) -> GalleryBytes:
        """A gallery with templates (n, d) of `people` (n,) from `files` (n,), as enrolment would have left it."""
        key = (index.dimension, plain_codec(index.kind, None) or code_of(index.kind) or "", len(vectors))
        if key not in self._databases:
            self._databases[key] = _database_bytes(spec, index.kind, vectors, people, files)
        with tempfile.TemporaryDirectory() as scratch:
            return GalleryBytes(self._databases[key], index.save(Path(scratch) / "index").size_bytes)


def _database_bytes(spec: EncoderSpec, kind: str, vectors: Floats, people: Sequence[str], files: Sequence[str]) -> int:
    encoder = EncoderKey(spec.model, spec.precision, spec.backend, "0" * 64)
    with tempfile.TemporaryDirectory() as scratch, open_store(Path(scratch), create=True) as store:
        codecs = TemplateCodecs(store)
        settings = GallerySettings(spec.model, vectors.shape[1], plain_codec(kind, None) or CODES, kind)
        codec = codecs.started(settings)
        if settings.codec == CODES and "@" not in codec:
            codec = codecs.learnt(kind, settings.dimension, vectors[:_BATCH])
        store.configure(replace(settings, codec=codec), encoder)
        for start in range(0, len(vectors), _BATCH):
            codes = codecs.find(codec).encode(vectors[start : start + _BATCH])
            rows = [
                NewTemplate(
                    identity=people[start + place],
                    sha256=(start + place).to_bytes(32, "big"),
                    path=files[start + place],
                    width=250,
                    height=250,
                    code=code,
                    quality=0.999,
                    box=(100.0, 100.0, 100.0, 100.0),
                )
                for place, code in enumerate(codes)
            ]
            store.add_templates(rows, encoder, codec)
        store.checkpoint()
        return store.database_bytes()
