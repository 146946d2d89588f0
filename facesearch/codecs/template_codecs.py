"""How templates are stored beside a kind of index, and what their codes are read with.

A codec is `fp32`, `fp16` or `int8`, or the codes of an index kind and their codebook, as in `tcq64@1`: then the
database keeps the very codes that the index searches, and no other copy of a template. Codebooks stand in the database,
too, and are never changed: what was stored with an older one is read with that one.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from facesearch.assets import manifest, read_asset
from facesearch.codecs.plain import CODECS, TemplateCodec, find_codec
from facesearch.errors import IndexStateError, StoreError, UsageError
from facesearch.store import GallerySettings, IdentityStore
from indexes import Coder, VectorIndexError, code_of, learn_coder, load_coder, parse_kind, ready_coder

Vectors = npt.NDArray[np.float32]

CODES = "codes"  # of the index kind, whose codec is named when it has a codebook
KEEP_NOTHING = "none"
KEEP = (*CODECS, KEEP_NOTHING)  # what a user can ask to keep
# Kinds whose own codes are those of a plain codec, or no better than it.
_PLAIN = {"flat": "fp32", "fp16": "fp16", "sq8": "int8"}
_OTHERWISE = "int8"  # for kinds whose codes mean nothing outside their index
_FROM_GALLERY = "learnt from the templates of this gallery"
_UNTRAINED = "learnt from nothing: ready as it is"


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


class TemplateCodecs:
    """The codecs of one gallery, by name."""

    def __init__(self, store: IdentityStore) -> None:
        self._store = store
        self._coded: dict[str, CodedTemplates] = {}

    def find(self, name: str) -> TemplateCodec:
        """Raises `StoreError` for a codec that there is not, or whose codebook is missing or damaged."""
        return self.coded(name) or find_codec(name)

    def coded(self, name: str) -> CodedTemplates | None:
        """The codec of that name if it is an index kind's, with its codebook; else None."""
        if "@" not in name:
            return None
        if name not in self._coded:
            try:
                coder = load_coder(self._store.codebook(name)[0])
            except VectorIndexError as error:
                raise StoreError(f"{name}: {error}; restore a backup") from error
            self._coded[name] = CodedTemplates(name, coder)
        return self._coded[name]

    def add(self, coder: Coder, origin: str) -> str:
        """Store a coder's codebook; returns the name of its codec."""
        return self._store.add_codebook(coder.name, coder.to_bytes(), origin)

    def started(self, settings: GallerySettings) -> str:
        """The codec of a new gallery: codes are stored from the first template on where they need none to be learnt."""
        if settings.codec != CODES:
            return settings.codec
        code = code_of(settings.index_kind)
        coder = shipped_coder(settings.model, settings.index_kind, settings.dimension)
        if coder is not None:
            return self.add(coder, _shipped_origin(settings.model))
        if code is None or parse_kind(code).training_size:
            return _OTHERWISE  # until `index build` can learn from the gallery
        nothing = np.zeros((0, settings.dimension), np.float32)
        return self.add(learn_coder(code, settings.dimension, nothing), _UNTRAINED)

    def chosen(
        self,
        settings: GallerySettings,
        kind: str,
        keep: str | None,
        sample: Callable[[], Vectors],
        *,
        changed: bool,
        relearn: bool,
    ) -> str:
        """The codec in which templates are to be stored beside an index of `kind`, see `Gallery.build_index`.

        Args:
            settings: as they are. changed: whether the kind was asked for.
            sample: gives stored templates (n, d) to learn from.
        """
        kept = self.coded(settings.codec)
        codec = settings.codec
        if changed or keep is not None or (relearn and kept):
            codec = plain_codec(kind, keep) or CODES
        known = None
        if not relearn:
            # The same codes stay as they are: coding them again would lose something again.
            same = kept is not None and kept.coder.name == code_of(kind)
            known = kept.coder if kept and same else shipped_coder(settings.model, kind, settings.dimension)
            codec = settings.codec if codec == CODES and same else codec
        least, templates = least_templates(kind, known), self._store.counts().templates
        if templates < least:
            raise IndexStateError(
                f"index {kind} needs at least {least} templates to be trained, this gallery has {templates}; "
                "use flat or sq8 until then"
            )
        if codec != CODES:
            return codec
        if known is not None:
            return self.add(known, _shipped_origin(settings.model))
        return self.learnt(kind, settings.dimension, sample())

    def learnt(self, kind: str, dimension: int, templates: Vectors) -> str:
        """The codec of the codes of a kind, with a codebook learnt from templates (n, d)."""
        try:
            return self.add(learn_coder(kind, dimension, templates), _FROM_GALLERY)
        except VectorIndexError as error:
            raise IndexStateError(str(error)) from error

    def recoded(self, name: str, dimension: int, codes: list[bytes], old: str) -> list[bytes]:
        """Codes of codec `old` as those of codec `name`."""
        return self.find(name).encode(self.find(old).decode(codes, dimension))


def plain_codec(kind: str, keep: str | None) -> str | None:
    """The plain codec to store templates in; None where the codes of the kind itself are to be stored.

    keep: what the user asked to keep; nothing by default. Raises `UsageError` for what there is not.
    """
    if keep is not None and keep not in KEEP:
        raise UsageError(f"no codec is named '{keep}'; there are: {', '.join(KEEP)}")
    if keep is not None and keep != KEEP_NOTHING:
        return keep
    code = code_of(kind)
    return _OTHERWISE if code is None else _PLAIN.get(code)


def shipped_coder(model: str, kind: str, dimension: int) -> Coder | None:
    """A coder for the codes of the kind from statistics of a model's templates that come with the package, if any."""
    code, asset = code_of(kind), f"codebook-{model}"
    if code is None or not re.fullmatch(r"tcq\d+", code) or asset not in manifest():
        return None
    coder = ready_coder(code, read_asset(asset))
    return coder if coder.dimension == dimension else None


def _shipped_origin(model: str) -> str:
    return f"learnt from {manifest()[f'codebook-{model}'].origin}"


def least_templates(kind: str, coder: Coder | None) -> int:
    """How many templates the kind's index needs to be trained, beside a coder that is there."""
    parsed = parse_kind(kind)
    stages = parsed.stages if coder is None else parsed.stages[:-1]
    return max((stage.training_size for stage in stages), default=0)


def settled_templates(kind: str, coder: Coder | None) -> int:
    """From how many templates on training the kind's index is worth it, beside a coder that is there."""
    return parse_kind(kind).settled_size if least_templates(kind, coder) else 0


def originals_kept(codec: str) -> str:
    """What a gallery with this codec keeps of its templates beside an index: a plain codec, or none."""
    return KEEP_NOTHING if "@" in codec else codec
