"""The templates of a gallery as a table, and the table as a file."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from facesearch.codecs.ref import CodecRef
from facesearch.errors import FacesearchError, StoreError
from facesearch.files.durable import write_atomically
from facesearch.files.termination import ending_tidily
from facesearch.gallery.answers import Document
from facesearch.gallery.folder import check_new_file
from facesearch.gallery.parts import Parts
from facesearch.gallery.table_files import check_suffix, write_table
from facesearch.gallery.template_table import TemplateTable
from facesearch.store import TemplateRecord
from facesearch.store.records import shown_time

_log = logging.getLogger("facesearch")
_AS_IT_IS = "fp32"  # the codec whose codes are the components

Progress = Callable[[int, int], None]  # (templates done, templates in all)


@dataclass(frozen=True, slots=True)
class ExportReport:
    """What was exported. set_aside: templates that were left out because they are taken out or
    set aside.

    is_exact: another gallery of the same index and codec answers the same with it. Otherwise templates are stored as
    codes of an index kind, are coded again where they are imported, and lose a little by that.
    """

    path: Path
    bytes: int
    identities: int
    templates: int
    set_aside: int
    is_exact: bool

    def document(self) -> Document:
        return {
            "file": str(self.path),
            "bytes": self.bytes,
            "identities": self.identities,
            "templates": self.templates,
            "set_aside": self.set_aside,
            "exact": self.is_exact,
        }


@dataclass(frozen=True, slots=True)
class Taken:
    """All templates of one moment, in the order of their numbers. set_aside, is_exact: see `ExportReport`."""

    table: TemplateTable
    set_aside: int
    is_exact: bool


def taken(parts: Parts, progress: Progress | None = None) -> Taken:
    """The templates that an export holds."""
    dimension = parts.settings().dimension
    records: list[TemplateRecord] = []
    with parts.store.moment() as moment:
        sizes = moment.sizes()
        for some in moment.records():
            records += some
            if progress:
                progress(len(records), sizes.in_use)
    templates = parts.codecs.decode([each.code for each in records], [each.codec for each in records], dimension)
    boxes = np.full((len(records), 4), np.nan)
    for row, record in enumerate(records):
        if record.box is not None:
            boxes[row] = record.box
        if record.codec == _AS_IT_IS:  # decoding would round its length to 1 again, and change the last bit
            templates[row] = np.frombuffer(record.code, "<f4")
    table = TemplateTable(
        identity=[each.identity for each in records],
        path=[each.path for each in records],
        encoder=[str(each.encoder) for each in records],
        fingerprint=[each.encoder.fingerprint for each in records],
        quality=np.array([each.quality for each in records], np.float64),
        added=[shown_time(each.created_at) for each in records],
        photo=[each.sha256.hex() for each in records],
        box=boxes,
        template=templates,
    )
    is_exact = all(CodecRef.parse(codec).is_plain for codec in {each.codec for each in records})
    return Taken(table, sizes.taken_out + sizes.set_aside, is_exact)


def export(parts: Parts, path: Path, *, overwrite: bool, progress: Progress | None) -> ExportReport:
    """See `Gallery.export`."""
    suffix = check_suffix(path)
    check_new_file(path, parts.folder, "the export", overwrite=overwrite)
    found = taken(parts, progress)
    table = found.table
    try:
        with ending_tidily():
            write_atomically(path, lambda file: write_table(table, suffix, file))
            size = path.stat().st_size
    except OSError as error:
        raise FacesearchError(f"{path} cannot be written ({(error.strerror or str(error)).lower()})") from error
    report = ExportReport(path, size, len(set(table.identity)), len(table), found.set_aside, found.is_exact)
    try:
        parts.store.audit.add("export", detail={"templates": report.templates, "identities": report.identities})
    except StoreError as error:
        _log.warning("%s; the gallery does not know that this export was made", error)
    return report
