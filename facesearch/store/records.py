"""The values that go into and come out of the identity store."""

from __future__ import annotations

import time
from collections.abc import Callable, Container, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from facesearch.photos.geometry import Box

ACTIVE, SET_ASIDE = "active", "set-aside"  # states of a template
Detail = Mapping[str, int | float | str | list[int] | None]
FORGET_FACES = "forget unknown faces"  # in the audit log, of those like people forgotten; detail "faces": their ids
Progress = Callable[[int, int], None]  # (done, in all): templates, or bytes
Recode = Callable[[list[bytes], str], list[bytes]]  # (codes, their codec) -> codes in the new codec


@dataclass(frozen=True, slots=True)
class GallerySettings:
    """What the first enrolment fixes: the model family, its dimension, how templates are stored and searched."""

    model: str
    dimension: int
    codec: str
    index_kind: str
    threshold: float | None = None  # None: the encoder's own
    score: str = "cosine"  # what is compared with it: cosine, or normalised
    quality: str = "standard"  # which faces are enrolled: see `facesearch.pipeline.fit_to_enrol`


@dataclass(frozen=True, slots=True)
class EncoderKey:
    """An encoder as templates remember it; `fingerprint` (SHA-256 hex) alone says which one it is.

    pipeline: digest of the whole `PipelineSpec` that ended in it; empty for templates that came ready, or from before
    it was kept.
    """

    model: str
    precision: str
    backend: str
    fingerprint: str
    pipeline: str = ""

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

    def of_rows(self, rows: Sequence[int]) -> Templates:
        """Those at these places."""
        return Templates(self.ids[rows], [self.codes[row] for row in rows], [self.codecs[row] for row in rows])


class TemplateRecord(NamedTuple):
    """A stored template with all that is known of it. sha256: 32 bytes, of the image that it comes from."""

    id: int
    identity: str
    path: str
    sha256: bytes
    quality: float
    box: Box | None
    encoder: EncoderKey
    codec: str
    code: bytes
    created_at: int  # epoch seconds


@dataclass(frozen=True, slots=True)
class TemplateOwners:
    """Whose templates are, and how good: arrays in the order of `ids`."""

    ids: npt.NDArray[np.int64]  # (n,), ascending
    identity_ids: npt.NDArray[np.int64]  # (n,)
    qualities: npt.NDArray[np.float64]  # (n,)


def shown_time(at: int) -> str:
    """A time (epoch seconds) as documents have it."""
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="seconds")


@dataclass(frozen=True, slots=True)
class TemplateInfo:
    """A stored template without its code. state: "active", or "set-aside" where it is in no answer and may come back;
    kept: then also after `gallery compact`."""

    id: int
    identity: str
    path: str
    quality: float
    box: Box | None
    precision: str
    codec: str
    created_at: int  # epoch seconds
    state: str = ACTIVE
    kept: bool = False

    @property
    def state_in_words(self) -> str:
        """ "active", "taken out" (by a person, until `gallery compact`), or "set aside" (kept by it)."""
        return "active" if self.state == ACTIVE else "set aside" if self.kept else "taken out"

    def document(self) -> dict[str, Any]:
        return {
            "template_id": self.id,
            "identity": self.identity,
            "path": self.path,
            "quality": self.quality,
            "box": None if self.box is None else list(self.box),
            "precision": self.precision,
            "codec": self.codec,
            "added": shown_time(self.created_at),
            "state": self.state,
            "kept": self.kept,
        }


class KeptSuspect(NamedTuple):
    """A suspicion that was looked into and is none: a template that seemed to be another identity's, or nobody's
    (other_id None); or with `template_id` None, two identities that seemed to be one, the lower id first."""

    template_id: int | None
    identity_id: int | None
    other_id: int | None


class Negative(NamedTuple):
    """A face that is not the identity's: as a template, in a codec."""

    identity_id: int
    identity: str
    codec: str
    code: bytes


@dataclass(frozen=True, slots=True)
class NegativeInfo:
    """The same without its code. path: of the photo; box: of the face in it, None where it came as a crop."""

    id: int
    identity: str
    path: str
    quality: float
    box: Box | None
    created_at: int  # epoch seconds

    def document(self) -> dict[str, Any]:
        return {
            "negative_id": self.id,
            "identity": self.identity,
            "path": self.path,
            "quality": self.quality,
            "box": None if self.box is None else list(self.box),
            "added": shown_time(self.created_at),
        }


