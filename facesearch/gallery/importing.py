"""Taking a table of templates into a gallery: everything is looked over before anything is written.

What is wrong in itself (another encoder, a template of another length, a name that nobody can have) refuses the whole
table. What is known already is passed over, and what belongs to somebody else or to somebody who was forgotten is
rejected row by row, as in an enrolment; so an import that was interrupted is made again.
"""

from __future__ import annotations

import hashlib
import shlex
import time
from collections.abc import Callable, Sequence

from facesearch.encoders import EncoderSpec, find_model
from facesearch.errors import EncoderMismatchError, UnknownEncoderError, UsageError
from facesearch.gallery.codec_in_use import CodecInUse
from facesearch.gallery.enrolment_report import EnrolmentReport
from facesearch.gallery.known_photos import forgotten_reason, thinned_reason
from facesearch.gallery.parts import Parts
from facesearch.gallery.template_table import TemplateTable
from facesearch.photos.geometry import Box, same_place
from facesearch.photos.photo import Rejection
from facesearch.store import EncoderKey, Marked, NewTemplate
from facesearch.text.characters import escaped

_BATCH = 16384  # templates per transaction
Progress = Callable[[int, int], None]  # (templates done, templates in all)


def import_table(parts: Parts, table: TemplateTable, *, again: bool, progress: Progress | None) -> EnrolmentReport:
    """See `Gallery.import_templates`."""
    parts.store.transactions.require_write()
    start = time.perf_counter()
    own = parts.encoder_key()
    keys = _encoder_keys(table, own)
    dimension = table.template.shape[1]
    if dimension != parts.dimension():
        raise UsageError(f"the templates have {dimension} numbers, those of {own.model} {parts.dimension()}")
    codec = CodecInUse(parts.store, parts.codecs, parts.configured(own).codec)
    hashes = [
        bytes.fromhex(photo) if photo else hashlib.sha256(vector.tobytes()).digest()
        for photo, vector in zip(table.photo, table.template, strict=True)
    ]
    report, people = EnrolmentReport(), set[str]()
    wanted = _new_rows(parts, table, hashes, report, again=again)
    for first in range(0, len(wanted), _BATCH):
        for key, rows in _by_encoder(wanted[first : first + _BATCH], keys).items():
            for row, added in zip(rows, _add(codec, table, hashes, rows, key), strict=True):
                if added is None:
                    report.skipped += 1
                else:
                    report.templates += 1
                    people.add(table.identity[row])
        if progress:
            progress(min(first + _BATCH, len(wanted)), len(wanted))
    report.identities, report.seconds = len(people), time.perf_counter() - start
    if report.templates:
        parts.save_after_adding()
    return report


def _encoder_keys(table: TemplateTable, own: EncoderKey) -> list[EncoderKey]:
    """Which encoder made each template; raises `EncoderMismatchError` where it is none of the gallery's model, or has
    the name of one that is known here and is another."""
    found: dict[tuple[str, str], EncoderKey] = {}
    for row, (name, fingerprint) in enumerate(zip(table.encoder, table.fingerprint, strict=True), start=1):
        if (name, fingerprint) in found:
            continue
        try:
            spec = EncoderSpec.parse(name)
        except UnknownEncoderError as error:
            raise UsageError(escaped(f"row {row}: {error}")) from error
        if spec.model != own.model:
            raise EncoderMismatchError(
                f"row {row} is a template of {spec.model}; this gallery's are of {own.model} and cannot be compared "
                "with it: import into another gallery (--gallery), or enrol the photos"
            )
        known = _known_fingerprint(spec, own)
        if known and fingerprint and known != fingerprint:
            raise EncoderMismatchError(
                f"row {row} was made by another encoder of the name {spec} (fingerprint {fingerprint[:12]}…, here "
                f"{known[:12]}…): its template cannot be compared with this gallery's"
            )
        key = EncoderKey(spec.model, spec.precision, spec.backend, fingerprint or known)
        if not key.fingerprint:
            raise UsageError(f"row {row} names the encoder {spec}, which is not installed here, and no fingerprint")
        found[name, fingerprint] = key
    return [found[each] for each in zip(table.encoder, table.fingerprint, strict=True)]


def _known_fingerprint(spec: EncoderSpec, own: EncoderKey) -> str:
    if str(spec) == str(own):
        return own.fingerprint
    try:
        model = find_model(spec.model)
        return model.fingerprint(model.variant(spec))
    except UnknownEncoderError:
        return ""


def _new_rows(
    parts: Parts, table: TemplateTable, hashes: Sequence[bytes], report: EnrolmentReport, *, again: bool
) -> list[int]:
    """The rows to be added; the others are counted in the report."""
    kept = parts.store.corrections
    enrolled, aside = parts.store.templates.enrolled(hashes), kept.aside(hashes)
    forgotten = {} if again else kept.forgotten(hashes)
    marked = Marked({}, {}) if again else kept.marked(hashes)
    rows_of: dict[bytes, list[int]] = {}
    wanted = []
    for row, (name, hashed) in enumerate(zip(table.identity, hashes, strict=True)):
        reason = None
        box = _box(table, row)
        same = [each for each in rows_of.get(hashed, ()) if same_place(_box(table, each), box)]
        before = next(iter(same), row)
        rows_of.setdefault(hashed, []).append(row)
        there = next((each for each in enrolled.get(hashed, ()) if same_place(each.box, box)), None)
        if there is not None:
            if there.identity != name:
                move = f"facesearch templates move {there.template_id} --to {shlex.quote(name)}"
                reason = f"the same photo is enrolled as {there.identity}; to move it: {move}"
            else:
                report.skipped += 1
        elif name in aside.get(hashed, ()):
            report.skipped += 1
            report.aside += 1
        elif name in marked.thinned.get(hashed, ()):
            report.skipped += 1
            report.thinned += 1
        elif hashed in forgotten:
            reason = forgotten_reason(forgotten[hashed])
        elif name in marked.taken.get(hashed, ()):
            report.skipped += 1
            report.deleted += 1
        elif hashed in marked.thinned:
            reason = thinned_reason(marked.thinned[hashed])
        elif before != row and table.identity[before] != name:
            reason = f"the same photo is in row {before + 1} as {table.identity[before]}"
        elif before != row:
            report.skipped += 1
        else:
            wanted.append(row)
        if reason is not None:
            report.rejected.append(Rejection(table.path[row], reason))
    return wanted


def _by_encoder(rows: Sequence[int], keys: Sequence[EncoderKey]) -> dict[EncoderKey, list[int]]:
    """Rows by who made them, in their order."""
    found: dict[EncoderKey, list[int]] = {}
    for row in rows:
        found.setdefault(keys[row], []).append(row)
    return found


def _add(
    codec: CodecInUse, table: TemplateTable, hashes: Sequence[bytes], rows: Sequence[int], key: EncoderKey
) -> list[int | None]:
    """Add rows in one transaction; None for each that somebody else has added meanwhile."""

    def news(codes: list[bytes]) -> list[NewTemplate]:
        made = []
        for row, code in zip(rows, codes, strict=True):
            quality, box = float(table.quality[row]), _box(table, row)
            made.append(NewTemplate(table.identity[row], hashes[row], table.path[row], 0, 0, code, quality, box))
        return made

    return codec.add(table.template[list(rows)], news, key, logged="import", by_place=True)


def _box(table: TemplateTable, row: int) -> Box | None:
    left, top, width, height = map(float, table.box[row])
    return None if left != left else (left, top, width, height)  # NaN
