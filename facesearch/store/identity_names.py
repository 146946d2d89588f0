"""What a name of an identity may be, and what to say when nobody has it."""

from __future__ import annotations

from collections.abc import Iterable

from facesearch.errors import UnknownIdentityError, UsageError
from facesearch.text.characters import shown_as_code_point, unseen_in_name


def check_name(name: str) -> str:
    """Return `name` if an identity may be called so, else raise `UsageError`."""
    if not name.strip():
        raise UsageError("the name of an identity cannot be empty")
    if (character := unseen_in_name(name)) is not None:
        where = "begins or ends with" if character.isspace() and name != name.strip() else "holds"
        raise UsageError(f"the name {name!a} {where} {shown_as_code_point(character)}, which nobody sees: leave it out")
    return name


def unknown_identity(name: str, known: Iterable[str]) -> UnknownIdentityError:
    """The error for a `name` that nobody has, with at most three of the `known` names that look like it."""
    from rapidfuzz import fuzz, process  # only where there is something to say

    by_folded = {other.casefold(): other for other in known}
    close = process.extract(name.casefold(), by_folded.keys(), scorer=fuzz.ratio, limit=3, score_cutoff=60)
    hint = f"; did you mean {', '.join(repr(by_folded[match]) for match, _, _ in close)}?" if close else ""
    return UnknownIdentityError(f"no identity {name!r} in the gallery{hint}")