@dataclass(frozen=True, slots=True)
class UnknownFace:
    """A face in the inbox, without its code. cluster: the number of its cluster, None where it is alone.

    path, sha256: of the photo; box: of the face in it.
    """

    id: int
    cluster: int | None
    path: str
    sha256: bytes
    quality: float
    box: Box | None
    created_at: int  # epoch seconds

    def document(self) -> dict[str, Any]:
        return {
            "face": f"f{self.id}",
            "path": self.path,
            "box": None if self.box is None else list(self.box),
            "quality": self.quality,
            "added": shown_time(self.created_at),
        }


class UnknownPair(NamedTuple):
    """What a person said of two unknown faces, by id: that they are one person's, or that they are not."""

    id: int
    first: int
    second: int
    together: bool


@dataclass(frozen=True, slots=True)
class Inbox:
    """All unknown faces at one moment, by id, with what was said of them; templates: in the same order."""

    faces: tuple[UnknownFace, ...]
    pairs: tuple[UnknownPair, ...]
    templates: Templates


@dataclass(frozen=True, slots=True)
class Regrouping:
    """A change of clusters. groups: the number that a cluster keeps, None for a new one, and the ids of its faces; no
    face: the cluster is gone. alone: ids of faces that are in none. said, unsaid: pairs to be kept from now on
    (first, second, together), and ids of pairs that hold no longer."""

    groups: tuple[tuple[int | None, tuple[int, ...]], ...]
    alone: tuple[int, ...] = ()
    said: tuple[tuple[int, int, bool], ...] = ()
    unsaid: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Discarded:
    """What was taken out of the inbox. oldest: when the first of the faces came (epoch seconds), None without any.

    traces: bytes by which copies of what was deleted are recognised.
    """

    faces: int
    clusters: int
    images: int
    oldest: int | None
    traces: frozenset[bytes] = field(default=frozenset(), repr=False)


class EnrolledPhoto(NamedTuple):
    """A photo of which a face is enrolled: its template, whose it is, where it was found, and the face in it."""

    template_id: int
    identity: str
    path: str
    box: Box | None


@dataclass(frozen=True, slots=True)
class Owner:
    """The identity that a template belongs to."""

    identity_id: int
    identity: str


@dataclass(frozen=True, slots=True)
class Attributes:
    """What is known of an identity besides its templates: tags, in order; a note; whether it is never to be named."""

    tags: tuple[str, ...] = ()
    note: str = ""
    ignored: bool = False

    def document(self) -> dict[str, Any]:
        return {"tags": list(self.tags), "note": self.note, "ignored": self.ignored}


@dataclass(frozen=True, slots=True)
class IdentitySummary:
    """An identity and how much is stored of it."""

    id: int
    name: str
    templates: int
    images: int
    created_at: int  # epoch seconds
    attributes: Attributes = Attributes()

    def document(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "templates": self.templates,
            "images": self.images,
            "since": self.created_at,
            **self.attributes.document(),
        }


@dataclass(frozen=True, slots=True)
class Removed:
    """What forgetting an identity took out. traces: bytes by which copies of what was deleted are recognised.

    photos: path and SHA-256 of each image that nobody else has. deleted: whether the SHA-256 of a photo is of one whose
    template had been deleted before. unknown: faces of the inbox that went with all who were forgotten together.
    template_ids: those in use; out_of_use: how many were set aside or taken out. negatives: theirs, and those of their
    photos; of_others: templates of the same faces that were set aside or taken out of other people's. images_kept: of
    their photos, those that stay for other faces; images_in_inbox: as many of them stay for unknown faces alone.
    oldest: when the first template of the person came (epoch seconds), whoever it was given to at first;
    oldest_unknown: when the first of those faces of the inbox did.
    """

    identity_id: int
    template_ids: tuple[int, ...]
    images: int
    traces: frozenset[bytes] = field(default=frozenset(), repr=False)
    photos: tuple[tuple[str, bytes], ...] = field(default=(), repr=False)
    deleted: Container[bytes] = field(default=frozenset(), repr=False)
    unknown: int = 0
    out_of_use: int = 0
    negatives: int = 0
    of_others: int = 0
    images_kept: int = 0
    images_in_inbox: int = 0
    oldest: int | None = None
    oldest_unknown: int | None = None


