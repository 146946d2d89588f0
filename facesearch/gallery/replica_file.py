"""A replica in a file beside the index files, so that a process that begins while the server is away can answer.

The file is one line of JSON, which names gallery and SHA-256 of the rest, and the rest: an `.npz` of NumPy, without
pickled objects. Its time of modification is when its content was last known to be the latest. It holds names, and the
codes of templates that the index files lack: it is private, and deleted when it is too old to be used.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import time
import zipfile
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

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


class Header(NamedTuple):
    """address: of the gallery, without a password. opened: what the store needs to be opened while its server is away.
    usable: seconds for which the content may be used after it was the latest. removal: the last one that it knows of.
    """

    address: str
    opened: dict[str, Any]
    usable: float
    removal: int = 0


def save(folder: Path, header: Header, saved: Saved, age: float) -> int:
    """Write the file; age: seconds since the content was known to be the latest. Returns what `confirm` knows the file
    by. Raises OSError."""
    at = time.time() - age
    body, removal = _packed(saved), saved.replica.state.position.last_removal_id
    line = json.dumps(
        {"format": _FORMAT, **header._replace(removal=removal)._asdict(), "sha256": hashlib.sha256(body).hexdigest()}
    )

    def write(file: BinaryIO) -> int:
        file.write(line.encode() + b"\n" + body)
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
            found = json.loads(file.readline(_MOST_HEADER))
    except (OSError, ValueError, RecursionError):
        return None
    try:
        if found["format"] != _FORMAT:
            return None
        return Header(str(found["address"]), dict(found["opened"]), float(found["usable"]), int(found["removal"]))
    except (KeyError, TypeError, ValueError):
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
        if hashlib.sha256(body).hexdigest() != json.loads(line)["sha256"]:
            raise ValueError
        return _unpacked(body)
    except (OSError, ValueError, KeyError, TypeError, zipfile.BadZipFile):
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


def _packed(saved: Saved) -> bytes:
    replica = saved.replica
    state, cohort = replica.state, replica.cohort
    about = {
        "settings": asdict(state.settings),
        "state": [*state.position, state.last_event, state.cohort, state.last_negative],
        "encoder": None if replica.encoder is None else asdict(replica.encoder),
        "calibration": None if replica.calibration is None else asdict(replica.calibration),
        "cohort": None if cohort is None else [cohort.id, cohort.source],
        "names": replica.people.names,
        "tags": {str(number): list(tags) for number, tags in replica.people.tags.items()},
        "negatives": [[each.identity_id, each.identity, each.codec] for each in replica.negatives],
        "tail_after": saved.tail_after,
        "tail": saved.tail.codecs,
        "milestones": [list(each) for each in saved.milestones],
        "codebooks": [[codec, origin] for codec, (_, origin) in saved.codebooks.items()],
    }
    arrays: dict[str, npt.NDArray[Any]] = {
        "about": np.frombuffer(json.dumps(about).encode(), np.uint8),
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
        about = json.loads(arrays["about"].tobytes())
        settings, (last_template, last_removal, *rest) = GallerySettings(**about["settings"]), about["state"]
        event, cohort_id, negative = rest
        state = GalleryState(settings, LogPosition(last_template, last_removal), None, event, cohort_id, negative)
        codes = _parts(arrays["negative_codes"], arrays["negative_codes_sizes"])
        contents = _parts(arrays["codebook_contents"], arrays["codebook_contents_sizes"])
        replica = Replica(
            state=state,
            encoder=None if about["encoder"] is None else EncoderKey(**about["encoder"]),
            calibration=None if about["calibration"] is None else Calibration(**about["calibration"]),
            cohort=None if about["cohort"] is None else _cohort(about["cohort"], arrays["cohort"]),
            people=People(
                arrays["people"], about["names"], {int(number): tuple(tags) for number, tags in about["tags"].items()}
            ),
            owners=TemplateOwners(arrays["ids"], arrays["identity_ids"], arrays["qualities"]),
            ignored=arrays["ignored"],
            negatives=tuple(
                Negative(number, name, codec, code)
                for (number, name, codec), code in zip(about["negatives"], codes, strict=True)
            ),
        )
        tail = Templates(arrays["tail"], _parts(arrays["tail_codes"], arrays["tail_codes_sizes"]), about["tail"])
        books = {
            codec: (content, origin) for (codec, origin), content in zip(about["codebooks"], contents, strict=True)
        }
        known = tuple(Milestone(*each) for each in about["milestones"])
        return Saved(replica, about["tail_after"], tail, books, known)


def _cohort(about: Sequence[Any], templates: npt.NDArray[np.float32]) -> Cohort:
    number, source = about
    return Cohort(number, templates, source)


def _parts(joined: npt.NDArray[np.uint8], sizes: npt.NDArray[np.int64]) -> list[bytes]:
    whole, ends = joined.tobytes(), np.cumsum(sizes).tolist()
    return [whole[start:end] for start, end in zip([0, *ends[:-1]], ends, strict=True)] if ends else []
