"""What a gallery answers. `document()` gives the JSON that command line and server print of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any, TypeVar

from facesearch.caches.purged import Purged
from facesearch.errors import RejectedImageError
from facesearch.photos.geometry import Box
from facesearch.photos.given import Probe
from facesearch.store.records import AsOf, Calibration

if TYPE_CHECKING:
    from PIL import Image as Pillow

Document = dict[str, Any]  # what becomes JSON


@dataclass(frozen=True, slots=True)
class Candidate:
    """An identity returned for a probe: its best template's similarity (cosine), ties by lowest template id.

    score: what the decision compares with the threshold; see `facesearch.gallery.scoring`.
    """

    rank: int
    identity: str
    similarity: float
    template_id: int
    score: float

    def document(self) -> Document:
        return {
            "rank": self.rank,
            "identity": self.identity,
            "similarity": self.similarity,
            "score": self.score,
            "template_id": self.template_id,
        }


@dataclass(frozen=True, slots=True)
class FaceAnswer:
    """The answer for one face: its box in pixels (None for an aligned crop) and up to k candidates, best first.

    number: which face of the photo it is, 1 being the largest, of `found`. quality: how likely an ordinary photo of the
    same person is found by it, 0 to 1; reasons: what makes it hard, in fixed words; poor: too much to name anybody, see
    `facesearch.pipeline.quality`, or as much as in the photo that it is most like, see `facesearch.gallery.poor_pairs`.
    yields_to: number of another face of the photo, to which the same candidate is nearer: one person is not there
    twice. ignored: it is somebody who is never to be named; there are no candidates then. photo: the one that was asked
    about, as it was given, for `show`; a notebook shows it by itself. as_of: how old the state of the gallery is that
    it is made of; None where it is the latest.
    """

    box: Box | None
    threshold: float
    candidates: tuple[Candidate, ...]
    number: int = 1
    found: int = 1
    yields_to: int | None = None
    ignored: bool = False
    photo: Probe | None = field(default=None, compare=False, repr=False)
    quality: float = 1.0
    reasons: tuple[str, ...] = ()
    poor: bool = False
    as_of: AsOf | None = field(default=None, compare=False)

    @property
    def name(self) -> str | None:
        """Who it is; None where that is unknown."""
        return self.candidates[0].identity if self.is_match else None

    def show(self) -> Pillow.Image:
        """The photo with this face, its name and score: a picture, which a notebook displays and `save` writes.

        Raises `RejectedImageError` where the photo cannot be read any more.
        """
        return PhotoAnswers([self]).show()

    def _repr_png_(self) -> bytes | None:
        return PhotoAnswers([self])._repr_png_()

    @property
    def is_match(self) -> bool:
        """Whether the best candidate reaches the threshold, the face is not too poor to tell, and no other face of the
        photo is nearer to them; otherwise the face is unknown."""
        return (
            not self.poor
            and self.yields_to is None
            and bool(self.candidates)
            and self.candidates[0].score >= self.threshold
        )

    def document(self) -> Document:
        return {
            "box": None if self.box is None else [round(value, 2) for value in self.box],
            "decision": "match" if self.is_match else "unknown",
            "threshold": self.threshold,
            "face": self.number,
            "yields_to": self.yields_to,
            "ignored": self.ignored,
            "quality": round(self.quality, 4),
            "reasons": list(self.reasons),
            "poor": self.poor,
            "candidates": [candidate.document() for candidate in self.candidates],
        }


class PhotoAnswers(list[FaceAnswer]):
    """The answers for the faces of one photo. A notebook shows them on the photo."""

    @property
    def as_of(self) -> AsOf | None:
        """How old the state of the gallery is that they are made of; None where it is the latest."""
        return self[0].as_of if self else None

    def show(self) -> Pillow.Image:
        """The photo with all these faces, their names and scores; see `FaceAnswer.show`."""
        from facesearch.drawing.marks import MarkedFace, with_faces  # a question does not wait for it

        if not self or self[0].photo is None:
            raise RejectedImageError("there is no photo to show: these answers are not those to one")
        marked = []
        for answer in self:
            score = f" {answer.candidates[0].score:.2f}" if answer.candidates else ""
            marked.append(MarkedFace(answer.box, f"{answer.name or 'unknown'}{score}", answer.is_match))
        return with_faces(self[0].photo.pixels(), marked)

    def _repr_png_(self) -> bytes | None:
        """For notebooks, which show the text where there is no picture."""
        import io

        written = io.BytesIO()
        try:
            self.show().save(written, "PNG")
        except RejectedImageError:
            return None
        return written.getvalue()


@dataclass(frozen=True, slots=True)
class TrackAnswer(FaceAnswer):
    """The answer for one face of a clip, by all frames in which it was followed; box: in the best of them.

    number: 1 is the most prominent. start, end, best: seconds. boxes: (seconds, box) of every frame it was found in.
    """

    start: float = 0.0
    end: float = 0.0
    best: float = 0.0
    boxes: tuple[tuple[float, Box], ...] = ()

    def document(self) -> Document:
        boxes = [{"time": time, "box": [round(value, 2) for value in box]} for time, box in self.boxes]
        times = {"start": self.start, "end": self.end, "best": self.best}
        return {**FaceAnswer.document(self), **times, "boxes": boxes}


@dataclass(frozen=True, slots=True)
class ClipAnswer:
    """The answers for the faces of a clip that were asked for, of `found`; frames: looked at, seconds: to the last."""

    tracks: tuple[TrackAnswer, ...]
    found: int
    frames: int
    seconds: float

    @property
    def as_of(self) -> AsOf | None:
        """See `PhotoAnswers.as_of`."""
        return self.tracks[0].as_of if self.tracks else None


Answer = TypeVar("Answer", bound=FaceAnswer)


def named_once(
    answers: Sequence[Answer], together: Callable[[Answer, Answer], bool] = lambda one, other: True
) -> list[Answer]:
    """The answers; of those that would give the same name where one person cannot be twice, only the surest does.

    together: whether two of them are of one moment; those of one photo are.
    """
    yielding: dict[int, int] = {}
    named: dict[str, list[Answer]] = {}
    matches = [answer for answer in answers if answer.is_match]
    for answer in sorted(matches, key=lambda match: -match.candidates[0].score):
        surer = named.setdefault(answer.candidates[0].identity, [])
        first = next((other for other in surer if together(answer, other)), None)
        if first is None:
            surer.append(answer)
        else:
            yielding[answer.number] = first.number
    return [
        replace(answer, yields_to=yielding[answer.number]) if answer.number in yielding else answer
        for answer in answers
    ]


@dataclass(frozen=True, slots=True)
class VerifiedFace:
    """The face of one of two photos that was compared: its box in pixels (None for an aligned crop), and its number, 1
    being the largest, of `found`; quality, reasons, poor: as of a `FaceAnswer`."""

    box: Box | None
    number: int
    found: int
    quality: float = 1.0
    reasons: tuple[str, ...] = ()
    poor: bool = False

    def document(self) -> Document:
        return {
            "box": None if self.box is None else [round(value, 2) for value in self.box],
            "face": self.number,
            "faces_found": self.found,
            "quality": round(self.quality, 4),
            "reasons": list(self.reasons),
            "poor": self.poor,
        }


@dataclass(frozen=True, slots=True)
class Verification:
    """How similar two faces are (cosine), the score that this gives, and whether that reaches the threshold.

    faces: of each photo, the one compared. as_of: see `FaceAnswer`.
    """

    similarity: float
    threshold: float
    score: float
    faces: tuple[VerifiedFace, VerifiedFace]
    as_of: AsOf | None = None

    @property
    def same(self) -> bool:
        """Whether the score reaches the threshold, and neither face is too poor to tell; False says no more then."""
        return self.score >= self.threshold and not any(face.poor for face in self.faces)

    def document(self) -> Document:
        return {
            "similarity": self.similarity,
            "score": self.score,
            "threshold": self.threshold,
            "same": self.same,
            "faces": [face.document() for face in self.faces],
            **({} if self.as_of is None else self.as_of.document()),
        }


@dataclass(frozen=True, slots=True)
class Receipt:
    """What `forget` did. wiped: no copy of the old rows is left in the database or its write-ahead log; on a server,
    in the tables: its log and its replicas are its administrator's.

    templates: those in use; out_of_use: those set aside or taken out. negatives: theirs, and those of their photos;
    of_others: templates of the same faces that were set aside or taken out of other people's. images: of photos that
    nobody else has; images_kept: of their photos, those that stay, with their paths, for other faces in them;
    images_in_inbox: as many of them stay for unknown faces alone.
    backups, exports: when such files were made (epoch seconds) since a template of the person is there, also as an
    unknown face or somebody else's, so that they may still hold the person. out_of_cohort: faces like
    theirs that were taken out of the cohort with them, and with the others forgotten together, out_of_inbox: out of the
    unknown faces. unfinished: temporary
    folders with copies of the gallery that may hold them too: of a backup that is being made, or of one that was cut
    off and is out of reach. learnt_from_people: an earlier version learnt the gallery's codebook or index from its
    people, which keeps traces of them until `index build` replaces it. published: index files in the database that held
    somebody of all who were forgotten together, and went with them; published_left: those that may hold one still.
    purged: what was taken out of the caches and stored runs of evaluations, of all who were forgotten together.
    """

    identity: str
    templates: int
    images: int
    index_rewritten: bool
    wiped: bool
    forgotten_at: int  # epoch seconds
    backups: tuple[int, ...] = ()
    out_of_cohort: int = 0
    unfinished: tuple[str, ...] = ()
    learnt_from_people: bool = False
    exports: tuple[int, ...] = ()
    out_of_inbox: int = 0
    out_of_use: int = 0
    negatives: int = 0
    of_others: int = 0
    images_kept: int = 0
    images_in_inbox: int = 0
    purged: Purged = field(default_factory=Purged)
    on_server: bool = False
    published: int = 0
    published_left: int = 0

    def document(self) -> Document:
        return {
            "identity": self.identity,
            "templates": self.templates,
            "out_of_use": self.out_of_use,
            "negatives": self.negatives,
            "of_others": self.of_others,
            "images": self.images,
            "images_kept": self.images_kept,
            "images_in_inbox": self.images_in_inbox,
            "index_rewritten": self.index_rewritten,
            "database_wiped": self.wiped,
            "forgotten_at": self.forgotten_at,
            "backups": list(self.backups),
            "exports": list(self.exports),
            "out_of_cohort": self.out_of_cohort,
            "out_of_inbox": self.out_of_inbox,
            "unfinished_backups": list(self.unfinished),
            "learnt_from_people": self.learnt_from_people,
            "published_deleted": self.published,
            "published_left": self.published_left,
            "caches": self.purged.document(),
        }


@dataclass(frozen=True, slots=True)
class GalleryInfo:
    """Sizes and state. Bytes are those on disk.

    codec: how templates are stored, with the number of the codebook for the codes of an index kind, as in `tcq64@1`.
    originals: what is kept of templates beside those codes: fp32, fp16, int8 or none. threshold: None where it is the
    default of an encoder that is not installed here. threshold_from: encoder (its default), set (by hand), or
    calibration. calibration: what that was made on, else None. score: what is compared with the threshold, cosine or
    normalised. quality: which faces are enrolled: off, standard or strict. cohort: faces of people who are not
    enrolled, with which scores are normalised. without_templates: how many of the identities have none. taken_out,
    set_aside: templates that are in no answer, until `compact` and beyond it, and are not counted in `templates`.
    unknown_faces, unknown_clusters: what is in the inbox.
    """

    store: str
    encoder: str
    index: str
    codec: str
    originals: str
    threshold: float | None
    threshold_from: str
    calibration: Calibration | None
    score: str
    quality: str
    cohort: int
    identities: int
    templates: int
    without_templates: int
    taken_out: int
    set_aside: int
    unknown_faces: int
    unknown_clusters: int
    database_bytes: int
    index_bytes: int

    def document(self) -> Document:
        return {
            "store": self.store,
            "encoder": self.encoder,
            "index": self.index,
            "codec": self.codec,
            "originals": self.originals,
            "threshold": self.threshold,
            "threshold_from": self.threshold_from,
            "calibration": None if self.calibration is None else asdict(self.calibration),
            "score": self.score,
            "quality": self.quality,
            "cohort": self.cohort,
            "identities": self.identities,
            "templates": self.templates,
            "without_templates": self.without_templates,
            "taken_out": self.taken_out,
            "set_aside": self.set_aside,
            "unknown_faces": self.unknown_faces,
            "unknown_clusters": self.unknown_clusters,
            "database_bytes": self.database_bytes,
            "index_bytes": self.index_bytes,
        }


@dataclass(frozen=True, slots=True)
class Compaction:
    """What `compact` did: bytes of the gallery on disk before and after.

    wiped: nothing that was deleted is left in the database or its write-ahead log; on_server: in the tables, as its log
    is its administrator's. discarded: templates that were taken out and are now deleted. kept: those set aside, which
    stay.
    """

    before_bytes: int
    after_bytes: int
    wiped: bool
    discarded: int
    kept: int = 0
    on_server: bool = False

    def document(self) -> Document:
        return {
            "before_bytes": self.before_bytes,
            "after_bytes": self.after_bytes,
            "freed_bytes": self.before_bytes - self.after_bytes,
            "wiped": self.wiped,
            "discarded": self.discarded,
            "kept": self.kept,
        }
