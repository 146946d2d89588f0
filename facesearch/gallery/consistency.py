"""How old the state of a gallery may be that an answer is made of."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from facesearch.errors import UsageError
from facesearch.gallery.arguments import seconds, shown

LATEST = "latest"
_BOUNDED = "bounded:"


@dataclass(frozen=True, slots=True)
class Consistency:
    """bound: seconds that an answer may be old; None: it knows of all that was committed before it was asked for.

    stale_for: seconds that an answer may be old while the server of the gallery is away; None: there is none then.
    """

    bound: float | None = None
    stale_for: float | None = None

    @property
    def follows(self) -> bool:
        """Whether a gallery on a server has to be followed for that."""
        return self.bound is not None or self.stale_for is not None

    @property
    def look(self) -> float:
        """Seconds between two looks at the server, where nothing is heard of changes."""
        return min(1.0, *(length / 2 for length in (self.bound, self.stale_for) if length is not None))


NOW = Consistency()


def consistency(given: Any, stale_for: Any) -> Consistency:
    """Of `latest` or `bounded:2s`, and of seconds or a length of time as in `10m`; raises `UsageError`."""
    if not isinstance(given, str) or not (given == LATEST or given.startswith(_BOUNDED)):
        raise UsageError(f"consistency is {LATEST} or {_BOUNDED}2s, not {shown(given)}")
    bound = None if given == LATEST else seconds(given.removeprefix(_BOUNDED), "the bound of consistency")
    return Consistency(bound, None if stale_for is None else seconds(stale_for, "stale_for"))
