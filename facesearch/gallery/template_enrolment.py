"""Enrolment of templates that exist already: from another gallery, a vendor's export, an encoder run elsewhere."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt

from facesearch.errors import UsageError
from facesearch.gallery.codec_in_use import CodecInUse
from facesearch.gallery.enrolment import Progress
from facesearch.gallery.enrolment_report import EnrolmentReport
from facesearch.photos.photo import Rejection, composed
from facesearch.store import EncoderKey, NewTemplate
from facesearch.store.identity_names import check_name

_BATCH = 16384  # templates per transaction
_OFF = 0.01  # how far from 1 the length of a template may be
_QUALITY = 1.0

Templates = npt.NDArray[np.float32]


def checked(
    templates: npt.ArrayLike, dimension: int, identities: Sequence[str], sources: Sequence[str] | None
) -> npt.NDArray[np.floating]:
    """Templates (n, dimension) as an array; raises `UsageError` for another shape, or where something is missing."""
    given = np.asanyarray(templates)  # may be mapped from a file: only a batch at a time is read
    if given.ndim != 2 or given.shape[1] != dimension or given.dtype.kind != "f":
        raise UsageError(f"templates are (n, {dimension}) floats, not {given.shape} {given.dtype}")
    for what, given_of_them in (("identities", identities), ("sources", sources)):
        if given_of_them is not None and len(given_of_them) != len(given):
            raise UsageError(
                f"there are {len(given)} templates and {len(given_of_them)} {what}: one is needed for each"
            )
    return given


def enrol_templates(
    encoder: EncoderKey,
    codec: CodecInUse,
    identities: Sequence[str],
    templates: npt.NDArray[np.floating],
    *,
    sources: Sequence[str] | None = None,
    progress: Progress | None = None,
    committed: Callable[[int], None] | None = None,
) -> EnrolmentReport:
    """Add templates (`checked`) to a gallery; the index is the caller's. See `Gallery.enroll_templates` for the
    arguments."""
    start = time.perf_counter()
    n = len(templates)
    report, people = EnrolmentReport(), set[str]()
    for first in range(0, n, _BATCH):
        last = min(first + _BATCH, n)
        names = [composed(name) for name in identities[first:last]]
        places = (
            list(map(str, sources[first:last]))
            if sources is not None
            else [f"template {row + 1}" for row in range(first, last)]
        )
        vectors = np.ascontiguousarray(templates[first:last], dtype="<f4")  # (b, d)
        reasons = unsound(names, vectors)
        sound = [row for row, reason in enumerate(reasons) if reason is None]
        report.rejected += [Rejection(places[row], reason) for row, reason in enumerate(reasons) if reason]
        added = _add(encoder, codec, [names[row] for row in sound], vectors[sound], [places[r] for r in sound])
        for row, template_id in zip(sound, added, strict=True):
            if template_id is None:
                report.skipped += 1
                continue
            report.templates += 1
            people.add(names[row])
            if committed:
                committed(first + row)
        if progress:
            progress(last, n)
    report.identities, report.seconds = len(people), time.perf_counter() - start
    return report


def _add(
    encoder: EncoderKey,
    codec: CodecInUse,
    names: Sequence[str],
    vectors: Templates,
    places: Sequence[str],
) -> list[int | None]:
    """Add sound templates in one transaction; None for each that is enrolled already, known by its content."""
    if not names:
        return []
    size = vectors.shape[1] * vectors.itemsize
    content = vectors.tobytes()
    hashes = [hashlib.sha256(content[at : at + size]).digest() for at in range(0, len(content), size)]

    def rows(codes: list[bytes]) -> list[NewTemplate]:
        return [
            NewTemplate(name, sha256, place, 0, 0, code, _QUALITY, None)
            for name, sha256, place, code in zip(names, hashes, places, codes, strict=True)
        ]

    return codec.add(vectors, rows, encoder, logged="enroll")


def unsound(names: Sequence[str], vectors: Templates) -> list[str | None]:
    """Why each of the templates cannot be enrolled; None for those that can."""
    with np.errstate(over="ignore", invalid="ignore"):
        lengths = np.sqrt(np.vecdot(vectors, vectors))
    reasons: list[str | None] = [None] * len(names)
    for row in np.flatnonzero(~(np.abs(lengths - 1) <= _OFF)).tolist():
        reasons[row] = f"its length is {lengths[row]:.3g}: templates have unit length"
    for name in dict.fromkeys(names):
        try:
            check_name(name)
        except UsageError as error:
            for row, other in enumerate(names):
                if other == name:
                    reasons[row] = str(error)
    return reasons
