"""A replica in a file beside the index files, so that a process that begins while the server is away can answer.

The file is one line of JSON, which names gallery and SHA-256 of the rest, and the rest: an `.npz` of NumPy, without
pickled objects. Its time of modification is when its content was last known to be the latest. It holds names, and the
codes of templates that the index files lack: it is private, and deleted when it is too old to be used.
"""

from __future__ import annotations

import hashlib
import io
import os
import time
import zipfile
from contextlib import suppress
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import msgspec
import numpy as np
import numpy.typing as npt

from facesearch.codecs.gallery_codecs import Codebooks
from facesearch.errors import StoreError
from facesearch.files.durable import write_atomically
from facesearch.gallery.replica import Replica
from facesearch.store import (
    Calibration,
    Cohort,
    EncoderKey,
    GallerySettings,
    GalleryState,
    LogPosition,
    Milestone,
    Negative,
    People,
    TemplateOwners,
    Templates,
)

NAME = "replica"
_FORMAT = 1
_MOST_HEADER = 1 << 16  # bytes


class Saved(NamedTuple):
    """What a file holds. tail: the templates with ids above `tail_after`; codebooks: content and origin by codec.
    milestones: what its log is known by."""

    replica: Replica
    tail_after: int
    tail: Templates
    codebooks: dict[str, tuple[bytes, str]]
    milestones: tuple[Milestone, ...]


class SavedCodebooks:
    """The codebooks of a replica; see `facesearch.codecs.gallery_codecs.Codebooks`. Others may be asked of a store."""

    def __init__(self, saved: Saved, others: Codebooks) -> None:
        self._saved, self._others = saved.codebooks, others

    def add(self, kind: str, content: bytes, origin: str) -> str:
        return self._others.add(kind, content, origin)

    def read(self, codec: str) -> tuple[bytes, str]:
        return self._saved.get(codec) or self._others.read(codec)


