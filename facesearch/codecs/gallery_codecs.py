"""How the templates of a gallery are stored beside its kind of index, and what their codes are read with.

A codec is `fp32`, `fp16` or `int8`, or the codes of an index kind and their codebook, as in `tcq64@1`: then the
database keeps the very codes that the index searches, and no other copy of a template. Codebooks stand in the database,
too, and are never changed: what was stored with an older one is read with that one.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np
import numpy.typing as npt

import indexes
from facesearch.codecs.plain import CODECS, TemplateCodec, find_codec
from facesearch.codecs.population import population, population_origin
from facesearch.codecs.ref import CodecRef
from facesearch.codecs.training import least_templates, shipped_coder, shipped_origin
from facesearch.errors import IndexStateError, StoreError, UsageError
from indexes import VectorIndexError, code_of, parse_kind

if TYPE_CHECKING:
    from indexes import Coder

Vectors = npt.NDArray[np.float32]

KEEP_NOTHING = "none"
KEEP = (*CODECS, KEEP_NOTHING)  # what a user can ask to keep
# Kinds whose own codes are those of a plain codec, or no better than it.
_PLAIN = {"flat": "fp32", "fp16": "fp16", "sq8": "int8"}
_OTHERWISE = "int8"  # for kinds whose codes mean nothing outside their index
_FROM_GALLERY = "learnt from the templates of this gallery"  # by earlier versions
_UNTRAINED = "learnt from nothing: ready as it is"
_MOST_CODEBOOKS = 4  # kept in memory


class Codebooks(Protocol):
    """Where codebooks are kept."""

    def add(self, kind: str, content: bytes, origin: str) -> str:
        """Keep a codebook of codes of that kind, or find the same one; returns the name of the codec."""
        ...

    def read(self, codec: str) -> tuple[bytes, str]:
        """Content and origin of the codebook of a codec; raises `StoreError` if it is missing or damaged."""
        ...


@dataclass(frozen=True, slots=True)
class CodedTemplates:
    """A `TemplateCodec` of an index kind's codes."""

    name: str
    coder: Coder

    def encode(self, templates: Vectors) -> list[bytes]:
        return [code.tobytes() for code in self.coder.encode(templates)]

    def decode(self, codes: list[bytes], dimension: int) -> Vectors:
        vectors = self.coder.decode(self.array(codes))
        length = np.linalg.norm(vectors, axis=1, keepdims=True)
        if not (np.isfinite(length).all() and (length > 0).all()):
            raise StoreError("a stored template is damaged: it has no direction; restore a backup")
        unit: Vectors = vectors / length
        return unit

    def array(self, codes: list[bytes]) -> npt.NDArray[np.uint8]:
        """Codes as (n, bytes) uint8; raises `StoreError` if one is damaged."""
        size = self.coder.code_size
        if any(len(code) != size for code in codes):
            raise StoreError(f"a stored template is damaged: it is not {size} bytes long; restore a backup")
        return np.frombuffer(b"".join(codes), np.uint8).reshape(-1, size)


@dataclass(frozen=True, slots=True)
class Stored:
    """What a gallery stores now: templates of a model, of so many components, in a codec."""

    model: str
    dimension: int
    codec: str