class Marked(NamedTuple):
    """Photos, by their SHA-256, whose templates were thinned out, and those whose were taken out to stay so: the
    present names of whose they were."""

    thinned: dict[bytes, set[str]]
    taken: dict[bytes, set[str]]


class Thinning(NamedTuple):
    """Which templates of an identity, by id, stay and which go; together all of them."""

    identity_id: int
    kept: tuple[int, ...]
    removed: tuple[int, ...]


class LogPosition(NamedTuple):
    """The last change ever committed; 0 where there was none. Both numbers grow in the order of commits."""

    last_template_id: int
    last_removal_id: int

    def is_beyond(self, other: LogPosition) -> bool:
        """Whether this position covers a change that the other one does not."""
        return self.last_template_id > other.last_template_id or self.last_removal_id > other.last_removal_id


@dataclass(frozen=True, slots=True)
class Segment:
    """A part of the index: the templates with ids from `first_template_id` to `last_template_id`, in one file.

    file_name, sha256 (hex): empty where the file was taken away; the segment is then built from the store.
    """

    file_name: str
    sha256: str
    rows: int
    first_template_id: int
    last_template_id: int
    size_bytes: int


@dataclass(frozen=True, slots=True)
class IndexState:
    """The index files that are valid, and the last change of the store that they cover.

    codec: of the codes that they were built from. version: another one whenever files were replaced.
    """

    kind: str
    codec: str
    position: LogPosition
    segments: tuple[Segment, ...]
    built_at: int  # epoch seconds
    version: int

    @property
    def file_names(self) -> set[str]:
        return {segment.file_name for segment in self.segments if segment.file_name}


PeopleState = tuple[LogPosition, int | None]


@dataclass(frozen=True, slots=True)
class GalleryState:
    """What a search needs to know of a gallery at one moment.

    position: of the log. index_version: of the valid index files, None without any. last_event: id of the last entry
    of the audit log. cohort: id of the cohort, None without one. last_negative: the highest id of negatives, None
    without any.
    """

    settings: GallerySettings
    position: LogPosition
    index_version: int | None
    last_event: int | None
    cohort: int | None = None
    last_negative: int | None = None

    @property
    def of_people(self) -> PeopleState:
        """Another one after every change of people and of whose templates are: enrolling and forgetting move the
        position; renaming, merging, moving, tags, ignoring and negatives add events."""
        return self.position, self.last_event


@dataclass(frozen=True, slots=True)
class AuditEvent:
    """Something that was done to the gallery; `detail` is a JSON object of counts and ids, never of names."""

    id: int
    at: int  # epoch seconds
    action: str
    identity_id: int | None
    detail: str


@dataclass(frozen=True, slots=True, eq=False)
class Cohort:
    """People who are not enrolled, whom probes are compared with (`facesearch.gallery.scoring`).

    templates: (n, dimension) float32, of unit length to within float16. source: in words. id: never used again.
    """

    id: int
    templates: npt.NDArray[np.float32]
    source: str


class Milestone(NamedTuple):
    """A template by whose code a log is known again; see `facesearch.store.sql.milestones`."""

    template_id: int
    digest: int


class People(NamedTuple):
    """Identities and their tags. ids: (p,), ascending; names: at the same places; tags: by identity id."""

    ids: npt.NDArray[np.int64]
    names: list[str]
    tags: dict[int, tuple[str, ...]]


class AsOf(NamedTuple):
    """How old an answer is, where newer changes may be missing in it.

    age: seconds since what it was made of was known to be the latest. away: the server could not be reached when it was
    asked for.
    """

    age: float
    away: bool

    def document(self) -> dict[str, Any]:
        return {"as_of": shown_time(int(time.time() - self.age)), "age_s": round(self.age, 3), "away": self.away}


class Sizes(NamedTuple):
    """How many templates are in use, taken out (until `gallery compact`) and set aside (until somebody decides)."""

    in_use: int
    taken_out: int
    set_aside: int


class Counts(NamedTuple):
    """How many rows there are."""

    identities: int
    templates: int
    images: int


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
