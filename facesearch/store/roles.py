"""What the rest of facesearch may ask of a store: one small role for each thing that is kept.

Every method is one transaction and safe to call from several threads and processes. All raise `StoreError`, or
`StoreBusyError` where another process kept the write lock for too long; after an error nothing is changed.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from types import TracebackType
from typing import Literal, Protocol, Self

import numpy as np
import numpy.typing as npt

from facesearch.store.moment_roles import Moment
from facesearch.store.published_roles import PublishedRole
from facesearch.store.records import (
    Attributes,
    AuditEvent,
    Calibration,
    Cohort,
    Counts,
    Detail,
    Discarded,
    EncoderKey,
    EnrolledPhoto,
    GallerySettings,
    IdentitySummary,
    Inbox,
    IndexState,
    KeptSuspect,
    LogPosition,
    Marked,
    Milestone,
    NegativeInfo,
    NewTemplate,
    Owner,
    Progress,
    Recode,
    Regrouping,
    Removed,
    TemplateInfo,
    Templates,
    Thinning,
)
from facesearch.store.shard import Shard
from facesearch.store.vector_roles import VectorsRole


class SettingsRole(Protocol):
    """What a gallery is fixed to, its threshold, and its encoders."""

    def read(self) -> GallerySettings | None:
        """The settings, None before the first enrolment."""
        ...

    def encoder(self) -> EncoderKey | None:
        """The encoder that the gallery was configured with."""
        ...

    def started_at(self) -> int | None:
        """When the gallery was configured (epoch seconds), None before."""
        ...

    def configure(self, settings: GallerySettings, encoder: EncoderKey) -> GallerySettings:
        """Fix the settings, once; returns the ones in force, which are another process's if that one was faster."""
        ...

    def set_threshold(self, threshold: float | None) -> None:
        """Change the score from which on a candidate is a match; None stands for the encoder's own."""
        ...

    def set_score(self, score: str) -> None:
        """Change what is compared with the threshold; one that was set for another score goes, with its calibration."""
        ...

    def set_quality(self, quality: str) -> None:
        """Change the profile that says which faces are enrolled and named."""
        ...

    def calibration(self) -> Calibration | None:
        """What the threshold was last calibrated on, whatever it is now; None where it never was."""
        ...

    def set_calibration(self, calibration: Calibration) -> None:
        """Set the threshold, and keep what it was calibrated on in place of an earlier calibration."""
        ...

    def encoder_id(self, encoder: EncoderKey) -> int:
        """The id of the encoder with this fingerprint, which is recorded if it is new."""
        ...


class IdentitiesRole(Protocol):
    """The people enrolled. Methods that take names raise `UnknownIdentityError`, with names that look alike."""

    def all(self) -> list[IdentitySummary]:
        """All identities, sorted by name."""
        ...

    def find(self, name: str) -> IdentitySummary:
        """The identity of that name."""
        ...

    def without_templates(self) -> int:
        """How many identities have no template, and are in no answer."""
        ...

    def templates(self, name: str) -> list[TemplateInfo]:
        """What is stored of an identity, by template id."""
        ...

    def rename(self, old: str, new: str) -> None:
        """Raises `IdentityExistsError` if `new` is somebody else, `UsageError` for a name that nobody can have."""
        ...

    def merge(self, sources: Sequence[str], target: str) -> int:
        """Give all templates of `sources` to `target`, remove `sources`; returns how many templates were moved."""
        ...

    def forget(self, names: Sequence[str], *, remember: bool = True, unknown: Collection[int] = ()) -> list[Removed]:
        """Delete identities, their templates and the images that only they used, all or none, and log the removals.
        `remember`: keep keyed hashes of these images, so that they are known when they come back. `unknown`: faces of
        the inbox that go with them.

        Index files that may hold them are declared invalid. The rows are overwritten with zeros; copies in the
        write-ahead log, and those that SQLite left where rows once stood, go with the next `wipe`.
        """
        ...


