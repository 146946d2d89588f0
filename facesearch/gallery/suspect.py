"""One thing that looks wrong in a gallery."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from facesearch.gallery.answers import Document
from facesearch.store import KeptSuspect

Kind = Literal["wrong-person", "same-person", "same-photo", "poor", "two-people"]


@dataclass(frozen=True, slots=True)
class Suspect:
    """A template, or with `template_id` None a person, that looks like `other`; None: like nobody who is enrolled.

    confidence: the share of suspects as sure as this one that are right. similarity: to the other person's most alike
    template, whose number and photo are other_template_id and other_path; of two people: of their two most alike. own:
    mean similarity to its own person's other templates; None where there are none.

    Of one name for two people (`two-people`), template_ids and paths are those of the smaller group of templates, of
    two as large that of the group enrolled later, and what it was compared with is the rest of the same person's.
    """

    kind: Kind
    template_id: int | None
    identity: str
    other: str | None
    path: str | None
    confidence: float
    similarity: float | None = None
    own: float | None = None
    other_template_id: int | None = None
    other_path: str | None = None
    quality: float | None = None
    key: KeptSuspect = field(default=KeptSuspect(None, None, None), repr=False)
    template_ids: tuple[int, ...] = ()
    paths: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"{self._said()} ({int(100 * self.confidence)} % sure)"

    def _said(self) -> str:
        if self.kind == "same-person":
            return f"{self.identity} seems to be {self.other}, who is enrolled too (similarity {self.similarity:.2f})"
        if self.kind == "two-people":
            return self._two_said()
        photo = f"{self.path} (template {self.template_id}) of {self.identity}"
        if self.kind == "poor":
            return f"{photo} is a poor photo that others resemble"
        own = "" if self.own is None else f" ({self.own:.2f})"
        if self.other is None:
            return f"{photo} is unlike the other photos of {self.identity}{own}"
        if self.kind == "same-photo":
            return f"{photo} is the photo {self.other_path} of {self.other} (similarity {self.similarity:.2f})"
        less = f", less like {self.identity}{own}" if own else ""
        return f"{photo} looks like {self.other} (similarity {self.similarity:.2f}){less}"

    def _two_said(self) -> str:
        more = f" and {len(self.paths) - 1} more" if len(self.paths) > 1 else ""
        numbers = " ".join(map(str, self.template_ids))
        return (
            f"{self.identity} seems to be two people: {self.paths[0]}{more} (templates {numbers}) are unlike the "
            f"others ({self.own:.2f}; the most alike is {self.other_path}, {self.similarity:.2f})"
        )

    def document(self) -> Document:
        return {
            "kind": self.kind,
            "template_id": self.template_id,
            "identity": self.identity,
            "other": self.other,
            "path": self.path,
            "confidence": round(self.confidence, 3),
            "similarity": None if self.similarity is None else round(self.similarity, 4),
            "own_similarity": None if self.own is None else round(self.own, 4),
            "other_template_id": self.other_template_id,
            "other_path": self.other_path,
            "quality": self.quality,
            "template_ids": list(self.template_ids),
            "paths": list(self.paths),
        }
