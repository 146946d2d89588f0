"""What a gallery answers."""

from __future__ import annotations

from dataclasses import dataclass

Box = tuple[float, float, float, float]  # left, top, width, height in pixels


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
    originals: what is kept of templates beside those codes: fp32, fp16, int8 or none.
    """

    encoder: str
    index: str
    codec: str
    originals: str
    threshold: float
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


@dataclass(frozen=True, slots=True)
class Calibration:
    """What a gallery's threshold was set from.

    fpir: the rate that was asked for, observed_fpir what the threshold has over `searches` with photos of `people` who
    were not enrolled; threshold_low, threshold_high: 95 % interval of the threshold. fnir: over `mated` searches of
    people enrolled, None without any. identities, templates: what the gallery held then. created_at: epoch seconds.
    """

    threshold: float
    fpir: float
    observed_fpir: float
    threshold_low: float
    threshold_high: float
    searches: int
    people: int
    fnir: float | None
    mated: int
    dataset: str
    dataset_sha256: str
    encoder: str
    identities: int
    templates: int
    created_at: int

    def expected_fpir(self, templates: int) -> float:
        """FPIR with so many templates, if comparisons are independent: 1 − (1 − FPIR)^(templates / templates then)."""
        return float(1 - (1 - self.observed_fpir) ** (templates / max(self.templates, 1)))
