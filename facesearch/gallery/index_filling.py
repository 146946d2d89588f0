"""Stored templates into indexes: decoded, or as the very codes that they are stored as."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from facesearch.codecs.gallery_codecs import GalleryCodecs
from facesearch.codecs.training import shipped_coder
from facesearch.store import GallerySettings, Templates
from indexes import Coder, VectorIndex, code_of

Vectors = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class IndexFiller:
    """Adds stored templates to indexes of a gallery with these settings.

    recode_to: the codec that templates are about to be stored in, where it is another one than they are stored in now;
    the index then holds what will be stored.
    """

    codecs: GalleryCodecs
    settings: GallerySettings
    recode_to: str | None = None

    @property
    def coder(self) -> Coder | None:
        """What the index codes templates with, if that is known before it is trained: what they are stored with."""
        kind, dimension = self.settings.index_kind, self.settings.dimension
        if code_of(kind) is None:
            return None
        coded = self.codecs.coded(self._codec)
        if coded is None:
            return shipped_coder(self.settings.model, kind, dimension)
        return coded.coder if coded.coder.name == code_of(kind) else None

    def add(self, index: VectorIndex, batch: Templates, chosen: npt.NDArray[np.bool_] | None = None) -> None:
        """Add the chosen templates of a batch: as the codes that they are stored as where these are the index's own."""
        batch = self._recoded(batch)
        if chosen is None:
            chosen = np.ones(len(batch), np.bool_)
        coded = self.codecs.coded(self._codec)
        own = np.zeros(len(batch), np.bool_)
        if coded and index.kind == self.settings.index_kind and self.coder:
            own = np.array([codec == self._codec for codec in batch.codecs]) & chosen
            index.add_codes(batch.ids[own], coded.array([batch.codes[row] for row in np.flatnonzero(own)]))
        others = chosen & ~own
        if others.any():
            index.add(batch.ids[others], self._decode(batch)[others])

    def decode(self, batch: Templates) -> Vectors:
        """Templates as vectors (n, d) of unit length, as they are stored or are about to be."""
        return self._decode(self._recoded(batch))

    @property
    def _codec(self) -> str:
        return self.recode_to or self.settings.codec

    def _decode(self, batch: Templates) -> Vectors:
        return self.codecs.decode(batch.codes, batch.codecs, self.settings.dimension)

    def _recoded(self, batch: Templates) -> Templates:
        new = self.recode_to
        if new is None or all(codec == new for codec in batch.codecs):
            return batch
        codes, codecs = list(batch.codes), np.array(batch.codecs)
        for old in dict.fromkeys(batch.codecs):
            if old != new:
                rows = np.flatnonzero(codecs == old).tolist()
                given = [codes[row] for row in rows]
                for row, code in zip(rows, self.codecs.recoded(new, self.settings.dimension, given, old), strict=True):
                    codes[row] = code
        return Templates(batch.ids, codes, [new] * len(batch))
