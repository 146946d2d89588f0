"""What forgetting took out of caches and stored runs, as a value."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass(slots=True)
class Purged:
    """What was taken out of caches and stored runs.

    rows: of the template cache, found faces and templates. derived: files of results and codes, deleted whole because
    they cannot be told apart. damaged: files of the template cache that could not be read, deleted. errors: entries of
    stored runs (hardest errors, failures). left: files that may hold them still, because they cannot be read or
    changed. at_work: an evaluation is running that may write them again.
    """

    rows: int = 0
    derived: int = 0
    damaged: int = 0
    errors: int = 0
    left: list[str] = field(default_factory=list)
    at_work: bool = False

    def document(self) -> dict[str, Any]:
        return asdict(self)
