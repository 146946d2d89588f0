"""How templates leave an open gallery and come into it, other than as photos."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from facesearch.gallery.suspecting import SuspectingGallery

if TYPE_CHECKING:
    import pandas as pd

    from facesearch.gallery.enrolment import Progress
    from facesearch.gallery.enrolment_report import EnrolmentReport
    from facesearch.gallery.exporting import ExportReport
    from facesearch.gallery.template_table import TemplateTable


class ExchangingGallery(SuspectingGallery):
    """An open gallery, and its templates as tables."""

    def frame(self) -> pd.DataFrame:
        """The templates in use as a data frame, in the order of their numbers: identity, path, encoder, fingerprint,
        quality, added, photo, box, template (see `facesearch.gallery.template_table.TemplateTable`)."""
        from facesearch.gallery.exporting import taken  # a question does not wait for it

        return taken(self.parts).table.frame()

    def export(
        self, path: str | os.PathLike[str], *, overwrite: bool = False, progress: Progress | None = None
    ) -> ExportReport:
        """Write the templates in use into a file for `import_templates` and other programs: Parquet, CSV or NPZ, as the
        suffix says. It holds biometric data, and only its owner may read it.

        progress: called with (templates done, templates in all). Raises `UsageError` for another suffix and for a file
        that is there (unless `overwrite`).
        """
        from facesearch.gallery.exporting import export  # a question does not wait for it

        return export(self.parts, Path(path), overwrite=overwrite, progress=progress)

    def import_templates(
        self,
        source: str | os.PathLike[str] | TemplateTable,
        *,
        again: bool = False,
        progress: Progress | None = None,
    ) -> EnrolmentReport:
        """Add the templates of a file that `export` wrote, or one with the same columns, or of its table
        (`facesearch.gallery.table_files.read_table`).

        Everything is looked over first. Photos enrolled already (by content) are skipped; those enrolled as somebody
        else are rejected, and those of people who were forgotten, unless `again`. progress: called with (templates
        done, templates in all).

        Raises `UsageError` for a file with anything in it that is not sound, `EncoderMismatchError` for templates of
        another encoder; nothing is changed then.
        """
        from facesearch.gallery.importing import import_table  # a question does not wait for it
        from facesearch.gallery.table_files import read_table

        table = read_table(Path(source)) if isinstance(source, str | os.PathLike) else source
        return import_table(self.parts, table, again=again, progress=progress)
