"""The gallery: enrol, identify, verify, forget. The one place where faces, encoders, store and index meet."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np
import numpy.typing as npt

from facesearch.codecs.template_codecs import TemplateCodecs, originals_kept
from facesearch.encoders import Encoder, EncoderSpec, find_model, load_encoder
from facesearch.errors import (
    EncoderMismatchError,
    GalleryNotFoundError,
    IndexStateError,
    RejectedImageError,
    StoreError,
    UsageError,
)
from facesearch.faces import DEFAULT_MIN_FACE
from facesearch.gallery.answers import Candidate, Compaction, FaceAnswer, GalleryInfo, Receipt, Verification
from facesearch.gallery.backup import BackupReport, RestoreReport, back_up, restore
from facesearch.gallery.enrolment import EnrolmentReport, Progress, enrol_photos
from facesearch.gallery.fused_index import FusedIndex
from facesearch.gallery.ranking import nearest_identities
from facesearch.gallery.settings import (
    check_agreement,
    check_kind,
    encoder_asked,
    in_force,
    key_of,
    new_settings,
    outgrown,
)
from facesearch.gallery.template_enrolment import enrol_templates
from facesearch.gallery.template_index import IndexInfo, IndexProjection
from facesearch.gallery.verification import verify
from facesearch.photos.photo import Photo, composed
from facesearch.pipeline.templater import FaceTemplate, Image, Stopwatch, Templater, templates_of
from facesearch.store import (
    DATABASE_NAME,
    Counts,
    EncoderKey,
    GallerySettings,
    IdentitySummary,
    SqlStore,
    TemplateInfo,
    open_store,
)
from facesearch.store.records import Calibration
from indexes.threads import threads as search_threads

_log = logging.getLogger("facesearch")


@dataclass(slots=True)
class _Models:
    """Encoders and detectors, loaded when first needed."""

    encoder: Encoder | None = None
    given: bool = False
    templaters: dict[int, Templater] = field(default_factory=dict)
    device: str = "cpu"
    threads: int = 0


class Gallery:
    """A folder with the templates of known persons. Made by `Gallery.open`; use it in a with-statement."""

    def __init__(self, store: SqlStore, folder: Path, models: _Models, min_face: int) -> None:
        self._store = store
        self._folder = folder
        self._models = models
        self._min_face = min_face
        self._projection = IndexProjection(store, folder)
        self._fused = FusedIndex(store, self._projection.decoded)
        self._codecs = TemplateCodecs(store)

    @staticmethod
    def open(
        path: str | os.PathLike[str],
        *,
        encoder: str | Encoder | None = None,
        index: str | None = None,
        keep: str | None = None,
        create: bool = True,
        min_face: int = DEFAULT_MIN_FACE,
        device: str = "cpu",
        threads: int = 0,
    ) -> Gallery:
        """Open the gallery in the folder `path`, or start one.

        Args:
            encoder: `model[:precision][@backend]`, or an `Encoder`. A new gallery is fixed to its model; an existing
                one accepts another precision or backend of the same model only. Default: the gallery's own, else
                dlib-resnet.
            index: kind of index for a new gallery (`flat`, `sq8`, `pq<m>`); default flat.
            create: whether a gallery that is not there yet is started.
            min_face: side in pixels of the smallest face to look for.
            device: what runs the encoder ("cpu", "cuda", …), when it is first needed; never another one silently.
            threads: that answering a question may take; 0: all cores. Enrolment takes `workers`.

        Raises `GalleryNotFoundError`, `EncoderMismatchError`, `UnknownEncoderError`, `StoreError`.
        """
        folder = Path(path)
        exists = (folder / DATABASE_NAME).exists()
        if not exists and not create:
            raise GalleryNotFoundError(f"there is no gallery in {folder}: start one with facesearch enroll")
        if not exists:
            new_settings(encoder, index, keep)  # a request that is wrong creates nothing
        read_only = exists and not os.access(folder, os.W_OK)
        store = open_store(folder, read_only=read_only, create=create)
        try:
            gallery = Gallery(store, folder, _Models(device=device, threads=threads), min_face)
            gallery._settle(encoder, index, keep)
        except BaseException:
            store.close()
            raise
        return gallery

    # settings

    def _settle(self, encoder: str | Encoder | None, index: str | None, keep: str | None) -> None:
        """Fix encoder and index of a new gallery, or see that what is asked agrees with an existing one."""
        settings = self._store.settings()
        if encoder is not None and not isinstance(encoder, str):
            self._models.encoder, self._models.given = encoder, True
        kept = self._store.gallery_encoder()
        # The gallery's own encoder is looked up when it is needed: names can be seen and forgotten without it.
        spec = EncoderSpec.parse(str(kept)) if kept and encoder is None else encoder_asked(encoder)[0]
        self.encoder_spec = spec
        if settings is not None:
            check_agreement(settings, spec, index, keep)
        else:
            self._new = new_settings(encoder, index, keep)

    def _settings(self) -> GallerySettings:
        settings = self._store.settings()
        if settings is None:
            raise GalleryNotFoundError(f"the gallery in {self._folder} is empty: enrol somebody first")
        return settings

    @property
    def threshold(self) -> float:
        """Similarity from which on a candidate is a match: the gallery's own, else the encoder's default."""
        settings = self._store.settings()
        if settings is not None and settings.threshold is not None:
            return settings.threshold
        if self._models.given and self._models.encoder is not None:
            return self._models.encoder.threshold
        return find_model(self.encoder_spec.model).threshold

    def set_threshold(self, threshold: float | None) -> None:
        """Keep another threshold with the gallery; None returns to the encoder's default."""
        self._settings()
        self._store.set_threshold(threshold)

    def calibration(self) -> Calibration | None:
        """What the threshold in force was calibrated on; None where it was set otherwise."""
        return in_force(self._store.calibration(), self._store.settings())

    def set_calibration(self, calibration: Calibration) -> None:
        """Keep a threshold together with what it was calibrated on."""
        self._settings()
        self._store.set_calibration(calibration)

    def outgrown(self) -> str | None:
        """Why the calibrated threshold no longer holds, in words; None while it does, or where there is none."""
        found = self.calibration()
        return outgrown(found, self.counts().templates) if found else None

    def _templater(self, threads: int | None = None) -> Templater:
        threads = self._models.threads if threads is None else threads
        if threads not in self._models.templaters:
            encoder = self._models.encoder
            if not self._models.given or encoder is None:
                encoder = load_encoder(str(self.encoder_spec), threads=threads, device=self._models.device)
                if self._models.device != "cpu":
                    _log.info("%s runs on %s", encoder.spec, encoder.device)
            self._models.templaters[threads] = Templater(encoder, min_face=self._min_face, threads=threads)
        return self._models.templaters[threads]

    # enrolment

    def enroll(self, identity: str, images: Iterable[Image]) -> EnrolmentReport:
        """Add photos of one person, files or pixels (h, w, 3) uint8 RGB.

        Photos enrolled already (by content) are skipped, unusable ones rejected with the reason.
        """
        if isinstance(images, str | os.PathLike):
            images = [images]
        identity, photos = composed(identity), []
        for number, image in enumerate(images, start=1):
            if isinstance(image, np.ndarray):
                photos.append(Photo(identity, Path(f"pixels {number}"), image))
            else:
                photos.append(Photo(identity, Path(image)))
        return self.enroll_photos(photos)

    def enroll_photos(
        self,
        photos: Sequence[Photo],
        *,
        aligned: str | None = None,
        progress: Progress | None = None,
        committed: Callable[[Photo], None] | None = None,
        workers: int | None = None,
    ) -> EnrolmentReport:
        """Add photos of any number of people, on all cores (or `workers`).

        Args:
            aligned: the photos are crops of this kind already; nothing is detected.
            progress: called with (photos done, photos in all).
            committed: called for each photo once its template is safely stored.
        """
        if not photos:
            return EnrolmentReport()
        templater = self._templater(threads=1)
        if aligned is not None:
            templater.check_aligned(aligned)
        key = key_of(templater.encoder)
        settings = self._configured(key)
        report = enrol_photos(
            self._store,
            templater,
            key,
            self._codecs.find(settings.codec),
            photos,
            aligned=aligned,
            progress=progress,
            committed=committed,
            workers=workers,
            worker_encoder=str(self.encoder_spec) if self._has_workers() else None,
        )
        if report.templates:
            self._store.audit("enroll", detail={"templates": report.templates, "rejected": len(report.rejected)})
        self._enrolled(report)
        return report

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

        Args:
            identities: whose each of them is.
            sources: what to note as the place each comes from; default "template 1" and so on.
            progress: called with (templates done, templates in all).
            committed: called with the row of each template once it is safely stored; a batch at a time.

        Templates enrolled already (by content) are skipped; those of another length, and names that nobody can have,
        are rejected. Raises `UsageError` for arrays of the wrong shape.
        """
        key = self._encoder_key()
        settings = self._configured(key)
        report = enrol_templates(
            self._store,
            key,
            self._codecs.find(settings.codec),
            settings.dimension,
            identities,
            templates,
            sources=sources,
            progress=progress,
            committed=committed,
        )
        self._enrolled(report)
        return report

    def _encoder_key(self) -> EncoderKey:
        """The gallery's encoder as templates remember it; raises `UnknownEncoderError`. Loads no weights."""
        if self._models.given and self._models.encoder is not None:
            return key_of(self._models.encoder)
        kept, spec = self._store.gallery_encoder(), self.encoder_spec
        if kept is not None and str(kept) == str(spec):
            return kept
        model = find_model(spec.model)
        return EncoderKey(spec.model, spec.precision, spec.backend, model.fingerprint(model.variant(spec)))

    def _configured(self, key: EncoderKey) -> GallerySettings:
        settings = self._store.settings() or self._started(key)
        if settings.model != key.model:  # another process started this gallery with another model meanwhile
            raise EncoderMismatchError(f"this gallery holds templates of {settings.model}, not of {key.model}")
        return settings

    def _enrolled(self, report: EnrolmentReport) -> None:
        if report.templates or self._store.index_state() is None:  # None also after an interrupted enrolment
            self._projection.save()

    def _started(self, key: EncoderKey) -> GallerySettings:
        """Fix the settings of a new gallery; codes that need none of its templates are stored from the first one on."""
        return self._store.configure(replace(self._new, codec=self._codecs.started(self._new)), key)

    def _has_workers(self) -> bool:
        """Whether processes may share the work: each loads the encoder by name, and an accelerator is for one."""
        return not self._models.given and self._models.device == "cpu"

    # questions

    def identify(self, image: Image, k: int = 5, *, threshold: float | None = None) -> FaceAnswer:
        """Who is the most prominent person in a photo? Up to k candidates, best first.

        Raises `RejectedImageError` if the photo cannot be used, `GalleryNotFoundError` for an empty gallery.
        """
        return self.identify_faces(image, k, threshold=threshold, everyone=False)[0]

    def identify_faces(
        self,
        image: Image,
        k: int = 5,
        *,
        threshold: float | None = None,
        everyone: bool = True,
        aligned: str | None = None,
        fused: bool = False,
        watch: Stopwatch | None = None,
    ) -> list[FaceAnswer]:
        """Who is everyone in a photo (or the most prominent person)? One answer per face, largest face first.

        fused: compare with one fused template per person instead of all templates.
        """
        answer = self.identify_photos(
            [image], k, threshold=threshold, everyone=everyone, aligned=aligned, fused=fused, watch=watch
        )[0]
        if isinstance(answer, RejectedImageError):
            raise answer
        return answer

    def identify_photos(
        self,
        images: Sequence[Image],
        k: int = 5,
        *,
        threshold: float | None = None,
        everyone: bool = True,
        aligned: str | None = None,
        fused: bool = False,
        watch: Stopwatch | None = None,
        progress: Progress | None = None,
    ) -> list[list[FaceAnswer] | RejectedImageError]:
        """The same of many photos, whose faces are searched for as one batch; for a photo that cannot be used, why."""
        if k < 1:
            raise UsageError(f"k is {k}, at least one candidate has to be asked for")
        self._settings()
        faces: list[list[FaceTemplate] | RejectedImageError] = []
        for done, image in enumerate(images, start=1):
            try:
                faces.append(templates_of(self._templater(), image, everyone=everyone, aligned=aligned, watch=watch))
            except RejectedImageError as error:
                faces.append(error)
            if progress:
                progress(done, len(images))
        probes = [face for found in faces if not isinstance(found, RejectedImageError) for face in found]
        start = time.perf_counter()
        ranked = iter(self.search(np.stack([face.template for face in probes]), k, fused=fused) if probes else [])
        if watch:
            watch.add("search", start)
        limit = self.threshold if threshold is None else threshold
        return [
            found
            if isinstance(found, RejectedImageError)
            else [FaceAnswer(face.box, limit, tuple(next(ranked))) for face in found]
            for found in faces
        ]

    def verify(self, a: Image, b: Image, *, threshold: float | None = None, aligned: str | None = None) -> Verification:
        """Do two photos show the same person? Nothing has to be enrolled.

        Raises `RejectedImageError` naming the photo that cannot be used.
        """
        limit = self.threshold if threshold is None else threshold
        return verify(self._templater(), a, b, limit, aligned=aligned)

    def template(self, image: Image) -> npt.NDArray[np.float32]:
        """The template (dimension,) float32 of the most prominent person in a photo, which is not enrolled."""
        return templates_of(self._templater(), image, everyone=False)[0].template

    def search(self, templates: npt.NDArray[np.float32], k: int = 5, *, fused: bool = False) -> list[list[Candidate]]:
        """Up to k candidates per template of `templates` (m, dimension) float32, best first; all as one batch."""
        self._settings()
        with search_threads(self._models.threads):
            if fused:
                return self._fused.search(templates, k)
            return nearest_identities(self._store, self._projection, templates, k)

    # identities

    def identities(self) -> list[IdentitySummary]:
        """Everybody enrolled, by name."""
        return self._store.identities()

    def identity(self, name: str) -> tuple[IdentitySummary, list[TemplateInfo]]:
        """One identity and what is stored of it; raises `UnknownIdentityError`."""
        name = composed(name)
        return self._store.identity(name), self._store.template_infos(name)

    def rename(self, old: str, new: str) -> None:
        """Raises `UnknownIdentityError`, and `IdentityExistsError` if `new` is taken."""
        self._store.rename(composed(old), composed(new))

    def merge(self, source: str, target: str) -> int:
        """Give all templates of `source` to `target`; returns how many."""
        return self._store.merge(composed(source), composed(target))

    def forget(self, identity: str) -> Receipt:
        """Take a person out: of the answers at once, of database and index file durably.

        Raises `UnknownIdentityError`.
        """
        identity = composed(identity)
        person = self._store.identity(identity)  # raises before anything is touched
        backups = tuple(self._store.backups_with(person.id))
        self._projection.discard_file()
        removed = self._store.forget(identity)
        rewritten = False
        try:
            rewritten = self._projection.save(force=True)
        except (IndexStateError, StoreError) as error:  # the person is gone all the same
            _log.warning("%s; the old one is deleted, facesearch index build writes a new one", error)
        self._projection.remove_strays()
        try:
            wiped = self._store.checkpoint()
        except StoreError as error:  # as on a full disk
            _log.warning("%s; old pages stay in the log until facesearch gallery compact", error)
            wiped = False
        return Receipt(identity, len(removed.template_ids), removed.images, rewritten, wiped, int(time.time()), backups)

    # index and state

    def build_index(
        self,
        kind: str | None = None,
        *,
        keep: str | None = None,
        relearn: bool = False,
        progress: Progress | None = None,
    ) -> None:
        """Build the index anew, as `kind` if given, from the stored templates; nothing is encoded again.

        Args:
            keep: what is kept of the templates beside the codes of the kind (`fp32`, `fp16`, `int8`, `none`); default:
                none, so that they are stored as those codes (flat: fp32, sq8: int8). Going down rounds for good.
            relearn: learn the codebook of stored codes from this gallery anew, and code all templates with it.

        Raises `UsageError` for an unknown kind or codec, `IndexStateError` where there are too few templates to train.
        """
        settings = self._settings()
        wanted = kind or settings.index_kind
        check_kind(wanted, settings.dimension)
        codec = self._codecs.chosen(
            settings, wanted, keep, self._projection.training_sample, changed=kind is not None, relearn=relearn
        )
        recoded = codec != settings.codec or self._store.codecs() - {codec} != set()
        if recoded:
            self._store.recode(partial(self._codecs.recoded, codec, settings.dimension), codec)
        if (wanted, codec) != (settings.index_kind, settings.codec):
            self._store.set_index_kind(wanted, codec)
        self._projection.rebuild(progress)
        self._projection.remove_strays()
        self._store.remove_unused_codebooks()
        if recoded:
            self._store.vacuum()  # the freed bytes go back to the disk
        else:
            self._store.checkpoint()  # nor does the log keep what a forgotten person left in it

    def check(self) -> list[str]:
        """What is wrong with database, index file and their agreement, in words; empty if all is well."""
        return self._store.integrity_check() or self._projection.problems()

    # upkeep

    def backup(
        self, path: str | os.PathLike[str], *, overwrite: bool = False, progress: Progress | None = None
    ) -> BackupReport:
        """Write the gallery as it is at this moment into one file, while others go on using it.

        progress: called with (bytes done, bytes in all), once for the copy and once for the file.
        Raises `UsageError` for a file that is there (unless `overwrite`), `BackupError`.
        """
        return back_up(self._store, self._folder, Path(path), overwrite=overwrite, progress=progress)

    @staticmethod
    def restore(
        path: str | os.PathLike[str],
        folder: str | os.PathLike[str],
        *,
        replace: bool = False,
        progress: Progress | None = None,
    ) -> RestoreReport:
        """Put the gallery that `backup` wrote into a folder that is empty or not there, or, with `replace`, in place of
        the gallery in it. It is there whole or not at all, and answers as the one that was backed up did.

        Raises `UsageError` for a folder with other things in it, `StoreBusyError` for a gallery in use, `BackupError`.
        """
        return restore(Path(path), Path(folder), replace=replace, progress=progress)

    def compact(self) -> Compaction:
        """Give free space back to the disk: database and index file are written anew, nothing deleted is left."""
        self._settings()
        before = self._bytes_on_disk()
        self._projection.save(force=True)
        self._projection.remove_strays()
        wiped = self._store.vacuum()
        return Compaction(before, self._bytes_on_disk(), wiped)

    def _bytes_on_disk(self) -> int:
        return self._store.database_bytes() + self._projection.bytes_on_disk(strays=True)

    def counts(self) -> Counts:
        """Numbers of identities, templates and images."""
        return self._store.counts()

    def index_info(self) -> IndexInfo:
        """State of the index."""
        self._settings()
        return self._projection.info()

    def info(self) -> GalleryInfo:
        """Sizes and state."""
        settings = self._settings()
        counts = self._store.counts()
        return GalleryInfo(
            encoder=str(self._store.gallery_encoder()),
            index=settings.index_kind,
            codec=settings.codec,
            originals=originals_kept(settings.codec),
            threshold=self.threshold,
            identities=counts.identities,
            templates=counts.templates,
            database_bytes=self._store.database_bytes(),
            index_bytes=self._projection.bytes_on_disk(),
        )

    def close(self) -> None:
        self._store.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
