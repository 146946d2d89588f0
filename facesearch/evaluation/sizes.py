"""What templates cost on disk: what an index kind shares among all of them, and a real gallery folder as a whole."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np

from facesearch.codecs.gallery_codecs import GalleryCodecs, plain_codec
from facesearch.codecs.plain import find_codec
from facesearch.encoders import EncoderSpec
from facesearch.evaluation.datasets import Sample
from facesearch.store import EncoderKey, GallerySettings, NewTemplate, open_store
from facesearch.text.characters import escaped, without_unseen
from indexes import Coder, VectorIndex, create_index, load_index

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
        self, spec: EncoderSpec, index: VectorIndex, coder: Coder | None, folder: Path, samples: Sequence[Sample]
    ) -> GalleryBytes:
        """A gallery with the templates of samples (n,) in a folder, as enrolment would have left it.

        coder: whose codes the database holds, None for those of a plain codec.
        """
        codec = coder.name if coder else str(plain_codec(index.kind, None))
        key = (index.dimension, codec, len(samples))
        if key not in self._databases:
            self._databases[key] = _database_bytes(spec, index, coder, folder, samples)
        with tempfile.TemporaryDirectory() as scratch:
            return GalleryBytes(self._databases[key], index.save(Path(scratch) / "index").size_bytes)


def _database_bytes(
    spec: EncoderSpec, index: VectorIndex, coder: Coder | None, folder: Path, samples: Sequence[Sample]
) -> int:
    encoder = EncoderKey(spec.model, spec.precision, spec.backend, "0" * 64)
    plain = plain_codec(index.kind, None)
    with tempfile.TemporaryDirectory() as scratch, open_store(Path(scratch), create=True) as store:
        codec = GalleryCodecs(store.codebooks).add(coder, "other people") if coder else str(plain)
        store.settings.configure(GallerySettings(spec.model, index.dimension, codec, index.kind), encoder)
        # How many bytes there are does not depend on which.
        anyone = np.full((1, index.dimension), index.dimension**-0.5, np.float32)
        code = bytes(coder.code_size) if coder else find_codec(codec).encode(anyone)[0]
        place_of_all = folder.absolute()
        for start in range(0, len(samples), _BATCH):
            rows = [
                NewTemplate(
                    identity=without_unseen(escaped(samples[place].identity)) or "unknown",
                    sha256=place.to_bytes(32, "big"),
                    path=str(place_of_all / samples[place].path),
                    width=250,
                    height=250,
                    code=code,
                    quality=0.999,
                    box=(100.0, 100.0, 100.0, 100.0),
                )
                for place in range(start, min(start + _BATCH, len(samples)))
            ]
            store.templates.add(rows, encoder, codec)
        store.checkpoint()
        return store.database_bytes()
