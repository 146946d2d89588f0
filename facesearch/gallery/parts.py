"""What an open gallery is made of; `facesearch.gallery.gallery` is the façade in front of it."""

from __future__ import annotations

import logging
import math
import os
import threading
import time
from dataclasses import dataclass, replace
from pathlib import Path

from facesearch.codecs.gallery_codecs import GalleryCodecs
from facesearch.encoders import Encoder, EncoderSpec, find_model
from facesearch.errors import (
    EncoderMismatchError,
    FacesearchError,
    GalleryNotFoundError,
    IndexStateError,
    StoreError,
    StoreUnreachableError,
    UnknownEncoderError,
    UsageError,
)
from facesearch.gallery import arguments
from facesearch.gallery.agreement import NewGallery, check_agreement, encoder_asked, key_of
from facesearch.gallery.consistency import NOW, Consistency
from facesearch.gallery.database_view import DatabaseSearch
from facesearch.gallery.folder import keep_private
from facesearch.gallery.following import Following
from facesearch.gallery.fused_index import FusedIndex
from facesearch.gallery.groups import Groups
from facesearch.gallery.index_writing import IndexWriter
from facesearch.gallery.left_out import Negatives
from facesearch.gallery.likeness import Scale
from facesearch.gallery.place import Place, opened, opened_away
from facesearch.gallery.ranking import Ranking
from facesearch.gallery.replica import Held, QuestionMoment, ReplicaMoment
from facesearch.gallery.replica_file import Header, Saved, SavedCodebooks, age_of, load, remove_before, remove_expired
from facesearch.gallery.saved_view import saved_view
from facesearch.gallery.scoring import COSINE, NORMALISED, Rule
from facesearch.gallery.sharded_search import ShardedSearch
from facesearch.gallery.sources import FollowingSource, Source, StoreSource
from facesearch.gallery.template_index import TemplateIndex
from facesearch.gallery.view import Searchable
from facesearch.pipeline.fit_to_enrol import Quality, quality_profile
from facesearch.pipeline.pipeline import Pipeline
from facesearch.pipeline.pipeline_spec import PipelineSpec
from facesearch.pipeline.sessions import shared_pipeline
from facesearch.pipeline.workers import Workers
from facesearch.store import IN_A_FOLDER, Cohort, EncoderKey, GallerySettings, GalleryState, SqlStore

_log = logging.getLogger("facesearch")

PROJECTION = "projection"
DATABASE = "database"
SEARCHES = (PROJECTION, DATABASE)

_BEYOND = 1.5  # how far beyond the threshold two photos of one person usually are, of what it is beyond different ones


@dataclass(frozen=True, slots=True)
class Opening:
    """How a gallery was asked to be opened; see `Gallery.open`."""

    place: Place
    encoder: str | Encoder | None
    index: str | None
    keep: str | None
    create: bool
    min_face: int
    quality: Quality | None
    device: str
    threads: int
    search: str = PROJECTION
    consistency: Consistency = NOW
    shards: tuple[str, ...] = ()

    @property
    def given_encoder(self) -> Encoder | None:
        """An encoder that was handed in, in place of a name."""
        return None if self.encoder is None or isinstance(self.encoder, str) else self.encoder