class GalleryCodecs:
    """The codecs of one gallery, by name. Safe to share between threads."""

    def __init__(self, codebooks: Codebooks) -> None:
        self._codebooks = codebooks
        self._coded: dict[str, CodedTemplates] = {}

    def find(self, name: str) -> TemplateCodec:
        """Raises `StoreError` for a codec that there is not, or whose codebook is missing or damaged."""
        return self.coded(name) or find_codec(name)

    def coded(self, name: str) -> CodedTemplates | None:
        """The codec of that name if it is an index kind's, with its codebook; else None."""
        if CodecRef.parse(name).is_plain:
            return None
        found = self._coded.get(name)
        if found is None:
            try:
                coder = indexes.load_coder(self._codebooks.read(name)[0])
            except VectorIndexError as error:
                raise StoreError(f"{name}: {error}; restore a backup") from error
            found = CodedTemplates(name, coder)
            # The newest few: a gallery that is built anew again and again learns a codebook each time.
            self._coded = {**dict(list(self._coded.items())[1 - _MOST_CODEBOOKS :]), name: found}
        return found

    def decode(self, codes: list[bytes], codecs: list[str], dimension: int) -> Vectors:
        """Templates (n, dimension) of unit length, of n codes, each in the codec named at its place."""
        vectors = np.zeros((len(codes), dimension), dtype=np.float32)
        names = np.array(codecs)
        for name in dict.fromkeys(codecs):
            rows = np.flatnonzero(names == name)
            vectors[rows] = self.find(name).decode([codes[row] for row in rows], dimension)
        return vectors

    def recoded(self, name: str, dimension: int, codes: list[bytes], old: str) -> list[bytes]:
        """Codes of codec `old` as those of codec `name`."""
        return self.find(name).encode(self.find(old).decode(codes, dimension))

    def started(self, model: str, dimension: int, kind: str, keep: str | None) -> str:
        """The codec of a new gallery: codes are stored from the first template on where they need none to be learnt.

        Raises `UsageError` for a codec to keep that there is not.
        """
        plain = plain_codec(kind, keep)
        if plain is not None:
            return str(plain)
        coder = shipped_coder(model, kind, dimension)
        if coder is not None:
            return self.add(coder, shipped_origin(model))
        code = code_of(kind)
        if code is None or parse_kind(code).training_size:
            return _OTHERWISE  # until there are enough templates for a codebook
        return self.learnt(model, code, dimension)

    def chosen(
        self,
        stored: Stored,
        templates: int,
        kind: str,
        keep: str | None,
        *,
        changed: bool,
        relearn: bool,
    ) -> str:
        """The codec in which templates are to be stored beside an index of `kind`, see `Gallery.build_index`.

        Args:
            stored: what there is now. templates: how many. changed: whether the kind was asked for.
            relearn: code all templates anew, with the codebook that this version learns.
        """
        kept = self.coded(stored.codec)
        relearn = relearn or self.keeps_people(stored.codec)
        asked = changed or keep is not None or (relearn and kept)
        codec = plain_codec(kind, keep) if asked else CodecRef.parse(stored.codec)
        # The same codes stay as they are: coding them again would lose something again.
        same = not relearn and kept is not None and kept.coder.name == code_of(kind)
        known = kept.coder if kept and same else shipped_coder(stored.model, kind, stored.dimension)
        if codec is None and same:
            codec = CodecRef.parse(stored.codec)
        least = least_templates(kind, known)
        if templates < least:
            raise IndexStateError(
                f"index {kind} needs at least {least} templates, this gallery has {templates}; "
                "use flat or sq8 until then"
            )
        if codec is not None:
            return str(codec)
        if known is not None:
            return self.add(known, shipped_origin(stored.model))
        return self.learnt(stored.model, kind, stored.dimension)

    def learnt(self, model: str, kind: str, dimension: int) -> str:
        """The codec of the codes of a kind, with a codebook that holds nothing of anybody in the gallery."""
        learns = parse_kind(code_of(kind) or kind).learns
        nobody = population(model, kind, dimension) if learns else np.zeros((0, dimension), np.float32)
        try:
            coder = indexes.learn_coder(kind, dimension, nobody)
        except VectorIndexError as error:
            raise IndexStateError(str(error)) from error
        return self.add(coder, population_origin(model, dimension) if learns else _UNTRAINED)

    def keeps_people(self, name: str) -> bool:
        """Whether the codebook of a codec was learnt from templates of the gallery, as earlier versions did: it keeps
        traces of those who were enrolled at that time, until `index build` replaces it."""
        return not CodecRef.parse(name).is_plain and self._codebooks.read(name)[1] == _FROM_GALLERY

    def add(self, coder: Coder, origin: str) -> str:
        """Keep a coder's codebook; returns the name of its codec."""
        return self._codebooks.add(coder.name, coder.to_bytes(), origin)


def plain_codec(kind: str, keep: str | None) -> CodecRef | None:
    """The plain codec to store templates in; None where the codes of the kind itself are to be stored.

    keep: what the user asked to keep; nothing by default. Raises `UsageError` for what there is not.
    """
    if keep is not None and keep not in KEEP:
        raise UsageError(f"no codec is named '{keep}'; there are: {', '.join(KEEP)}")
    if keep is not None and keep != KEEP_NOTHING:
        return CodecRef(keep)
    code = code_of(kind)
    plain = _OTHERWISE if code is None else _PLAIN.get(code)
    return None if plain is None else CodecRef(plain)


def originals_kept(codec: str) -> str:
    """What a gallery with this codec keeps of its templates beside an index: a plain codec, or none."""
    ref = CodecRef.parse(codec)
    return ref.kind if ref.is_plain else KEEP_NOTHING