class Header(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """address: of the gallery, without a password. opened: what the store needs to be opened while its server is away.
    usable: seconds for which the content may be used after it was the latest. removal: the last one that it knows of;
    sha256 (hex): of the content."""

    address: str
    opened: dict[str, Any]
    usable: float
    removal: int = 0
    sha256: str = ""
    format: int = _FORMAT


class _About(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What of a replica is in no array; see `Replica` and `Saved`. cohort: its id and source; negatives: whose they are
    not, and their codecs; tail: codecs; codebooks: codecs and origins."""

    settings: GallerySettings
    position: LogPosition
    last_event: int | None
    last_negative: int | None
    encoder: EncoderKey | None
    calibration: Calibration | None
    cohort: tuple[int, str] | None
    names: list[str]
    tags: dict[int, tuple[str, ...]]
    negatives: list[tuple[int, str, str]]
    tail_after: int
    tail: list[str]
    codebooks: list[tuple[str, str]]
    milestones: tuple[Milestone, ...]


def save(folder: Path, header: Header, saved: Saved, age: float) -> int:
    """Write the file; age: seconds since the content was known to be the latest. Returns what `confirm` knows the file
    by. Raises OSError."""
    at, body = time.time() - age, _packed(saved)
    removal, sha256 = saved.replica.state.position.last_removal_id, hashlib.sha256(body).hexdigest()
    line = msgspec.json.encode(msgspec.structs.replace(header, removal=removal, sha256=sha256))

    def write(file: BinaryIO) -> int:
        file.write(line + b"\n" + body)
        file.flush()
        os.utime(file.fileno(), (at, at))
        return os.fstat(file.fileno()).st_ino

    return write_atomically(folder / NAME, write)


def confirm(folder: Path, written: int, age: float) -> bool:
    """Note that the content was the latest so many seconds ago; False where the file is not the one that was `written`:
    then that is not known of what it holds."""
    at = time.time() - age
    try:
        file = os.open(folder / NAME, os.O_RDONLY)
    except FileNotFoundError:
        return False
    try:
        same = os.fstat(file).st_ino == written
        if same:
            os.utime(file, (at, at))
        return same
    finally:
        os.close(file)


def header_of(folder: Path) -> Header | None:
    """What the file in a folder says of itself; None where there is none that this version reads."""
    try:
        with (folder / NAME).open("rb") as file:
            return _read_header(file.readline(_MOST_HEADER))
    except (OSError, msgspec.MsgspecError):
        return None


def age_of(folder: Path) -> float | None:
    """Seconds since the content was known to be the latest; None where that cannot be told."""
    try:
        age = time.time() - (folder / NAME).stat().st_mtime
    except OSError:
        return None
    return age if age >= 0 else None  # else the clock was set back


def load(folder: Path) -> Saved:
    """Raises `StoreError` where the file is damaged or cannot be read."""
    try:
        line, _, body = (folder / NAME).read_bytes().partition(b"\n")
        if hashlib.sha256(body).hexdigest() != _read_header(line).sha256:
            raise ValueError
        return _unpacked(body)
    except (OSError, ValueError, KeyError, msgspec.MsgspecError, zipfile.BadZipFile):
        raise StoreError(f"{folder / NAME} is damaged, so that nothing is known here of the gallery") from None


def remove(folder: Path) -> None:
    """Delete the file; raises OSError."""
    (folder / NAME).unlink(missing_ok=True)


def remove_before(folder: Path, removal: int) -> None:
    """Delete the file where it does not know of a removal that this machine knows of: it would name somebody whom the
    machine has known to be forgotten."""
    header = header_of(folder)
    if header is not None and header.removal < removal:
        with suppress(OSError):
            remove(folder)


def remove_expired(folder: Path) -> None:
    """Delete the file where it is too old to be used."""
    header = header_of(folder)
    if header is not None:
        age = age_of(folder)
        if age is None or age > header.usable:
            with suppress(OSError):
                remove(folder)


def _read_header(line: bytes) -> Header:
    header = msgspec.json.decode(line, type=Header)
    if header.format != _FORMAT:
        raise msgspec.ValidationError("of another version")
    return header


def _packed(saved: Saved) -> bytes:
    replica = saved.replica
    state, cohort = replica.state, replica.cohort
    about = _About(
        settings=state.settings,
        position=state.position,
        last_event=state.last_event,
        last_negative=state.last_negative,
        encoder=replica.encoder,
        calibration=replica.calibration,
        cohort=None if cohort is None else (cohort.id, cohort.source),
        names=replica.people.names,
        tags=replica.people.tags,
        negatives=[(each.identity_id, each.identity, each.codec) for each in replica.negatives],
        tail_after=saved.tail_after,
        tail=saved.tail.codecs,
        codebooks=[(codec, origin) for codec, (_, origin) in saved.codebooks.items()],
        milestones=saved.milestones,
    )
    arrays: dict[str, npt.NDArray[Any]] = {
        "about": np.frombuffer(msgspec.json.encode(about), np.uint8),
        "people": replica.people.ids,
        "ids": replica.owners.ids,
        "identity_ids": replica.owners.identity_ids,
        "qualities": replica.owners.qualities,
        "ignored": replica.ignored,
        "cohort": np.zeros((0, 0), np.float32) if cohort is None else cohort.templates,
        "tail": saved.tail.ids,
    }
    blobs = {
        "negative_codes": [each.code for each in replica.negatives],
        "tail_codes": saved.tail.codes,
        "codebook_contents": [content for content, _ in saved.codebooks.values()],
    }
    for name, parts in blobs.items():
        arrays[name] = np.frombuffer(b"".join(parts), np.uint8)
        arrays[f"{name}_sizes"] = np.array([len(part) for part in parts], np.int64)
    buffer = io.BytesIO()
    np.savez(buffer, allow_pickle=False, **arrays)
    return buffer.getvalue()


def _unpacked(body: bytes) -> Saved:
    with np.load(io.BytesIO(body), allow_pickle=False) as arrays:
        about = msgspec.json.decode(arrays["about"].tobytes(), type=_About)
        cohort = None if about.cohort is None else Cohort(about.cohort[0], arrays["cohort"], about.cohort[1])
        of_cohort, event, negative = None if cohort is None else cohort.id, about.last_event, about.last_negative
        codes = _parts(arrays["negative_codes"], arrays["negative_codes_sizes"])
        contents = _parts(arrays["codebook_contents"], arrays["codebook_contents_sizes"])
        replica = Replica(
            state=GalleryState(about.settings, about.position, None, event, of_cohort, negative),
            encoder=about.encoder,
            calibration=about.calibration,
            cohort=cohort,
            people=People(arrays["people"], about.names, about.tags),
            owners=TemplateOwners(arrays["ids"], arrays["identity_ids"], arrays["qualities"]),
            ignored=arrays["ignored"],
            negatives=tuple(Negative(*whose, code) for whose, code in zip(about.negatives, codes, strict=True)),
        )
        tail = Templates(arrays["tail"], _parts(arrays["tail_codes"], arrays["tail_codes_sizes"]), about.tail)
        books = {codec: (content, origin) for (codec, origin), content in zip(about.codebooks, contents, strict=True)}
        return Saved(replica, about.tail_after, tail, books, about.milestones)


def _parts(joined: npt.NDArray[np.uint8], sizes: npt.NDArray[np.int64]) -> list[bytes]:
    whole, ends = joined.tobytes(), np.cumsum(sizes).tolist()
    return [whole[start:end] for start, end in zip([0, *ends[:-1]], ends, strict=True)] if ends else []