class GroupsRole(Protocol):
    """Tags and notes of people, and who is never to be named."""

    def change(
        self,
        name: str,
        *,
        tags: Sequence[str] = (),
        untag: Sequence[str] = (),
        note: str | None = None,
        ignored: bool | None = None,
    ) -> Attributes:
        """Add tags, take others away, replace the note ("" removes it), ignore or not; returns what is known then.

        Raises `UnknownIdentityError`, `UnknownTagError` for a tag to be taken away that the person does not have,
        `UsageError` for what cannot be a tag or a note.
        """
        ...


class TemplatesRole(Protocol):
    """The log of templates: what was added, in the order of ids, and what was taken out."""

    def enrolled(self, sha256s: Sequence[bytes]) -> dict[bytes, list[EnrolledPhoto]]:
        """The images (SHA-256 of their content) that are enrolled already, each with all of its templates, by id."""
        ...

    def add(
        self,
        batch: Sequence[NewTemplate],
        encoder: EncoderKey,
        codec: str,
        *,
        logged: str | None = None,
        by_place: bool = False,
    ) -> list[int | None]:
        """Add templates, and the identities and images they need, all or none. logged: as what to log that in one go.

        Returns one id per entry of `batch`; None where the image is enrolled already, also by an earlier entry, or
        `by_place` this face of it.
        Raises `UsageError` for a name that an identity cannot have, `OvertakenError` where the gallery stores its
        templates in another codec by now.
        """
        ...

    def batches(
        self, after_id: int = 0, until_id: int | None = None, batch: int = 4096, *, shard: Shard | None = None
    ) -> Iterator[Templates]:
        """All templates, or those of a shard, with ids above `after_id`, up to `until_id`, in their order. No
        transaction stays open between two batches."""
        ...

    def owners(self, template_ids: Sequence[int]) -> dict[int, Owner]:
        """Whose the templates are; ids that are not (or no longer) stored are left out."""
        ...

    def codes(self, template_ids: Sequence[int], *, aside: bool = False) -> Templates:
        """The templates with these ids, in this order; ids that are not stored are left out. aside: also those that are
        taken out or set aside."""
        ...

    def qualities(self, template_ids: Sequence[int]) -> dict[int, float]:
        """The quality of the face that each of them is of; ids that are not stored are left out."""
        ...

    def removed_since(self, removal_id: int) -> npt.NDArray[np.int64]:
        """Ids (n,) of the templates taken out after that entry of the log, in its order."""
        ...

    def milestones(self, last_id: int) -> tuple[Milestone, ...]:
        """What the log is known by for who knows its templates up to this one; for `holds`."""
        ...

    def holds(self, milestones: Sequence[Milestone]) -> bool:
        """Whether the log is the one that these are of, rather than one that an older copy goes on with."""
        ...

    def counts(self) -> Counts:
        """Numbers of identities, templates and images."""
        ...

    def position(self) -> LogPosition:
        """The last change ever committed."""
        ...

    def codecs(self) -> set[str]:
        """The codecs that templates are stored in; more than the gallery's own while some are not coded anew."""
        ...


