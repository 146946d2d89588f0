"""The grammar of index kinds.

    kind   = stage | stage "+" stage       the second stage re-ranks what the first, the faster one, proposes
    stage  = [ "pca" d "," ] [ "ivf" n "," ] code
    code   = flat | fp16 | sq8 | sq6 | sq4 | pq<m> | opq<m> | fs<m> | rabitq | hnsw<M> | hnsw<M>,sq8 | tcq<m>

as in `sq8`, `pca256,sq4`, `ivf1024,sq8`, `rabitq+sq4`, `pca128,fs32+sq8`, `pca128,fs32+pca128,sq4`. Every stage sees
the whole vector. A new code is a new file in `indexes.families`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from numbers import Integral

from indexes.errors import UnknownKindError, UnsuitableKindError
from indexes.families import FAMILIES, Family
from indexes.families.family import LEAST_SAMPLE

LARGE_GALLERY_KIND = "pca128,fs32+sq8"
_LARGEST_DIMENSION = 65_536
_SETTLED_TIMES = 4
_PER_LIST = 16
_PCA = "pca<d>"
_IVF = "ivf<n>"
_BYTES_IN_LIST = 16  # a serial number in the list and one beside the rows
_NUMBER = r"([1-9]\d{0,6})"


@dataclass(frozen=True, slots=True)
class Stage:
    """One coded copy of the vectors. components: that a PCA in front keeps at most. lists: of an inverted file."""

    family: Family
    parameter: int = 0
    components: int = 0
    lists: int = 0

    def width(self, dimension: int) -> int:
        """Components that are coded, of vectors of the dimension: a PCA keeps all where there are no more."""
        return min(self.components, dimension) or dimension

    def bytes_per_vector(self, dimension: int) -> float:
        of_code = self.family.bytes_per_vector(self.width(dimension), self.parameter)
        return of_code + (_BYTES_IN_LIST if self.lists else 0)

    @property
    def learns(self) -> bool:
        return bool(self.components or self.lists or self.family.learns)

    @property
    def training_size(self) -> int:
        """Vectors that training has to see; 0: ready from the start."""
        if not (self.components or self.lists):
            return self.family.training_size
        return max(LEAST_SAMPLE, self.components, self.family.training_size)

    def misfit(self, dimension: int) -> str:
        """Why the stage does not fit the dimension, or ""."""
        if self.lists and not self.family.inverts:
            return f"no ivf can stand in front of {self.family.form}"
        return self.family.misfit(self.width(dimension), self.parameter)


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of index, read from its name. `str(kind)` gives the name back."""

    name: str
    first: Stage
    second: Stage | None = None  # re-ranks what the first one proposes

    def __str__(self) -> str:
        return self.name

    @property
    def stages(self) -> tuple[Stage, ...]:
        return (self.first,) if self.second is None else (self.first, self.second)

    @property
    def exhaustive(self) -> bool:
        """Whether a search looks at every vector, so that it finds the best by score without fail."""
        return self.second is None and not self.first.lists and self.first.family.exhaustive

    @property
    def learns(self) -> bool:
        """Whether training changes anything."""
        return any(stage.learns for stage in self.stages)

    @property
    def training_size(self) -> int:
        """How many vectors training has to see before the first add; 0 when the kind is ready from the start."""
        return max(stage.training_size for stage in self.stages)

    @property
    def settled_size(self) -> int:
        """From how many vectors on training is worth it: what is learnt from fewer knows little but those."""
        lists = max(stage.lists for stage in self.stages)
        return max(_SETTLED_TIMES * self.training_size, _PER_LIST * lists)

    def bytes_per_vector(self, dimension: int) -> float:
        """Code bytes per vector; ids and what all vectors share (ranges, codebooks) are not counted."""
        return sum(stage.bytes_per_vector(dimension) for stage in self.stages)

    def check_dimension(self, dimension: int) -> None:
        """Raise UnsuitableKindError, saying what is allowed, where the kind does not fit the dimension."""
        if not isinstance(dimension, Integral) or not 1 <= dimension <= _LARGEST_DIMENSION:
            raise UnsuitableKindError(
                f"dimension {dimension!r} is not possible: use a whole number from 1 to {_LARGEST_DIMENSION}"
            )
        for stage in self.stages:
            if misfit := stage.misfit(int(dimension)):
                within = f" {stage.width(dimension)} after pca" if stage.components else f" {dimension}"
                raise UnsuitableKindError(f"index kind {self.name} does not fit dimension{within}: {misfit}")


def allowed_kinds() -> str:
    """Return the forms of all kinds, as help texts and errors list them."""
    codes = ", ".join(family.form for family in FAMILIES)
    return f"{codes}; {_PCA}, or {_IVF}, in front of one; and two joined by +, as rabitq+sq4"


def parse_kind(text: str) -> Kind:
    """Read a kind's name. Raises UnknownKindError, listing what is allowed."""
    parts = text.split("+")
    stages = [_stage(part) for part in parts]
    if len(parts) > 2 or None in stages:
        raise UnknownKindError(f"unknown index kind {text!r}: use one of {allowed_kinds()}")
    first, second = (*stages, None)[:2]
    assert first is not None  # noqa: S101 - for the type checker
    return Kind(text, first, second)


def _stage(text: str) -> Stage | None:
    match = re.fullmatch(rf"(?:pca{_NUMBER},)?(?:ivf{_NUMBER},)?(.*)", text, re.ASCII)
    if match is None:
        return None
    for family in FAMILIES:
        if found := re.fullmatch(family.pattern, match[3], re.ASCII):
            parameter = int(found[1]) if found.re.groups else 0
            return Stage(family, parameter, int(match[1] or 0), int(match[2] or 0))
    return None


def code_of(kind: str) -> str | None:
    """The name of the codes that stand for the vectors of a kind outside its index, as in `pca128,sq4`.

    Those of the second stage where there are two; None where they mean nothing elsewhere, or stand in lists.
    """
    stage = parse_kind(kind).stages[-1]
    if stage.lists or not stage.family.portable:
        return None
    code = re.sub(r"<\w+>", str(stage.parameter), stage.family.form)
    return f"pca{stage.components},{code}" if stage.components else code
