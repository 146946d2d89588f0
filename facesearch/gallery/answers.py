"""What a gallery answers."""

from __future__ import annotations

from dataclasses import dataclass

from facesearch.photos.geometry import Box


@dataclass(frozen=True, slots=True)
class Candidate:
    """An identity returned for a probe: its best template's similarity (cosine), ties by lowest template id."""

    rank: int
    identity: str
    similarity: float
    template_id: int


@dataclass(frozen=True, slots=True)
class FaceAnswer:
    """The answer for one face: its box in pixels (None for an aligned crop) and up to k candidates, best first."""

    box: Box | None
    threshold: float
    candidates: tuple[Candidate, ...]

    @property
    def is_match(self) -> bool:
        """Whether the best candidate reaches the threshold; otherwise the face is unknown."""
        return bool(self.candidates) and self.candidates[0].similarity >= self.threshold


@dataclass(frozen=True, slots=True)
class Verification:
    """How similar two faces are (cosine), and whether that reaches the threshold."""

    similarity: float
    threshold: float

    @property
    def same(self) -> bool:
        return self.similarity >= self.threshold


@dataclass(frozen=True, slots=True)
class Receipt:
    """What `forget` did. wiped: no copy of the old rows is left in the database or its write-ahead log.

    backups: when backups were made (epoch seconds) that still hold the person.
    """

    identity: str
    templates: int
    images: int
    index_rewritten: bool
    wiped: bool
    forgotten_at: int  # epoch seconds
    backups: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class GalleryInfo:
    """Sizes and state. Bytes are those on disk.

    codec: how templates are stored, with the number of the codebook for the codes of an index kind, as in `tcq64@1`.
    originals: what is kept of templates beside those codes: fp32, fp16, int8 or none. threshold: None where it is the
    default of an encoder that is not installed here.
    """

    encoder: str
    index: str
    codec: str
    originals: str
    threshold: float | None
    identities: int
    templates: int
    database_bytes: int
    index_bytes: int


@dataclass(frozen=True, slots=True)
class Compaction:
    """What `compact` did: bytes of the gallery on disk before and after.

    wiped: nothing that was deleted is left in the database or its write-ahead log.
    """

    before_bytes: int
    after_bytes: int
    wiped: bool