class CorrectionsRole(Protocol):
    """Single templates: seen, moved to another person, set aside and put back."""

    def all(self, identity: str | None = None) -> list[TemplateInfo]:
        """All templates, or those of one identity, by id; those that are set aside come last."""
        ...

    def find(self, template_ids: Sequence[int]) -> list[TemplateInfo]:
        """Those with these ids, in this order, also where they are set aside; raises `UnknownTemplateError`."""
        ...

    def known(self, template_ids: Sequence[int]) -> dict[int, TemplateInfo]:
        """The same by id; ids that are not stored any more are left out."""
        ...

    def of_photo(self, path: Path) -> list[TemplateInfo]:
        """Those of the photo that was enrolled from this path, or from paths that end in it; raises
        `UnknownTemplateError` where there is none."""
        ...

    def within(self, folders: Collection[Path]) -> list[TemplateInfo]:
        """Those in use whose photos were enrolled from files in these folders (absolute), by id."""
        ...

    def once_called(self, names: Collection[str]) -> dict[str, str]:
        """Of these names, those that somebody had before being renamed or merged: what they are called now."""
        ...

    def aside(self, sha256s: Sequence[bytes]) -> dict[bytes, set[str]]:
        """Of these photos, those of which a template is set aside: whose it was."""
        ...

    def forgotten(self, sha256s: Sequence[bytes]) -> dict[bytes, int]:
        """Of these photos, those of people who were forgotten: when (epoch seconds)."""
        ...

    def rejected(self, sha256s: Sequence[bytes], pipeline: str) -> dict[bytes, str]:
        """Of these photos, those that a pipeline with this digest rejected for what they show: why."""
        ...

    def remember_rejected(self, reasons: Mapping[bytes, str], pipeline: str) -> None:
        """These photos, by the SHA-256 of their content, were rejected by that pipeline."""
        ...

    def told_before(self, told: Collection[tuple[bytes, str]], *, remember: bool) -> set[tuple[bytes, str]]:
        """Those of these rejections (SHA-256 of a photo's content, reason) that were told before; remember: the others
        count as told from now on."""
        ...

    def move(self, template_ids: Sequence[int], identity: str) -> int:
        """Give templates to an identity, which is created if it is new; returns how many were another's."""
        ...

    def relocate(self, template_id: int, path: str) -> None:
        """The photo of a template is at another path now."""
        ...

    def set_aside(self, template_ids: Sequence[int], *, keep: bool = False, stays_out: bool = False) -> int:
        """Take templates out of all answers, and keep them until `discard`, or beyond it; returns how many were in use.

        Of those that are set aside already, `keep` is changed. stays_out: their photos are known by keyed hashes when
        they come back, also after `discard`.
        """
        ...

    def put_back(self, template_ids: Sequence[int]) -> dict[int, int]:
        """Put templates that were set aside back, under new ids: old -> new. Raises `UsageError` where the same photo
        has been enrolled again."""
        ...

    def discard(self) -> int:
        """Delete for good what is set aside and not to be kept; returns how many templates."""
        ...

    def marked(self, sha256s: Sequence[bytes]) -> Marked:
        """Of these photos, those whose template was thinned out, or set aside to stay out and not put back: whose it
        was."""
        ...


class SuspicionsRole(Protocol):
    """Suspicions that were looked into and are none."""

    def all(self) -> set[KeptSuspect]:
        """All of them."""
        ...

    def add(self, kept: Collection[KeptSuspect]) -> int:
        """Remember these; returns how many are new. Of templates and people that are gone, none is remembered."""
        ...

    def remove_all(self) -> tuple[int, int]:
        """Remember none any more; returns how many there were, and how many of them damaged."""
        ...


class NegativesRole(Protocol):
    """Faces that are not a person's, so that they are not given the name again."""

    def all(self, identity: str | None = None) -> list[NegativeInfo]:
        """All, or those of one identity, by id; raises `UnknownIdentityError`.

        A face that is enrolled as the identity's own is none of them: whatever was said of it, it is theirs by now.
        """
        ...

    def add(
        self, identity: str, batch: Sequence[NewTemplate], encoder: EncoderKey, codec: str
    ) -> list[int | Literal["known", "own"]]:
        """Add faces that are not the identity's, and the images they need, all or none.

        Returns the id of each; "known" where it is there already, "own" where it is enrolled as the identity's. Raises
        `UnknownIdentityError`, and `OvertakenError` where the gallery stores its templates in another codec by now.
        """
        ...

    def remove(self, ids: Collection[int]) -> frozenset[bytes]:
        """Delete these; returns bytes by which copies of what was deleted are recognised (`GalleryStore.wipe`)."""
        ...


class ThinningRole(Protocol):
    """Templates deleted for good of people who stay; their photos are known by keyed hashes when they come back."""

    def thin(self, plans: Sequence[Thinning]) -> list[int]:
        """Delete what goes, with the images that nothing else uses, and log the removals; returns the ids of whom.

        Those whose templates are no longer exactly the ones of the plan are passed over. Index files that may hold what
        was deleted are declared invalid.
        """
        ...

    def count(self, identity: str) -> int:
        """How many photos of an identity these are; raises `UnknownIdentityError`."""
        ...


