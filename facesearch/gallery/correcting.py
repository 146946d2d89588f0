"""How an open gallery is corrected: people are renamed, merged, forgotten, single templates moved and taken out."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from facesearch.errors import UsageError
from facesearch.faces import Chosen
from facesearch.gallery import arguments, changes, forgetting
from facesearch.gallery.answers import Receipt
from facesearch.gallery.deciding import DecidingGallery
from facesearch.photos.photo import composed
from facesearch.pipeline.pipeline import Image
from facesearch.store import Attributes, NegativeInfo, TemplateInfo
from facesearch.store.records import ACTIVE

if TYPE_CHECKING:
    from facesearch.gallery.adding_negatives import NegativesReport
    from facesearch.gallery.thinning import ThinningReport
    from facesearch.gallery.unlike import Unlike


class CorrectingGallery(DecidingGallery):
    """An open gallery, and its corrections."""

    def rename(self, old: str, new: str) -> None:
        """Raises `UnknownIdentityError`, and `IdentityExistsError` if `new` is taken."""
        self.parts.store.identities.rename(composed(old), composed(new))

    def merge(self, *sources: str, into: str | None = None) -> int:
        """Give all templates of the sources to `into` (default: the last one named); returns how many."""
        return changes.merge(self.parts, sources if into is None else [*sources, into])

    def unlike(self, templates: Sequence[int], identity: str) -> Unlike | None:
        """Whether these of a person's templates, by number, do not look like the person's others, as after a mistaken
        merge: the similarity of the two most alike and the threshold that it is below; None where they do look alike,
        or there is nothing to compare. Raises `UnknownIdentityError`.
        """
        from facesearch.gallery.unlike import unlike  # a question does not wait for it

        return unlike(self.parts, templates, composed(identity))

    def set_attributes(
        self, identity: str, *, tags: Sequence[str] = (), untag: Sequence[str] = (), note: str | None = None
    ) -> Attributes:
        """Give a person tags, take others away, replace the note ("" removes it); returns what is then known.

        Raises `UnknownIdentityError`, `UnknownTagError`, and `UsageError` for what cannot be a tag or a note.
        """
        given, gone = (arguments.names(each, "tags") for each in (tags, untag))
        note = None if note is None else composed(note)
        return self.parts.store.groups.change(composed(identity), tags=given, untag=gone, note=note)

    def ignore(self, identity: str, ignored: bool = True) -> None:
        """Never name a person from now on, or do so again: a face that is most like them is answered as ignored.

        Raises `UnknownIdentityError`.
        """
        self.parts.store.groups.change(composed(identity), ignored=ignored)

    def add_negatives(
        self,
        identity: str,
        images: Image | Iterable[Image],
        *,
        face: Chosen = None,
        aligned: str | None = None,
        colour: str = "rgb",
        again: bool = False,
    ) -> NegativesReport:
        """These photos do not show a person: a face as much like one of them as like the person is not given the name.

        face: which face of each photo is meant, by number or by a point in it; by default the one it is clearly of.
        aligned, colour, again: as in `enroll_photos` and `enroll`. Raises `UnknownIdentityError`.
        """
        from facesearch.gallery.adding_negatives import add_negatives  # a question does not wait for it

        return add_negatives(self.parts, identity, images, face=face, aligned=aligned, colour=colour, again=again)

    def negatives(self, identity: str | None = None) -> list[NegativeInfo]:
        """What is known not to show a person, or anybody, by number; raises `UnknownIdentityError`."""
        return self.parts.store.negatives.all(None if identity is None else composed(identity))

    def remove_negatives(self, identity: str, negatives: Sequence[int | str | os.PathLike[str]]) -> list[NegativeInfo]:
        """Delete negatives of a person for good, by their numbers or the photos' paths (the whole, or its end).

        Raises `UnknownIdentityError`, and `UsageError` for what is none of theirs.
        """
        from facesearch.gallery.adding_negatives import remove_negatives  # a question does not wait for it

        return remove_negatives(self.parts, identity, negatives)

    def forget(self, identity: str, *, remember: bool = True) -> Receipt:
        """Take a person out: of the answers at once, of database and index files durably.

        remember: keep keyed hashes of their photos, so that enrolling these again has to be asked for.
        Raises `UnknownIdentityError`.
        """
        return self.forget_all([identity], remember=remember)[0]

    def forget_all(self, identities: Sequence[str], *, remember: bool = True) -> list[Receipt]:
        """The same of several people, all or none: what has to be written anew is written once."""
        return forgetting.forget(self.parts, identities, remember=remember)

    def templates(self, identity: str | None = None, *, below: float | None = None) -> list[TemplateInfo]:
        """All templates, or those of one identity, by number; those that are taken out or set aside come last.
        below: only those in use of a lower quality than that, the worst first.

        Raises `UnknownIdentityError`.
        """
        found = self.parts.store.corrections.all(None if identity is None else composed(identity))
        if below is None:
            return found
        least = arguments.rate(below, "below")
        return sorted(
            (info for info in found if info.state == ACTIVE and info.quality < least), key=lambda info: info.quality
        )

    def template_infos(self, templates: Sequence[int | str | os.PathLike[str]]) -> list[TemplateInfo]:
        """Those with these numbers, or of the photos at these paths (the whole, or its end), each once.

        Raises `UnknownTemplateError`, and `UsageError` for a path that ends those of several photos.
        """
        found: dict[int, TemplateInfo] = {}
        for each in arguments.each_of(templates):
            for info in self._found(each):
                found[info.id] = info
        return list(found.values())

    def move_templates(self, templates: Sequence[int | str | os.PathLike[str]], identity: str) -> list[TemplateInfo]:
        """Give templates to another identity, which is created if it is new; returns them as they were.

        Raises what `template_infos` does.
        """
        infos = self.template_infos(templates)
        self.parts.store.corrections.move([info.id for info in infos], composed(identity))
        return infos

    def remove_templates(self, templates: Sequence[int | str | os.PathLike[str]]) -> list[TemplateInfo]:
        """Take templates out of all answers. They can be put back until `compact` deletes them.

        Raises what `template_infos` does.
        """
        return self._take_out(templates, keep=False)

    def restore_templates(self, templates: Sequence[int | str | os.PathLike[str]]) -> dict[int, int]:
        """Put templates back that were taken out or set aside, under new numbers: old -> new.

        Raises what `template_infos` does, and `UsageError` where the same photo has been enrolled again.
        """
        infos = self.template_infos(templates)
        return self.parts.store.corrections.put_back([info.id for info in infos])

    def thin(self, keep: int = 10, *, dry_run: bool = False) -> ThinningReport:
        """Of every person with more than `keep` templates, keep those that best stand for all of them, and delete the
        others for good; the photos are known from then on, and not enrolled again unless that is asked for.

        dry_run: change nothing. Raises `UsageError` for a number below 1.
        """
        from facesearch.gallery.thinning import thin  # a question does not wait for it

        return thin(self.parts, arguments.count(keep, "keep"), dry_run=dry_run)

    def thinned(self, identity: str) -> int:
        """Of how many photos of a person the templates were deleted by `thin`; raises `UnknownIdentityError`."""
        return self.parts.store.thinning.count(composed(identity))

    def _take_out(self, templates: Sequence[int | str | os.PathLike[str]], *, keep: bool) -> list[TemplateInfo]:
        """Take templates out of answers; keep: they are set aside, and `compact` does not delete them."""
        infos = self.template_infos(templates)
        if self.parts.store.corrections.set_aside([info.id for info in infos], keep=keep, stays_out=True):
            self.parts.writer.save_after()
        return infos

    def _found(self, asked: int | str | os.PathLike[str]) -> list[TemplateInfo]:
        kept = self.parts.store.corrections
        path = arguments.number_or_path(asked, "a template")
        if isinstance(path, int):
            return kept.find([path])
        infos = kept.of_photo(path.absolute() if os.path.lexists(path) else path)
        if len({info.path for info in infos}) > 1:
            numbers = ", ".join(str(info.id) for info in infos)
            raise UsageError(f"several photos end in {path}, of templates {numbers}: name one by its number")
        return infos
