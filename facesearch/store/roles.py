"""What the rest of facesearch may ask of an identity store."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self

from facesearch.store.records import (
    AuditEvent,
    Calibration,
    Counts,
    EncoderKey,
    EvaluationRun,
    GallerySettings,
    IdentitySummary,
    IndexState,
    NewTemplate,
    Owner,
    Removal,
    Removed,
    TemplateInfo,
    TemplateOwners,
    Templates,
    Watermark,
)
from facesearch.store.sqlite.snapshot import Progress as SnapshotProgress
from facesearch.store.sqlite.state import Detail
from facesearch.store.sqlite.templates import Progress, Recode


class IdentityStore(Protocol):
    """Identities, their templates and the state of the index: the truth of which the index is a projection.

    Every method is one transaction and safe to call from several threads and processes. All raise `StoreError`, or
    `StoreBusyError` where another process kept the write lock for too long; after an error nothing is changed.
    """

    # settings

    def settings(self) -> GallerySettings | None:
        """The settings, None before the first enrolment."""
        ...

    def gallery_encoder(self) -> EncoderKey | None:
        """The encoder that the gallery was configured with."""
        ...

    def started_at(self) -> int | None:
        """When the gallery was configured (epoch seconds), None before."""
        ...

    def configure(self, settings: GallerySettings, encoder: EncoderKey) -> GallerySettings:
        """Fix the settings, once; returns the ones in force, which are another process's if that one was faster."""
        ...

    def set_index_kind(self, kind: str, codec: str) -> None:
        """Change the kind of the index and the codec of templates to come; the index state is cleared."""
        ...

    def set_threshold(self, threshold: float | None) -> None:
        """Change the cosine from which on a candidate is a match; None stands for the encoder's own."""
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

    # identities

    def identities(self) -> list[IdentitySummary]:
        """All identities, sorted by name."""
        ...

    def identity(self, name: str) -> IdentitySummary:
        """The identity of that name; raises `UnknownIdentityError` with names that look alike."""
        ...

    def template_infos(self, name: str) -> list[TemplateInfo]:
        """What is stored of an identity, by template id; raises `UnknownIdentityError`."""
        ...

    def rename(self, old: str, new: str) -> None:
        """Raises `UnknownIdentityError`, and `IdentityExistsError` if `new` is somebody else."""
        ...

    def merge(self, source: str, target: str) -> int:
        """Give all templates of `source` to `target`, remove `source`; returns how many were moved."""
        ...

    def forget(self, name: str) -> Removed:
        """Delete an identity, its templates and the images that only it used, and log the removals for the index.

        The rows are overwritten with zeros; copies in the write-ahead log go with the next `checkpoint`.
        """
        ...

    # templates

    def enrolled(self, sha256s: Sequence[bytes]) -> dict[bytes, str]:
        """The images (SHA-256 of their content) that are enrolled already, with the name of their identity."""
        ...

    def add_templates(
        self, batch: Sequence[NewTemplate], encoder: EncoderKey, codec: str, *, logged: bool = False
    ) -> list[int | None]:
        """Add templates, and the identities and images they need, all or none; with `logged`, log that in one go.

        Returns one id per entry of `batch`; None where the image is enrolled already, also by an earlier entry.
        Raises `UsageError` for a name that an identity cannot have.
        """
        ...

    def owners(self, template_ids: Sequence[int]) -> dict[int, Owner]:
        """Whose the templates are; ids that are not (or no longer) stored are left out."""
        ...

    def templates(self, after_id: int = 0, batch: int = 4096) -> Iterator[Templates]:
        """All templates with ids above `after_id`, ordered by id. No transaction is open between two batches."""
        ...

    def template_owners(self) -> TemplateOwners:
        """Whose all templates are, and their qualities, by template id."""
        ...

    def codes(self, template_ids: Sequence[int]) -> Templates:
        """The templates with these ids, in this order; ids that are not stored are left out."""
        ...

    def removals(self, after_id: int = 0) -> list[Removal]:
        """The log of templates taken out, from the entry after `after_id` on."""
        ...

    def counts(self) -> Counts:
        """Numbers of identities, templates and images."""
        ...

    def watermark(self) -> Watermark:
        """The highest template and removal ids ever committed."""
        ...

    def codecs(self) -> set[str]:
        """The codecs that templates are stored in; more than the gallery's own while some are not coded anew."""
        ...

    def recode(self, fn: Recode, codec: str, progress: Progress | None = None) -> int:
        """Encode every template that is in another codec anew, in place and all or none; make `codec` the gallery's.

        Args:
            fn: (codes, their codec) -> as many codes in the new codec.
            progress: called with (templates done, templates in all).

        Returns the number of templates. The index state is cleared.
        """
        ...

    # codebooks

    def add_codebook(self, kind: str, content: bytes, origin: str) -> str:
        """Store a codebook of codes of that kind, or find the same one; returns the codec that it makes.

        origin: where it was learnt, in words.
        """
        ...

    def codebook(self, codec: str) -> tuple[bytes, str]:
        """Content and origin of the codebook of a codec; raises `StoreError` if it is missing or damaged."""
        ...

    def remove_unused_codebooks(self) -> int:
        """Delete codebooks that neither a template nor the gallery's codec names; returns how many."""
        ...

    # index

    def index_state(self) -> IndexState | None:
        """The index file that is valid, None if it has to be built."""
        ...

    def set_index_state(self, state: IndexState) -> bool:
        """Record an index file, unless it is overtaken: False where a stored one covers later changes, or where the
        gallery meanwhile has another index kind or codec."""
        ...

    def clear_index_state(self) -> None:
        """Declare the index file invalid."""
        ...

    # log and evaluations

    def audit(self, action: str, identity_id: int | None = None, detail: Detail | None = None) -> None:
        """Log what was done. `detail` holds counts and ids, never names of people and never vectors."""
        ...

    def audit_events(self) -> list[AuditEvent]:
        """The log, oldest first."""
        ...

    def backups_with(self, identity_id: int) -> list[int]:
        """When backups were made (epoch seconds) that hold templates of this identity."""
        ...

    def record_run(self, command: str, dataset: str, dataset_sha256: str, versions: str, rows: str) -> EvaluationRun:
        """Store an evaluation; `versions` and `rows` are JSON texts."""
        ...

    def runs(self) -> list[EvaluationRun]:
        """The stored evaluations, oldest first."""
        ...

    # upkeep

    def checkpoint(self) -> bool:
        """Move the write-ahead log into the database and empty it, after readers are done.

        False where a reader (or writer) stayed longer than the time to wait, so that old content may still be there.
        """
        ...

    def vacuum(self) -> bool:
        """Rewrite the database without free pages, then `checkpoint`; returns what that does."""
        ...

    def snapshot(self, target: Path, progress: SnapshotProgress) -> None:
        """Copy the database as it is at one moment into a new file, while others go on; not synchronised."""
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