class UnknownRole(Protocol):
    """The inbox: faces that matched nobody enrolled, their clusters, and what was said of them."""

    def collected(self, sha256s: Sequence[bytes]) -> set[bytes]:
        """Of these photos, those that were looked at."""
        ...

    def add(
        self, batch: Sequence[NewTemplate], photos: Sequence[bytes], encoder: EncoderKey, codec: str
    ) -> list[int | None]:
        """Add faces of nobody known, and the images they need, and remember the photos looked at, all or none.

        Returns the id of each; None where the face is there or enrolled already. Raises `OvertakenError` where the
        gallery stores its templates in another codec by now.
        """
        ...

    def count(self) -> tuple[int, int]:
        """Numbers of faces and of clusters."""
        ...

    def inbox(self) -> Inbox:
        """All that is there, at one moment."""
        ...

    def regroup(self, before: Inbox, change: Regrouping) -> list[int]:
        """Change clusters and what was said, all or none; returns the numbers of `change.groups`. A cluster that loses
        its last face is gone, and its number is not given again.

        Raises `OvertakenError` where another process has changed faces, clusters or pairs since `before`; faces that
        were only added do not count.
        """
        ...

    def name(self, faces: Collection[int], identity: str, *, ignored: bool = False) -> list[int]:
        """Enrol faces as an identity, which is created if it is new (`ignored`: never to be named), and take them out
        of the inbox; returns the ids of their templates.

        A face that is enrolled as the identity's already only leaves the inbox. Raises `OvertakenError` for faces that
        are gone, `UsageError` for one that is enrolled as another identity's, and for what cannot be a name.
        """
        ...

    def discard(self, faces: Collection[int] | None = None) -> Discarded:
        """Delete faces, or all, for good; ids that are not there are left out."""
        ...


class RecodingRole(Protocol):
    """Changing how templates are stored and searched."""

    def switch(
        self,
        kind: str,
        codec: str,
        recode: Recode,
        state: IndexState | None = None,
        progress: Progress | None = None,
    ) -> int:
        """Make `kind` and `codec` the gallery's, and encode every template that is in another codec anew, in place;
        all or none.

        Args:
            recode: (codes, their codec) -> as many codes in the new codec.
            state: the index files that are valid from then on; None clears what was recorded.
            progress: called with (templates done, templates in all).

        Returns the number of templates that were encoded anew. Raises `OvertakenError` where the codec's codebook has
        been removed, or where a template was taken out that the index files hold.
        """
        ...


class CodebooksRole(Protocol):
    """What the codes of an index kind are read with."""

    def add(self, kind: str, content: bytes, origin: str) -> str:
        """Store a codebook of codes of that kind, or find the same one; returns the codec that it makes.

        origin: where it was learnt, in words.
        """
        ...

    def read(self, codec: str) -> tuple[bytes, str]:
        """Content and origin of the codebook of a codec; raises `StoreError` if it is missing or damaged."""
        ...

    def remove_unused(self) -> int:
        """Delete codebooks that neither a template nor the gallery's codec names; returns how many."""
        ...


class CohortRole(Protocol):
    """People who are not enrolled, whom probes are compared with; one cohort or none."""

    def read(self) -> Cohort | None:
        """The cohort, None without one; raises `StoreError` if it is damaged."""
        ...

    def replace(self, templates: npt.NDArray[np.float32], source: str) -> None:
        """Keep templates (n, dimension) in place of an earlier cohort; none removes it. A calibration of scores that
        depend on it is forgotten."""
        ...

    def remove(self, rows: Sequence[int]) -> int:
        """Take these rows out of the cohort; returns how many."""
        ...


class IndexStateRole(Protocol):
    """Which index files are valid."""

    def read(self) -> IndexState | None:
        """The index files that are valid, None if the index has to be built."""
        ...

    def agrees(self, state: IndexState) -> bool:
        """Whether the log is the one that recorded files are of: see `TemplatesRole.holds`."""
        ...

    def is_recorded(self) -> bool:
        """Whether index files have been recorded, also where that record is damaged or its files were taken away."""
        ...

    def replace(self, old: IndexState | None, new: IndexState) -> bool:
        """Record index files in place of what `read` gave; False, and nothing is changed, where another process has
        recorded others or taken out a template that the new ones hold, or where the gallery has another kind or
        codec."""
        ...

    def discard_files(self, file_names: Collection[str]) -> None:
        """Declare these files invalid; their segments stay, to be built from the store."""
        ...


