"""What a name of an identity may be, and what to say when nobody has it."""

from __future__ import annotations

from collections.abc import Iterable

from facesearch.errors import UnknownIdentityError, UnknownTagError, UsageError
from facesearch.text.characters import escaped, shown_as_code_point, unseen_in_name


def check_name(name: str) -> str:
    """Return `name` if an identity may be called so, else raise `UsageError`."""
    if not name.strip():
        raise UsageError("the name of an identity cannot be empty")
    if (character := unseen_in_name(name)) is not None:
        where = "begins or ends with" if character.isspace() and name != name.strip() else "holds"
        raise UsageError(f"the name {name!a} {where} {shown_as_code_point(character)}, which nobody sees: leave it out")
    return name


def check_tag(tag: str) -> str:
    """Return `tag` if it can be one, else raise `UsageError`."""
    if not tag.strip():
        raise UsageError("a tag cannot be empty")
    if (character := unseen_in_name(tag)) is not None:
        raise UsageError(f"the tag {tag!a} holds {shown_as_code_point(character)}, which nobody sees: leave it out")
    return tag


def check_note(note: str) -> str:
    """Return `note` if it is one line, else raise `UsageError`."""
    if note != escaped(note):
        raise UsageError(f"the note {note!a} holds characters that nobody sees, or several lines")
    return note


def unknown_tag(tag: str, known: Iterable[str], owner: str | None = None) -> UnknownTagError:
    """The error for a `tag` that nobody (or not its owner) has, with at most three `known` ones that look like it."""
    who = "nobody in the gallery has" if owner is None else f"{owner!r} does not have"
    return UnknownTagError(f"{who} the tag {tag!r}{_close(tag, known)}")


def unknown_identity(name: str, known: Iterable[str]) -> UnknownIdentityError:
    """The error for a `name` that nobody has, with at most three of the `known` names that look like it."""
    return UnknownIdentityError(f"no identity {name!r} in the gallery{_close(name, known)}")


def _close(name: str, known: Iterable[str]) -> str:
    from rapidfuzz import fuzz, process  # only where there is something to say

    by_folded = {other.casefold(): other for other in known}
    close = process.extract(name.casefold(), by_folded.keys(), scorer=fuzz.ratio, limit=3, score_cutoff=60)
    return f"; did you mean {', '.join(repr(by_folded[match]) for match, _, _ in close)}?" if close else ""
