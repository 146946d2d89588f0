"""Adding templates in the codec that a gallery stores them in, whatever other processes make of it meanwhile."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from facesearch.codecs.gallery_codecs import GalleryCodecs
from facesearch.errors import OvertakenError, StoreError
from facesearch.store import EncoderKey, GalleryStore, NewTemplate

_ATTEMPTS = 5

Kept = TypeVar("Kept")


class CodecInUse:
    """The codec of a gallery: known from the last time, asked for again where another process has changed it."""

    def __init__(self, store: GalleryStore, codecs: GalleryCodecs, name: str) -> None:
        self._store, self._codecs, self._name = store, codecs, name

    def add(
        self,
        templates: npt.NDArray[np.float32],
        rows: Callable[[list[bytes]], list[NewTemplate]],
        encoder: EncoderKey,
        *,
        logged: str | None = None,
        by_place: bool = False,
    ) -> list[int | None]:
        """Store templates (n, d) in one transaction; see `TemplatesRole.add`. rows: of their codes."""

        def keep(codes: list[bytes], codec: str) -> list[int | None]:
            return self._store.templates.add(rows(codes), encoder, codec, logged=logged, by_place=by_place)

        return self.coded(templates, keep)

    def coded(self, templates: npt.NDArray[np.float32], keep: Callable[[list[bytes], str], Kept]) -> Kept:
        """Keep templates (n, d) as codes; keep: called with these and their codec, again where it was overtaken."""
        for attempt in range(_ATTEMPTS):
            try:
                return keep(self._codecs.find(self._name).encode(templates), self._name)
            except StoreError as error:
                settings = self._store.settings.read()
                overtaken = isinstance(error, OvertakenError) or (settings and settings.codec != self._name)
                if settings is None or not overtaken or attempt == _ATTEMPTS - 1:
                    raise
                self._name = settings.codec
        raise AssertionError("unreachable")
