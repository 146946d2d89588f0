"""The values that go into and come out of the identity store."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from facesearch.photos.geometry import Box


@dataclass(frozen=True, slots=True)
class GallerySettings:
    """What the first enrolment fixes: the model family, its dimension, how templates are stored and searched."""

    model: str
    dimension: int
    codec: str
    index_kind: str
    threshold: float | None = None  # cosine; None: the encoder's own


@dataclass(frozen=True, slots=True)
class EncoderKey:
    """An encoder as templates remember it; `fingerprint` (SHA-256 hex) alone says which one it is."""

    model: str
    precision: str
    backend: str
    fingerprint: str

    def __str__(self) -> str:
        return f"{self.model}:{self.precision}@{self.backend}"


class NewTemplate(NamedTuple):
    """A template to be added: whose it is, the image it comes from (never its pixels) and its code."""

    identity: str
    sha256: bytes  # 32 bytes, of the image file's content
    path: str
    width: int
    height: int
    code: bytes
    quality: float
    box: Box | None


@dataclass(frozen=True, slots=True)
class Templates:
    """A batch of stored templates, in the order of `ids`."""

    ids: npt.NDArray[np.int64]  # (n,)
    codes: list[bytes]
    codecs: list[str]

    def __len__(self) -> int:
        return len(self.codes)


@dataclass(frozen=True, slots=True)
class TemplateOwners:
    """Whose templates are, and how good: arrays in the order of `ids`."""

    ids: npt.NDArray[np.int64]  # (n,), ascending
    identity_ids: npt.NDArray[np.int64]  # (n,)
    qualities: npt.NDArray[np.float64]  # (n,)


@dataclass(frozen=True, slots=True)
class TemplateInfo:
    """A stored template without its code."""

    id: int
    path: str
    quality: float
    box: Box | None
    precision: str
    codec: str
    created_at: int  # epoch seconds


@dataclass(frozen=True, slots=True)
class Owner:
    """The identity that a template belongs to."""

    identity_id: int
    identity: str


@dataclass(frozen=True, slots=True)
class IdentitySummary:
    """An identity and how much is stored of it."""

    id: int
    name: str
    templates: int
    images: int
    created_at: int  # epoch seconds


@dataclass(frozen=True, slots=True)
class Removed:
    """What forgetting an identity took out."""

    identity_id: int
    template_ids: tuple[int, ...]
    images: int


@dataclass(frozen=True, slots=True)
class IndexState:
    """The index file that is valid, and the last change of the store that it covers."""

    kind: str
    codec: str  # of the codes that it was built from
    file_name: str
    sha256: str  # hex
    rows: int
    last_template_id: int
    last_removal_id: int
    size_bytes: int
    built_at: int  # epoch seconds


@dataclass(frozen=True, slots=True)
class EvaluationRun:
    """A stored evaluation; `versions` and `rows` are JSON texts that only the evaluation reads."""

    id: int
    created_at: int  # epoch seconds
    command: str
    dataset: str
    dataset_sha256: str
    versions: str
    rows: str


@dataclass(frozen=True, slots=True)
class AuditEvent:
    """Something that was done to the gallery; `detail` is a JSON object of counts and ids, never of names."""

    id: int
    at: int  # epoch seconds
    action: str
    identity_id: int | None
    detail: str


class Counts(NamedTuple):
    """How many rows there are."""

    identities: int
    templates: int
    images: int


class Watermark(NamedTuple):
    """The last change ever committed; 0 where there was none. Ids grow in the order of commits."""

    last_template_id: int
    last_removal_id: int


class Removal(NamedTuple):
    """One line of the log of templates taken out."""

    id: int
    template_id: int


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