class Parts:
    """The parts of one open gallery, which know nothing of each other but what they are given here."""

    def __init__(self, opening: Opening) -> None:
        """Raises what `Gallery.open` raises."""
        self.opening = opening
        self.process = os.getpid()
        if self.in_database and isinstance(opening.place, Path):
            raise UsageError(IN_A_FOLDER)
        if opening.shards and (self.in_database or isinstance(opening.place, Path)):
            raise UsageError("shards are asked for a gallery on a server, in place of a search in the database")
        if not self.by_files and opening.consistency.follows:
            raise UsageError(
                "consistency and stale_for go with index files of this machine, not with searches in the database or "
                "in shards: leave out one or the other"
            )
        self.store, self.folder, saved = self._opened()
        self.source: Source = StoreSource(self.store)
        self.sharded: ShardedSearch | None = None
        try:
            books = self.store.codebooks
            self.codecs = GalleryCodecs(books if saved is None else SavedCodebooks(saved, books))
            self.index = TemplateIndex(self.store, self.codecs, self.folder)
            self.writer = IndexWriter(self.store, self.codecs, self.index, keeps_files=self.by_files)
            if self.store.on_server and opening.consistency.follows:
                self.source = self._following(saved)
            if self.store.vectors is not None:
                self.store.vectors.decode_with(self.codecs.decode)
                if self.in_database:
                    self.store.vectors.require()
            self.encoder_spec = self._settled()
            if not self.store.read_only and isinstance(opening.place, Path):
                keep_private(opening.place)
            if opening.shards:
                self.sharded = ShardedSearch(opening.shards, self.store.incarnation())
        except BaseException:
            self.close()
            raise
        self.database = DatabaseSearch(self.index.builder, self.codecs) if self.in_database else None
        self.fused = FusedIndex(self.codecs)
        self.ranking = Ranking()
        self.groups = Groups()
        self.negatives = Negatives(self.codecs)
        self.scales: dict[tuple[object, ...], Scale] = {}  # what is usual in the gallery; the last one alone
        self._own: dict[tuple[Quality, int], Pipeline] = {}  # for an encoder that was handed in: by number of threads
        self._loading = threading.Lock()
        self._usual: Rule | None = None  # for normalised scores, once it was needed
        self._cohort: Cohort | None = None  # as last read
        self._removal = -1  # the last one that a question knew of

    def reopened(self) -> Parts:
        """The same in this process, which was forked; raises `FacesearchError` for an encoder that was handed in."""
        if self.opening.given_encoder is not None:
            raise FacesearchError(
                "this gallery was opened before the process was forked, with an encoder that works in its parent only: "
                "open it anew with Gallery.open"
            )
        return Parts(self.opening)

    def close(self) -> None:
        """Let go of the database and of what was opened for searching."""
        self.source.close()
        self.store.close()
        self.index.forget_view()
        if self.sharded is not None:
            self.sharded.close()

    @property
    def in_database(self) -> bool:
        """Whether searches are done by the database."""
        return self.opening.search == DATABASE

    @property
    def by_files(self) -> bool:
        """Whether searches are done by index files of this machine."""
        return not self.in_database and not self.opening.shards

    def searchable(self, moment: QuestionMoment, state: GalleryState) -> Searchable | None:
        """What a search at a moment looks at; None where the index has to be opened first, see `TemplateIndex.at`."""
        if isinstance(moment, ReplicaMoment):
            return moment.view
        if self.store.on_server and state.position.last_removal_id > self._removal:
            self._removal = state.position.last_removal_id
            remove_before(self.folder, self._removal)
        searched = self.database or self.sharded or self.index
        return searched.at(moment, state)

    def open_index(self) -> None:
        """Open what is searched, where it is here: `open_files`."""
        if self.sharded is None:
            self.open_files()

    def open_files(self) -> None:
        """See `TemplateIndex.open`. Where others added much to a gallery on a server, that is written to this machine's
        files, so that the next process need not fetch it again."""
        self.index.open()
        if self.store.on_server:
            try:
                self.writer.keep_up()
            except (IndexStateError, StoreError, OSError) as error:  # answers do not need the files
                _log.info("the index files of this machine were not written: %s", error)

    def save_after_adding(self) -> None:
        """Bring what searches need up to templates that were just added: the index files, where that is worth it, and
        a graph in the database, where it is large by now. Where that fails, a warning says so."""
        self.writer.save_after()
        if self.store.vectors is not None:
            try:
                self.store.vectors.index_if_large()
            except StoreError as error:
                _log.warning("this is done, but searches in the database go on comparing all vectors: %s", error)

    # settings

    def settings(self) -> GallerySettings:
        """Raises `GalleryNotFoundError` before the first enrolment."""
        settings = self.source.settings()
        if settings is None:
            raise self.empty()
        return settings

    @property
    def shown(self) -> str:
        """Where the gallery is, as people are told: a folder, or a URL without a password."""
        place = self.opening.place
        return str(place) if isinstance(place, Path) else self.store.transactions.where

    def empty(self) -> GalleryNotFoundError:
        """The error for a gallery that holds nobody yet."""
        return GalleryNotFoundError(f"the gallery in {self.shown} is empty: enrol somebody first")

    def configured(self, key: EncoderKey) -> GallerySettings:
        """The settings; those of a new gallery are fixed now, to templates of the encoder `key`."""
        settings = self.store.settings.read()
        if settings is None:
            wanted = self._checked_new()
            fixed = replace(wanted.settings(self.codecs), quality=self.spec.quality)
            settings = self.store.settings.configure(fixed, key)
        if settings.model != key.model:  # another process started this gallery with another model meanwhile
            raise EncoderMismatchError(f"this gallery holds templates of {settings.model}, not of {key.model}")
        return settings

    def dimension(self) -> int:
        """Of templates: the gallery's, or that of the encoder that a new one is asked for; nothing is written."""
        settings = self.store.settings.read()
        if settings is not None:
            return settings.dimension
        return self._checked_new().dimension

    def encoder_key(self) -> EncoderKey:
        """The gallery's encoder as templates remember it; raises `UnknownEncoderError`. Loads no weights."""
        given = self.opening.given_encoder
        if given is not None:
            return key_of(given)
        kept, spec = self.store.settings.encoder(), self.encoder_spec
        if kept is not None and str(kept) == str(spec):
            return replace(kept, pipeline="")
        model = find_model(spec.model)
        return EncoderKey(spec.model, spec.precision, spec.backend, model.fingerprint(model.variant(spec)))

    def threshold(self, settings: GallerySettings | None) -> float:
        """Score from which on a candidate is a match: the gallery's own, else the encoder's default."""
        if settings is not None and settings.threshold is not None:
            return settings.threshold
        given = self.opening.given_encoder
        return given.threshold if given is not None else find_model(self.encoder_spec.model).threshold

    def threshold_of(self, settings: GallerySettings | None, score: str | None) -> float:
        """The same where another score is asked for: then the gallery's own threshold does not hold."""
        own = score is None or settings is None or score == settings.score
        return self.threshold(settings if own else None)

    def rule(self, settings: GallerySettings, cohort: int | None, score: str | None = None) -> Rule:
        """How the gallery decides, with the cohort of that id; score: in place of the gallery's.

        Raises `UsageError` for normalised scores of an encoder whose background is not known.
        """
        if (score or settings.score) == COSINE:
            return Rule(None)
        if self._usual is None:
            self._usual = Rule.asked(self.encoder_spec.model, NORMALISED)
        usual, held = self._usual, self._cohort
        if cohort is None:
            return usual
        if held is None or held.id != cohort:
            held = self._cohort = self.source.cohort()
        return replace(usual, cohorts=(*usual.cohorts, held.templates)) if held else usual

    def known_threshold(self, settings: GallerySettings) -> float | None:
        """The same; None where it is the default of an encoder that is not installed here."""
        try:
            return self.threshold(settings)
        except UnknownEncoderError:
            return None

    def usual_similarities(self, settings: GallerySettings) -> Scale:
        """What similarities of two people, and of one, are for the encoder, as far as its threshold tells."""
        threshold = self.known_threshold(settings)
        usual = Rule.asked(self.encoder_spec.model, None).background
        different = 0.0 if usual is None else usual.of_two
        middle = 0.4 if threshold is None else threshold
        return Scale(different, min(different + _BEYOND * (middle - different), (1.0 + middle) / 2))

    # photos

    def pipeline(self, threads: int | None = None) -> Pipeline:
        """What turns photos into templates; threads: that one call may use, by default those asked for at opening."""
        opening, spec = self.opening, self.spec
        count = opening.threads if threads is None else threads
        given = opening.given_encoder
        if given is None:
            return shared_pipeline(str(self.encoder_spec), spec, threads=count, device=opening.device)
        with self._loading:
            key = (spec.quality, count)
            if key not in self._own:
                self._own[key] = Pipeline(given, spec, threads=count)
            return self._own[key]

    @property
    def spec(self) -> PipelineSpec:
        """How photos become templates: as was asked at opening, with the gallery's profile of quality or another."""
        opening = self.opening
        if opening.quality is not None:
            return PipelineSpec(min_face=opening.min_face, quality=opening.quality)
        settings = self.source.settings()
        usual = PipelineSpec(min_face=opening.min_face)
        return usual if settings is None else replace(usual, quality=quality_profile(settings.quality))

    def workers(self, count: int | None, cluster: str | None = None) -> Workers:
        """Who looks at many photos: so many at once, None: one per core; an accelerator is for one process.

        cluster: the address of a Dask scheduler, whose workers do it. Raises `UsageError` for what is no count, and for
        a cluster where the encoder is not to be had by its name.
        """
        by_name = self.opening.given_encoder is None and self.opening.device == "cpu"
        if cluster is not None and not by_name:
            raise UsageError("a cluster loads the encoder by its name and runs it on processors: give no other")
        return Workers(None if count is None else arguments.count(count, "workers"), by_name, cluster)

    def _opened(self) -> tuple[SqlStore, Path, Saved | None]:
        """The store, this machine's folder of it, and what is known of a gallery whose server is away."""
        opening, stale_for = self.opening, self.opening.consistency.stale_for
        create = opening.create and self.by_files  # a gallery has to be made ready first
        try:
            store, folder = opened(opening.place, self._checked_new, create=create)
        except StoreUnreachableError as error:
            if stale_for is None:
                raise
            known = opened_away(opening.place)
            if known is None:
                raise StoreUnreachableError(
                    f"{error}; and nothing of it is kept here, as nobody asked with stale_for while it was there"
                ) from None
            return *known, load(known.folder)
        if store.on_server and stale_for is None:
            remove_expired(folder)
        return store, folder, None

    def _following(self, saved: Saved | None) -> FollowingSource:
        """What questions are asked of, of a gallery on a server that is followed; saved: while that is away."""
        kept_for, store = self.opening.consistency.stale_for, self.store
        header = None if kept_for is None else Header(self.shown, store.known, kept_for)
        following = Following(store, self.index.at, self.open_index, self.opening.consistency.look, self.folder, header)
        if saved is not None:
            view = saved_view(store, self.index.files, self.codecs, saved)
            held = Held(saved.replica, view, time.monotonic() - (age_of(self.folder) or math.inf))
            following.begin_away(held, saved.milestones)
        return FollowingSource(store, following, self.opening.consistency)

    def _checked_new(self) -> NewGallery:
        """What a new gallery is asked to be fixed to; raises `UsageError`."""
        opening = self.opening
        return NewGallery.asked(opening.encoder, opening.index, opening.keep)

    def _settled(self) -> EncoderSpec:
        """The encoder in use, after seeing that what is asked agrees with a gallery that is there."""
        opening = self.opening
        settings, kept = self.source.settings(), self.source.encoder()
        # The gallery's own encoder is looked up when it is needed: names can be seen and forgotten without it.
        use_kept = kept is not None and opening.encoder is None
        spec = EncoderSpec.parse(str(kept)) if use_kept else encoder_asked(opening.encoder)[0]
        if settings is not None:
            check_agreement(settings, spec, opening.index, opening.keep)
        else:
            self._checked_new()
        return spec
