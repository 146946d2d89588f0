"""How an open gallery is looked through for mistakes, and what a person does about them."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from facesearch.errors import UnknownIdentityError, UsageError
from facesearch.gallery import arguments
from facesearch.gallery.correcting import CorrectingGallery
from facesearch.photos.photo import composed
from facesearch.store import TemplateInfo
from facesearch.text.figures import counted

if TYPE_CHECKING:
    from facesearch.gallery.suspect import Suspect

_log = logging.getLogger("facesearch")

Progress = Callable[[int, int], None]  # (templates done, in all)
Suspected = int | str | os.PathLike[str]


class SuspectingGallery(CorrectingGallery):
    """An open gallery, and what looks wrong in it."""

    def suspects(
        self,
        of: Sequence[Suspected] | None = None,
        *,
        least: float | None = None,
        progress: Progress | None = None,
        strict: bool = False,
    ) -> list[Suspect]:
        """What looks wrong, the most certain first: templates that are somebody else's or nobody's, people enrolled
        under two names, photos that two people have, poor photos. Nothing is changed.

        of: only of these templates, by number or path, or of these people, by name; None: of all. least: the confidence
        (0..1) from which on they are told, by default 0.2. progress: called with (templates done, in all). What was
        kept (`keep_suspects`) is left out. strict: raise `StoreError` where that is damaged, before anything is taken
        out by what is told; otherwise a warning says so, and all is told. Raises what `template_infos` does.
        """
        from facesearch.gallery.suspects import LEAST, suspects  # a question does not wait for it

        asked = (
            None if of is None else {number for each in arguments.each_of(of) for number in self._templates_of(each)}
        )
        least = LEAST if least is None else arguments.rate(least, "least")
        return suspects(self.parts, asked, least=least, progress=progress, strict=strict)

    def keep_suspects(self, suspects: Sequence[Suspect]) -> int:
        """Remember that these are all right, so that they are not told again; returns how many are new.

        It holds for a template and whom it looks like, or for two people, until one of them is gone. Raises
        `UsageError` for what is no suspect.
        """
        from facesearch.gallery.suspect import Suspect

        if not isinstance(suspects, Sequence) or not all(isinstance(each, Suspect) for each in suspects):
            raise UsageError(
                f"what is kept is a list of suspects, as suspects() gives, not {arguments.shown(suspects)}"
            )
        return self.parts.store.suspicions.add([suspect.key for suspect in suspects])

    def reconsider_suspects(self) -> int:
        """Tell again what was kept; returns how many suspects these were. A warning says what was damaged of it."""
        kept, damaged = self.parts.store.suspicions.remove_all()
        if damaged:
            _log.warning("%s of what was kept had been damaged: it is told again, too", counted(damaged, "row"))
        return kept

    def set_aside_templates(self, templates: Sequence[Suspected]) -> list[TemplateInfo]:
        """Take templates out of all answers, and keep them until they are put back, removed, or forgotten.

        Returns them as they were; raises what `template_infos` does.
        """
        return self._take_out(templates, keep=True)

    def _templates_of(self, asked: Suspected) -> list[int]:
        if isinstance(asked, str):
            try:
                return [info.id for info in self.parts.store.identities.templates(composed(asked))]
            except UnknownIdentityError:
                pass  # it is a path
        return [info.id for info in self.template_infos([asked])]
