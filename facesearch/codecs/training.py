"""From how many templates on a kind of index is used, and coders that come trained with the package."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import indexes
from facesearch.assets import manifest
from facesearch.codecs.population import shipped_statistics
from indexes import code_of, parse_kind

if TYPE_CHECKING:
    from indexes import Coder


def least_templates(kind: str, coder: Coder | None) -> int:
    """From how many templates on the kind's index can be built, beside a coder that is there."""
    parsed = parse_kind(kind)
    stages = parsed.stages if coder is None else parsed.stages[:-1]
    return max((stage.training_size for stage in stages), default=0)


def settled_templates(kind: str, coder: Coder | None) -> int:
    """From how many templates on the kind's index is worth it, beside a coder that is there."""
    return parse_kind(kind).settled_size if least_templates(kind, coder) else 0


def shipped_coder(model: str, kind: str, dimension: int) -> Coder | None:
    """A coder for the codes of the kind from statistics of a model's templates that come with the package, if any."""
    code = code_of(kind)
    if code is None or not re.fullmatch(r"tcq\d+", code):
        return None
    statistics = shipped_statistics(model, dimension)
    return None if statistics is None else indexes.ready_coder(code, statistics)


def shipped_origin(model: str) -> str:
    """What a shipped coder was learnt from, in words."""
    return f"learnt from {manifest()[f'codebook-{model}'].origin}"
