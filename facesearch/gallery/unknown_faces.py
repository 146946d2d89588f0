"""The inbox of a gallery: unknown faces, collected, grouped, named."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, TypeVar, cast

from facesearch.errors import OvertakenError, RejectedImageError, StoreError, UsageError
from facesearch.gallery.collecting import CollectionReport, Progress, collect
from facesearch.gallery.parts import Parts
from facesearch.gallery.unknown_done import Grouping, InboxReceipt, Named
from facesearch.gallery.unknown_list import ListedFace, UnknownList, found_faces, listed, vectors_of
from facesearch.gallery.unknown_numbers import (
    Which,
    bridged,
    chosen,
    face_ids,
    joined,
    parted,
    regrouped,
    rows_of,
)
from facesearch.gallery.wiping import wiped
from facesearch.photos.given import is_one, named
from facesearch.photos.photo import Photo, Rejection, composed
from facesearch.pipeline.pipeline import Image
from facesearch.store import Discarded, Inbox, Regrouping

if TYPE_CHECKING:
    from PIL import Image as Pillow

_ATTEMPTS = 5

T = TypeVar("T")
Changed = tuple[Regrouping, list[int]]  # a change of clusters, and the numbers of its groups


class UnknownFaces:
    """The unknown faces of an open gallery: `Gallery.unknown`.

    Clusters are named by their numbers, as 7, single faces as "f12".
    """

    def __init__(self, parts: Callable[[], Parts]) -> None:
        self._parts = parts

    def __len__(self) -> int:
        """How many faces there are."""
        return self._parts().store.unknown.count()[0]

    def add(self, images: Image | Iterable[Image], *, again: bool = False, colour: str = "rgb") -> CollectionReport:
        """Keep the faces of photos that match nobody in the gallery; see `add_photos`."""
        given = cast("Iterable[Image]", [images] if is_one(images) else images)
        photos, rejected = [], []
        for number, image in enumerate(given, start=1):
            try:
                photos.append(Photo.of("", image, number, colour))
            except RejectedImageError as error:
                rejected.append(Rejection(named(image, f"photo {number}"), str(error)))
        report = self.add_photos(photos, again=again)
        report.rejected += rejected
        return report

    def add_photos(
        self,
        photos: Sequence[Photo],
        *,
        again: bool = False,
        progress: Progress | None = None,
        workers: int | None = None,
    ) -> CollectionReport:
        """Keep the faces that match nobody, by the gallery's threshold and score. Photos that were looked at before (by
        content) are skipped, and those of people who were forgotten are rejected, unless `again`.

        progress: called with (photos done, photos in all).
        """
        return collect(self._parts(), photos, again=again, progress=progress, workers=workers)

    def cluster(self, *, least_similarity: float | None = None) -> Grouping:
        """Group the faces: each cluster looks like one person. Two faces of one photo are never together, and what was
        said (`join`, `part`) holds. A cluster that grew keeps its number.

        least_similarity: the cosine that joins two faces; default: by how many there are.
        """
        from facesearch.gallery.one_person import groups_of  # a question does not wait for it

        parts = self._parts()
        if not len(self):
            return Grouping(0, 0, 0, 0)
        settings = parts.settings()

        def change(inbox: Inbox) -> Regrouping:
            together, apart = rows_of(inbox)
            groups = groups_of(
                vectors_of(parts, inbox),
                settings.model,
                parts.threshold(None),
                photos=[face.sha256 for face in inbox.faces],
                together=together,
                apart=apart,
                score=settings.score,
                least=least_similarity,
            )
            return regrouped(inbox, [[inbox.faces[row].id for row in group] for group in groups])

        done, _ = self._changed(change)
        new = sum(number is None for number, _ in done.groups)
        held = sum(len(faces) for _, faces in done.groups)
        return Grouping(held + len(done.alone), len(done.groups), new, len(done.alone))

    def list(self, *, like: str | None = None) -> UnknownList:
        """Clusters, the largest first, and single faces, with the nearest person enrolled. like: only those of which a
        face looks like this person; raises `UnknownIdentityError`."""
        return listed(self._parts(), None if like is None else composed(like))

    def show(self, which: Which | Sequence[Which]) -> Sequence[ListedFace]:
        """The faces of clusters, and single faces, by number; raises `UsageError` for what is not there."""
        return found_faces(self._parts(), _several(which))

    def name(self, which: Which | Sequence[Which], identity: str) -> Named:
        """Enrol a cluster, or single faces, as a person, who is created if new; they leave the inbox."""
        return self._named(which, composed(identity), ignored=False)

    def ignore(self, which: Which | Sequence[Which], identity: str | None = None) -> Named:
        """Enrol them as somebody who is never to be named (`Gallery.ignore`), so that they are not collected again;
        default for the name: "unknown 7", by the cluster or face."""
        asked = _several(which)
        name = f"unknown {asked[0]}" if identity is None and asked else composed(identity or "")
        known = {person.name: person for person in self._parts().store.identities.all()}
        if name in known and not known[name].attributes.ignored:
            raise UsageError(f"{name} is enrolled and is not ignored: choose another name, or facesearch unknown name")
        return self._named(which, name, ignored=True)

    def join(self, *which: Which) -> int:
        """These clusters and faces are one person: they stay together. Returns the number of the cluster.

        Raises `UsageError` where two of the faces are in one photo.
        """
        _, numbers = self._changed(lambda inbox: joined(inbox, chosen(inbox, which)))
        return numbers[0]

    def part(self, *faces: Which) -> None:
        """These faces are not the person of the others in their cluster: they stay apart."""
        if face_ids(faces) is None:
            raise UsageError("part takes single faces out of their cluster: name them as f12")
        self._changed(lambda inbox: parted(inbox, chosen(inbox, faces)))

    def discard(self, which: Which | Sequence[Which] | None = None) -> InboxReceipt:
        """Delete faces for good, or all. Their photos are not looked at again, unless they are added `again`."""
        parts = self._parts()
        parts.store.transactions.require_write()
        gone = parts.store.unknown.discard() if which is None else self._discarded(_several(which))
        is_wiped = wiped(parts.store, gone.traces)
        backups = tuple(parts.store.audit.copies_since(gone.oldest, "backup"))
        on_server = parts.store.on_server
        return InboxReceipt(gone.faces, gone.clusters, gone.images, is_wiped, int(time.time()), backups, on_server)

    def sheet(self, cluster: int | None = None) -> Iterator[Pillow.Image]:
        """Contact sheets of a cluster's faces, or of those that are alone; raises `UsageError` for one that is not
        there."""
        from facesearch.gallery.unknown_sheet import sheets

        if cluster is not None:
            return sheets(f"cluster {cluster}", self.show(cluster))
        return sheets("alone", self.list().alone)

    def _named(self, which: Which | Sequence[Which], identity: str, *, ignored: bool) -> Named:
        parts, asked = self._parts(), _several(which)
        if not asked:
            raise UsageError("say which cluster or faces are to be named: facesearch unknown list")

        def enrol(inbox: Inbox) -> Named:
            ids = [face.id for face in chosen(inbox, asked)]
            self._bridge(inbox, ids)
            templates = parts.store.unknown.name(ids, identity, ignored=ignored)
            return Named(identity, tuple(templates), len(ids) - len(templates), ignored)

        done = self._attempted(enrol)
        parts.writer.save_after()
        return done

    def _discarded(self, asked: Sequence[Which]) -> Discarded:
        kept = self._parts().store.unknown
        if not asked:
            raise UsageError("say which clusters or faces are to be deleted: facesearch unknown list")

        def delete(inbox: Inbox) -> Discarded:
            ids = [face.id for face in chosen(inbox, asked)]
            self._bridge(inbox, ids)
            return kept.discard(ids)

        try:
            return self._attempted(delete)
        except OvertakenError:
            raise
        except StoreError:  # of a damaged inbox, faces can be deleted all the same
            ids = face_ids(asked)
            if ids is None:
                raise
            return kept.discard(ids)

    def _bridge(self, inbox: Inbox, leaving: Sequence[int]) -> None:
        """Before faces leave: those who were said to be together by way of them stay so."""
        if (needed := bridged(inbox, leaving)) is not None:
            self._parts().store.unknown.regroup(inbox, needed)

    def _changed(self, change: Callable[[Inbox], Regrouping]) -> Changed:
        parts = self._parts()

        def apply(inbox: Inbox) -> Changed:
            wanted = change(inbox)
            return wanted, parts.store.unknown.regroup(inbox, wanted)

        return self._attempted(apply)

    def _attempted(self, apply: Callable[[Inbox], T]) -> T:
        """Do something with the inbox as it is, again where another process was faster."""
        parts = self._parts()
        for attempt in range(_ATTEMPTS):
            try:
                return apply(parts.store.unknown.inbox())
            except OvertakenError:
                if attempt == _ATTEMPTS - 1:
                    raise
        raise AssertionError("unreachable")


def _several(which: Which | Sequence[Which]) -> Sequence[Which]:
    return [which] if isinstance(which, int | str) else which
