"""The gallery: enrol, identify, verify, forget. A façade; the modules beside it do the work."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Unpack, cast

import numpy as np
import numpy.typing as npt

from facesearch.errors import RejectedImageError, UsageError
from facesearch.faces import Chosen, chosen_face
from facesearch.gallery import arguments, changes, questions
from facesearch.gallery.answers import Candidate, Compaction, FaceAnswer, GalleryInfo, PhotoAnswers, Verification
from facesearch.gallery.clip_gallery import ClipGallery
from facesearch.gallery.groups import Among
from facesearch.gallery.index_checking import index_problems
from facesearch.gallery.parts import DATABASE, PROJECTION, SEARCHES, Parts
from facesearch.gallery.questions import QuestionOptions
from facesearch.gallery.server_gallery import ServerGallery
from facesearch.gallery.template_index import IndexInfo
from facesearch.gallery.verification import verify
from facesearch.photos.given import is_one, named
from facesearch.photos.photo import Photo, Rejection, composed
from facesearch.pipeline.pipeline import Image, templates_of
from facesearch.store import AsOf, Counts, IdentitySummary, TemplateInfo

if TYPE_CHECKING:
    from PIL import Image as Pillow

    from facesearch.gallery.backup import BackupReport
    from facesearch.gallery.contact_sheet import Asked
    from facesearch.gallery.enrolment import Progress
    from facesearch.gallery.enrolment_report import EnrolmentReport
    from facesearch.gallery.folder_truth import Folders
    from facesearch.gallery.unknown_faces import UnknownFaces


class Gallery(ServerGallery, ClipGallery):
    """The templates of known persons, in a folder or on a server. Made by `Gallery.open`; use it in a with-statement.

    Safe to share between threads, and its place between processes: an answer is from one moment, the state before or
    after a change and never in between. In a process that was forked it opens itself anew when it is first used.
    """

    # enrolment

    def enroll(
        self, identity: str, images: Image | Iterable[Image], *, again: bool = True, colour: str = "rgb"
    ) -> EnrolmentReport:
        """Add one or more photos of one person: paths, bytes, open files, Pillow images, arrays of pixels
        (`facesearch.photos.given.Given`). colour: the order of channels of arrays, "rgb" or "bgr".

        Photos enrolled already (by content) are skipped, unusable ones rejected with the reason. Whoever is named here
        is meant: photos of somebody who was forgotten are enrolled `again`, and the report's `returned` names them;
        without it they are rejected, as `enroll_photos` does.
        """
        given = cast("Iterable[Image]", [images] if is_one(images) else images)
        photos, rejected = [], []
        for number, image in enumerate(given, start=1):
            try:
                photos.append(Photo.of(identity, image, number, colour))
            except RejectedImageError as error:
                rejected.append(Rejection(named(image, f"photo {number}"), str(error)))
        report = self.enroll_photos(photos, again=again)
        report.rejected += rejected
        return report

    def enroll_photos(
        self,
        photos: Sequence[Photo],
        *,
        aligned: str | None = None,
        progress: Progress | None = None,
        committed: Callable[[Photo], None] | None = None,
        workers: int | None = None,
        cluster: str | None = None,
        folders: Folders | None = None,
        again: bool = False,
    ) -> EnrolmentReport:
        """Add photos of any number of people, on all cores (or `workers`), or on a Dask cluster.

        aligned: the photos are crops of this kind already; nothing is detected. progress: called with (photos done,
        photos in all). committed: called for each photo once its template is safely stored. folders: those that the
        photos are all of, so that the report also says which have gone from them. again: photos of people who were
        forgotten are enrolled like others. cluster: the address of a Dask scheduler, `tcp://host:8786`: its workers
        find and encode the faces of files; needs the extra `cluster` here and there. Raises `ClusterError` where it is
        not there, or goes away: what is enrolled then stays.
        """
        return changes.enroll_photos(
            self.parts,
            photos,
            aligned=aligned,
            progress=progress,
            committed=committed,
            workers=workers,
            cluster=cluster,
            folders=folders,
            again=again,
        )

    def survey(
        self,
        photos: Sequence[Photo],
        folders: Folders | None = None,
        *,
        aligned: str | None = None,
        progress: Progress | None = None,
        workers: int | None = None,
        cluster: str | None = None,
        again: bool = False,
    ) -> EnrolmentReport:
        """What `enroll_photos` would do; nothing is changed. New photos are looked at, which takes as long.

        Suspects are not looked for. `unsure` of the report are photos of several faces, of people who are new.
        """
        return changes.survey(
            self.parts,
            photos,
            aligned=aligned,
            progress=progress,
            workers=workers,
            cluster=cluster,
            folders=folders,
            again=again,
        )

    def enroll_templates(
        self,
        identities: Sequence[str],
        templates: npt.ArrayLike,
        *,
        sources: Sequence[str] | None = None,
        progress: Progress | None = None,
        committed: Callable[[int], None] | None = None,
    ) -> EnrolmentReport:
        """Add templates that exist already: (n, dimension) floats of unit length that this gallery's encoder made.

        identities: whose each of them is. sources: what to note as the place each comes from; default "template 1" and
        so on. progress: called with (templates done, templates in all). committed: called with the row of each template
        once it is safely stored, a batch at a time. Templates enrolled already (by content) are skipped; those of
        another length, and names that nobody can have, are rejected. Raises `UsageError` for arrays of another shape.
        """
        return changes.enroll_templates(
            self.parts, identities, templates, sources=sources, progress=progress, committed=committed
        )

    @property
    def unknown(self) -> UnknownFaces:
        """The inbox: faces of photos that match nobody enrolled, to be grouped and named."""
        from facesearch.gallery.unknown_faces import UnknownFaces  # a question does not wait for it

        return UnknownFaces(lambda: self.parts)

    # questions

    def identify(
        self,
        image: Image,
        k: int = 5,
        *,
        threshold: float | None = None,
        score: str | None = None,
        face: Chosen = None,
        colour: str = "rgb",
        among: Among | None = None,
    ) -> FaceAnswer:
        """Who is the most prominent person in a photo? Up to k candidates, best first.

        threshold, score: in place of the gallery's, face: another face, among: only these people; `QuestionOptions`.
        Raises `RejectedImageError` if the photo cannot be used, `GalleryNotFoundError` for an empty gallery.
        """
        asked = QuestionOptions(threshold=threshold, score=score, everyone=False, face=face, colour=colour, among=among)
        return self.identify_faces(image, k, **asked)[0]

    def identify_faces(self, image: Image, k: int = 5, **asked: Unpack[QuestionOptions]) -> PhotoAnswers:
        """Who is everyone in a photo? One answer per face, largest face first. See `QuestionOptions`."""
        (answer,) = self._answered(lambda parts: questions.identify_photos(parts, [image], k, None, asked))
        if isinstance(answer, RejectedImageError):
            raise type(answer)(f"{named(image, 'the photo')}: {answer}")
        return answer

    def identify_photos(
        self, images: Sequence[Image], k: int = 5, *, progress: Progress | None = None, **asked: Unpack[QuestionOptions]
    ) -> list[PhotoAnswers | RejectedImageError]:
        """The same of many photos, whose faces are searched for as one batch; for a photo that cannot be used, why."""
        return self._answered(lambda parts: questions.identify_photos(parts, images, k, progress, asked))

    def sheets(self, asked: Sequence[Asked], progress: Progress | None = None) -> Iterator[Pillow.Image]:
        """Contact sheets of what `identify_faces` or `identify_photos` answered: pictures with a row for each face,
        beside the photos of its candidates where these are files that can still be read; at most 100 faces each.

        progress: called with (photos done, photos in all).
        """
        from facesearch.gallery.contact_sheet import candidate_ids, contact_sheets, sheet_entries

        entries = sheet_entries(asked)
        infos = self.parts.store.corrections.known(candidate_ids(entries))
        return contact_sheets(entries, infos, progress)

    def verify(
        self,
        a: Image,
        b: Image,
        *,
        threshold: float | None = None,
        score: str | None = None,
        aligned: str | None = None,
        face_a: Chosen = None,
        face_b: Chosen = None,
        colour: str = "rgb",
    ) -> Verification:
        """Do two photos show the same person? With normalised scores, the people enrolled are those to compare with.

        Of photos with several faces the two most alike are compared; face_a, face_b: which ones instead, by number or
        by a point. score: cosine or normalised, in place of the gallery's. Raises `RejectedImageError` naming the photo
        that cannot be used.
        """
        first, second = chosen_face(face_a), chosen_face(face_b)
        score = None if score is None else arguments.score(score)
        given = None if threshold is None else arguments.threshold(threshold)

        def verified(parts: Parts) -> Verification:
            as_of: AsOf | None = None

            def decide(templates: npt.NDArray[np.float32]) -> tuple[float, npt.NDArray[np.float64]]:
                nonlocal as_of
                limit, taken, as_of = questions.penalties(parts, templates, score)
                return limit if given is None else given, taken

            answer = verify(parts.pipeline(), a, b, decide, aligned=aligned, face_a=first, face_b=second, colour=colour)
            return replace(answer, as_of=as_of)

        return self._answered(verified)

    def template(self, image: Image, *, colour: str = "rgb") -> npt.NDArray[np.float32]:
        """The template (dimension,) float32 of the most prominent person in a photo, which is not enrolled."""
        return templates_of(self.parts.pipeline(), image, everyone=False, colour=colour)[0].template

    def search(
        self,
        templates: npt.NDArray[np.float32],
        k: int = 5,
        *,
        fused: bool = False,
        score: str | None = None,
        among: Among | None = None,
    ) -> list[list[Candidate]]:
        """Up to k candidates per template of `templates` (m, dimension) float32, best first; all as one batch.

        score: cosine or normalised, in place of the gallery's. among: only these people, by names, or by tags as in
        `Tagged("staff")`. Those who are to be ignored are left out.
        """
        return self._answered(
            lambda parts: questions.search(parts, templates, k, fused=fused, score=score, among=among)
        )

    # identities

    def identities(self) -> list[IdentitySummary]:
        """Everybody enrolled, by name."""
        return self.parts.store.identities.all()

    def identity(self, name: str) -> tuple[IdentitySummary, list[TemplateInfo]]:
        """One identity and what is stored of it; raises `UnknownIdentityError`."""
        people = self.parts.store.identities
        return people.find(composed(name)), people.templates(composed(name))

    def build_index(
        self,
        kind: str | None = None,
        *,
        keep: str | None = None,
        relearn: bool = False,
        search: str = PROJECTION,
        progress: Progress | None = None,
    ) -> None:
        """Build the index anew, as `kind` if given, from the stored templates; nothing is encoded again.

        Args:
            keep: what is kept of the templates beside the codes of the kind (`fp32`, `fp16`, `int8`, `none`); default:
                none, so that they are stored as those codes (flat: fp32, sq8: int8). Going down rounds for good.
            relearn: code all templates anew, with the codebook that this version makes. Codebooks are never learnt from
                the people of the gallery; one that an earlier version learnt so is always replaced.
            search: "projection", for the index files of this machine; "database", to make a gallery on a server ready
                for searches in the database, whatever the kind is, while others go on using it.

        Raises `UsageError` for an unknown kind or codec, `IndexStateError` where there are too few templates for it.
        """
        if arguments.one_of(search, "search", SEARCHES) == DATABASE:
            if kind is not None or keep is not None or relearn:
                raise UsageError("what is built for searches in the database has no kind: build the two one by one")
            changes.build_vectors(self.parts, progress)
        else:
            changes.build_index(self.parts, kind, keep=keep, relearn=relearn, progress=progress)

    def check(self) -> list[str]:
        """What is wrong with database, index files and their agreement, in words; empty if all is well."""
        parts = self.parts
        parts.settings()
        kept = (parts.store.vectors, parts.store.published)
        in_database = [problem for each in kept if each is not None for problem in each.problems()]
        return parts.store.integrity_check() or index_problems(parts.store, parts.codecs, parts.index) + in_database

    def backup(
        self, path: str | os.PathLike[str], *, overwrite: bool = False, progress: Progress | None = None
    ) -> BackupReport:
        """Write the gallery as it is at this moment into one file, while others go on using it.

        progress: called with (bytes done, bytes in all), once for the copy and once for the file. Raises `UsageError`
        for a file that is there (unless `overwrite`), `BackupError`.
        """
        from facesearch.gallery.backup import back_up  # a question does not wait for it

        return back_up(self.parts.store, self.parts.folder, Path(path), overwrite=overwrite, progress=progress)

    def compact(self) -> Compaction:
        """Give free space back to the disk: the database is written anew, nothing deleted is left in any file."""
        return changes.compact(self.parts)

    def counts(self) -> Counts:
        """Numbers of identities, templates and images."""
        return self.parts.store.templates.counts()

    def without_templates(self) -> int:
        """How many of the people have no template, as where all of theirs were moved, and are in no answer."""
        return self.parts.store.identities.without_templates()

    def index_info(self) -> IndexInfo:
        """State of the index."""
        self.parts.settings()
        return self.parts.index.info()

    def info(self) -> GalleryInfo:
        """Sizes and state."""
        return changes.info(self.parts)