class AuditRole(Protocol):
    """What was done to the gallery."""

    def add(
        self, action: str, identity_id: int | None = None, detail: Detail | None = None, *, at: int | None = None
    ) -> None:
        """Log what was done, `at` a time (epoch seconds) or now. `detail` holds counts and ids, never names of people
        and never vectors."""
        ...

    def events(self) -> list[AuditEvent]:
        """The log, oldest first."""
        ...

    def copies_with(self, identity_id: int, action: str) -> list[int]:
        """When a "backup" or an "export" was made (epoch seconds) that may hold templates in use of this identity."""
        ...

    def copies_since(self, at: int | None, action: str) -> list[int]:
        """When a "backup" or an "export" was made (epoch seconds), of those made at a time or later; None: never."""
        ...


class Listener(Protocol):
    """Hears of changes of a gallery; for one thread, but for `wake`."""

    def wait(self, seconds: float) -> None:
        """Wait until something was changed, or was since the last time, or until `wake`, but no longer than so many
        seconds. Raises `StoreUnreachableError`."""
        ...

    def wake(self) -> None:
        """End a wait, of another thread."""
        ...

    def close(self) -> None: ...


class GalleryStore(Protocol):
    """The truth of a gallery, of which the index is a projection: its roles, and what concerns the whole."""

    @property
    def outlived(self) -> bool:
        """Whether the server is no longer the one that the store was opened on; it has to be opened anew."""
        ...

    @property
    def settings(self) -> SettingsRole: ...

    @property
    def identities(self) -> IdentitiesRole: ...

    @property
    def groups(self) -> GroupsRole: ...

    @property
    def templates(self) -> TemplatesRole: ...

    @property
    def corrections(self) -> CorrectionsRole: ...

    @property
    def suspicions(self) -> SuspicionsRole: ...

    @property
    def negatives(self) -> NegativesRole: ...

    @property
    def thinning(self) -> ThinningRole: ...

    @property
    def unknown(self) -> UnknownRole: ...

    @property
    def recoding(self) -> RecodingRole: ...

    @property
    def codebooks(self) -> CodebooksRole: ...

    @property
    def cohort(self) -> CohortRole: ...

    @property
    def index_state(self) -> IndexStateRole: ...

    @property
    def audit(self) -> AuditRole: ...

    @property
    def vectors(self) -> VectorsRole | None:
        """None where the database cannot be searched."""
        ...

    @property
    def published(self) -> PublishedRole | None:
        """None where no other machines may use the gallery."""
        ...

    def listener(self) -> Listener | None:
        """Hears of changes as they are committed, by whomever; None where a look costs as little. Raises
        `StoreUnreachableError`."""
        ...

    def moment(self) -> AbstractContextManager[Moment]:
        """A transaction that sees one moment; to be left soon, because what is deleted stays in the log until then."""
        ...

    def known_as(self) -> str:
        """Words that no other gallery has: where it is, or what it was given at its beginning."""
        ...

    def incarnation(self) -> str:
        """The same for the gallery as it is on its server: a copy of the database has others, and so has what another
        server that took over goes on with."""
        ...

    def checkpoint(self) -> bool:
        """Move the write-ahead log into the database and empty it, after readers are done.

        False where a reader (or writer) stayed longer than the time to wait, so that old content may still be there.
        """
        ...

    def wipe(self, traces: Collection[bytes]) -> bool:
        """Leave no copy of what was deleted in any file: `checkpoint`, and `vacuum` where the database still holds one
        of the traces (see `Removed`). False where `checkpoint` gives that, or others kept it from being done."""
        ...

    def vacuum(self) -> bool:
        """Rewrite the database without free pages, then `checkpoint`; returns what that does."""
        ...

    def snapshot(self, target: Path, progress: Progress) -> None:
        """Write the database as it is at one moment into a new file, while others go on; not synchronised.

        Nothing that was deleted is in it. Raises also OSError, where the file cannot be written."""
        ...

    def integrity_check(self) -> list[str]:
        """Problems of the database, in words; empty if it is sound."""
        ...

    def database_bytes(self) -> int:
        """Size of the database with its write-ahead log."""
        ...

    def close(self) -> None: ...

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...
