"""What an enrolment did."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import NamedTuple

from facesearch.gallery.answers import Document
from facesearch.gallery.known_photos import Known
from facesearch.gallery.suspect import Suspect
from facesearch.photos.photo import Photo, Rejection, fixed_words
from facesearch.store import TemplateInfo


@dataclass(frozen=True, slots=True)
class MovedPhoto:
    """A photo that was enrolled as one person and is in another one's folder now, whose it has become."""

    path: str
    before: str
    identity: str
    template_id: int


class RelocatedPhoto(NamedTuple):
    """A photo at another path than the one that it was enrolled from; copied: that file is still there, and counts."""

    path: str
    before: str
    copied: bool


class ChosenFace(NamedTuple):
    """Which face of a photo was taken: its number, 1 being the largest, of how many; alike: as the one that is like the
    person's other photos, else as the one that the photo clearly is of."""

    number: int
    found: int
    alike: bool

    def document(self) -> Document:
        return {"face": self.number, "faces_found": self.found, "by": "likeness" if self.alike else "prominence"}


@dataclass(slots=True)
class EnrolmentReport:
    """What an enrolment did: numbers of people and templates added and of photos skipped, the photos rejected.

    skipped: enrolled before, also taken out or set aside (`aside` of them), thinned out (`thinned` of them), or taken
    out and deleted since (`deleted` of them). moved: photos that were enrolled as somebody else. chosen: of photos with
    several faces, which one was taken. tied: folders whose person has another name now, with that name. seen: ids of
    the templates of all photos that were looked at, added: of the new ones, with their paths. doubtful: what speaks
    against photos that were enrolled nevertheless, by path. suspects: new and moved templates, and their people, that
    look like somebody else. unread: paths of photos that could not be read. gone: templates that have lost their
    photos; taken_out: how many were taken out. returned: photos of people who were forgotten that were enrolled again,
    with the day of forgetting, by path. times: of clips, the seconds of the frames that were enrolled. relocated:
    photos that are elsewhere than where they were enrolled from. unsure: of a dry run, paths of photos of several faces
    of which one may be taken once the others are enrolled. unknown: how many faces of the inbox look like people
    enrolled now, by name. thinned_of: how many of the photos were thinned out, by whose they are. without: people who
    have no template left, with how many of the photos were thinned out of theirs.
    """

    identities: int = 0
    templates: int = 0
    skipped: int = 0
    aside: int = 0
    thinned: int = 0
    deleted: int = 0
    rejected: list[Rejection] = field(default_factory=list)
    moved: list[MovedPhoto] = field(default_factory=list)
    tied: dict[str, str] = field(default_factory=dict)
    gone: list[TemplateInfo] = field(default_factory=list)
    taken_out: int = 0
    seen: set[int] = field(default_factory=set)
    added: dict[int, str] = field(default_factory=dict)
    suspects: list[Suspect] = field(default_factory=list)
    chosen: dict[str, ChosenFace] = field(default_factory=dict)
    returned: dict[str, str] = field(default_factory=dict)
    doubtful: dict[str, str] = field(default_factory=dict)
    unread: set[str] = field(default_factory=set)
    unsure: list[str] = field(default_factory=list)
    relocated: list[RelocatedPhoto] = field(default_factory=list)
    seconds: float = 0.0
    times: dict[str, tuple[float, ...]] = field(default_factory=dict)
    unknown: dict[str, int] = field(default_factory=dict)
    thinned_of: Counter[str] = field(default_factory=Counter)
    without: dict[str, int] = field(default_factory=dict)

    @property
    def images_per_second(self) -> float:
        """How fast faces were looked for: photos enrolled already are not counted."""
        done = self.templates + sum(not item.before for item in self.rejected)
        return done / self.seconds if self.seconds > 0 else 0.0

    def add(self, other: EnrolmentReport) -> None:
        """Count another enrolment with this one, as that of a clip beside photos."""
        self.identities = max(self.identities, other.identities)
        self.templates += other.templates
        self.skipped += other.skipped
        self.aside += other.aside
        self.thinned += other.thinned
        self.deleted += other.deleted
        self.rejected += other.rejected
        self.moved += other.moved
        self.seen |= other.seen
        self.added |= other.added
        self.doubtful |= other.doubtful
        self.relocated += other.relocated
        self.returned |= other.returned
        self.suspects += other.suspects
        self.chosen |= other.chosen
        self.times |= other.times
        self.unknown |= other.unknown
        self.thinned_of += other.thinned_of
        self.seconds += other.seconds

    def take(self, photo: Photo, known: Known) -> None:
        """Count a photo that needs no encoding."""
        number = known.template_id
        self.seen.update(known.others)
        if number is not None:
            self.seen.add(number)
        elif known.thinned:
            self.thinned += 1
            self.thinned_of[photo.identity] += 1
        elif known.deleted:
            self.deleted += 1
        else:
            self.aside += 1
        if known.enrolled_from:
            self.relocated.append(RelocatedPhoto(str(photo.path), known.enrolled_from, not known.relocated))
        if number is None or known.moved_from is None:
            self.skipped += 1
        else:
            self.moved.append(MovedPhoto(str(photo.path), known.moved_from, photo.identity, number))

    def document(self) -> Document:
        return {
            "identities": self.identities,
            "templates": self.templates,
            "skipped": self.skipped,
            "thinned": self.thinned,
            "deleted": self.deleted,
            "rejected": [item.document() for item in self.rejected],
            "rejected_before": [item.path for item in self.rejected if item.before],
            "moved": [{"path": item.path, "from": item.before, "to": item.identity} for item in self.moved],
            "chosen": [{"path": path, **chosen.document()} for path, chosen in self.chosen.items()],
            "doubtful": [
                {"path": path, "reason": reason, "reasons": fixed_words(reason)}
                for path, reason in self.doubtful.items()
            ],
            "returned": [{"path": path, "forgotten_on": day} for path, day in self.returned.items()],
            "suspects": [suspect.document() for suspect in self.suspects],
            "clips": [{"path": path, "times": list(times)} for path, times in self.times.items()],
            "unknown": self.unknown,
            "unsure": self.unsure,
            "relocated": [{"path": at, "from": before, "copied": copied} for at, before, copied in self.relocated],
            "tied": self.tied,
            "gone": [{"template_id": item.id, "identity": item.identity, "path": item.path} for item in self.gone],
            "taken_out": self.taken_out,
            "without_templates": [
                {"identity": name, "thinned": thinned} for name, thinned in sorted(self.without.items())
            ],
            "images_per_second": round(self.images_per_second, 2),
        }
