"""The grammar of index kinds, as one table with a row per family of codes.

    kind   = stage | stage "+" stage       the second stage re-ranks what the first, the faster one, proposes
    stage  = [ "pca" d "," ] [ "ivf" n "," ] code
    code   = flat | fp16 | sq8 | sq6 | sq4 | pq<m> | opq<m> | fs<m> | rabitq | hnsw<M> | hnsw<M>,sq8 | tcq<m>

as in `sq8`, `pca256,sq4`, `ivf1024,sq8`, `rabitq+sq4`, `pca128,fs32+sq8`, `pca128,fs32+pca128,sq4`. Every stage sees
the whole vector. A new code is a new row, and an entry in `indexes.makers` that makes and restores its codes.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from numbers import Integral

from indexes.errors import UnknownKindError, UnsuitableKindError

LARGE_GALLERY_KIND = "pca128,fs32+sq8"
_LARGEST_DIMENSION = 65_536
_LEAST_SAMPLE = 256  # vectors to learn anything from
_SETTLED_TIMES = 4
_PER_LIST = 16


def _fits_always(dimension: int, parameter: int) -> str:
    return ""


def _dividing(form: str, factor: int = 1) -> Callable[[int, int], str]:
    """Tell what is wrong where factor times the parameter does not divide the dimension."""

    def misfit(dimension: int, m: int) -> str:
        if dimension % (factor * m) == 0:
            return ""
        fitting = [one for one in range(1, dimension // factor + 1) if dimension % (factor * one) == 0]
        nearest = sorted(sorted(fitting, key=lambda one: abs(one - m))[:12])
        if not nearest:
            return f"it is odd, and {form} needs an even one"
        what = "m" if factor == 1 else f"{factor} m"
        return f"{what} has to divide it, as in {', '.join(form.replace('<m>', str(one)) for one in nearest)}"

    return misfit


def _too_few_neighbours(dimension: int, m: int) -> str:
    return "" if m >= 2 else "M has to be 2 or more"


@dataclass(frozen=True, slots=True)
class Family:
    """One row of the table. `parameter` is the number in the code's name, 0 where the family takes none."""

    form: str  # as users write it
    pattern: str  # whole name; its only group is the parameter
    maker: str  # name in `indexes.makers`
    summary: str
    exact_to: str  # how far scores are from the exact ones, in words
    bytes_per_vector: Callable[[int, int], float]  # (dimension, parameter)
    learns: bool = False  # whether training changes anything
    training_size: int = 0  # vectors that training has to see before the first add; 0: ready from the start
    misfit: Callable[[int, int], str] = _fits_always  # (dimension, parameter) -> why not, or ""
    removes: bool = True  # natively; otherwise the removed is wiped and skipped, until there is much of it
    exhaustive: bool = True  # a search looks at every vector as it is stored
    portable: bool = True  # a vector's code can be kept outside the index and given back, see `indexes.coder`
    inverts: bool = True  # whether an inverted file can stand in front


FAMILIES: tuple[Family, ...] = (
    Family(
        form="flat",
        pattern="flat",
        maker="FLAT",
        summary="FP32",
        exact_to="exact",
        bytes_per_vector=lambda dimension, _: 4.0 * dimension,
    ),
    Family(
        form="fp16",
        pattern="fp16",
        maker="FP16",
        summary="FP16",
        exact_to="0.0001 of cosine",
        bytes_per_vector=lambda dimension, _: 2.0 * dimension,
    ),
    Family(
        form="sq8",
        pattern="sq(8)",
        maker="SQ",
        summary="INT8, one byte per component, ready without training",
        exact_to="0.001 of cosine",
        bytes_per_vector=lambda dimension, _: float(dimension),
        learns=True,
    ),
    Family(
        form="sq6",
        pattern="sq(6)",
        maker="SQ",
        summary="6 bits per component, ready without training",
        exact_to="0.005 of cosine",
        bytes_per_vector=lambda dimension, _: float((6 * dimension + 7) // 8),
        learns=True,
    ),
    Family(
        form="sq4",
        pattern="sq(4)",
        maker="SQ",
        summary="4 bits per component, ready without training",
        exact_to="0.02 of cosine",
        bytes_per_vector=lambda dimension, _: float((4 * dimension + 7) // 8),
        learns=True,
    ),
    Family(
        form="pq<m>",
        pattern=r"pq([1-9]\d{0,4})",
        maker="PQ",
        summary="product quantization, m bytes per vector, m divides the dimension",
        exact_to="the better, the larger m",
        bytes_per_vector=lambda _, m: float(m),
        learns=True,
        training_size=_LEAST_SAMPLE,
        misfit=_dividing("pq<m>"),
    ),
    Family(
        form="opq<m>",
        pattern=r"opq([1-9]\d{0,4})",
        maker="OPQ",
        summary="product quantization behind a learnt rotation, m bytes per vector, m divides the dimension",
        exact_to="the better, the larger m",
        bytes_per_vector=lambda _, m: float(m),
        learns=True,
        training_size=_LEAST_SAMPLE,
        misfit=_dividing("opq<m>"),
    ),
    Family(
        form="fs<m>",
        pattern=r"fs([1-9]\d{0,4})",
        maker="FASTSCAN",
        summary="product quantization by 4 bits, scanned fast, m bytes per vector, 2 m divides the dimension",
        exact_to="the better, the larger m; nearest by a rougher sum",
        bytes_per_vector=lambda _, m: float(m),
        learns=True,
        training_size=_LEAST_SAMPLE,
        misfit=_dividing("fs<m>", 2),
        exhaustive=False,
        portable=False,
    ),
    Family(
        form="rabitq",
        pattern="rabitq",
        maker="RABITQ",
        summary="one bit per component and 8 bytes, ready without training",
        exact_to="0.05 of cosine",
        bytes_per_vector=lambda dimension, _: float((dimension + 7) // 8 + 8),
        inverts=False,
    ),
    Family(
        form="hnsw<M>",
        pattern=r"hnsw([1-9]\d{0,2})",
        maker="HNSW_FLAT",
        summary="a graph over FP32, M to 2 M neighbours of each vector",
        exact_to="exact, of the vectors that the walk meets",
        bytes_per_vector=lambda dimension, m: 4.0 * dimension + 8 * m + 16,
        misfit=_too_few_neighbours,
        removes=False,
        exhaustive=False,
        inverts=False,
        portable=False,
    ),
    Family(
        form="hnsw<M>,sq8",
        pattern=r"hnsw([1-9]\d{0,2}),sq8",
        maker="HNSW_SQ8",
        summary="the same over INT8",
        exact_to="0.001 of cosine, of the vectors that the walk meets",
        bytes_per_vector=lambda dimension, m: 1.0 * dimension + 8 * m + 16,
        misfit=_too_few_neighbours,
        removes=False,
        exhaustive=False,
        inverts=False,
        portable=False,
    ),
    Family(
        form="tcq<m>",
        pattern=r"tcq([1-9]\d{0,4})",
        maker="TRELLIS",
        summary="trellis-coded principal components, m bytes per vector, the best per byte; slower",
        exact_to="the better, the larger m",
        bytes_per_vector=lambda _, m: float(m),
        learns=True,
        training_size=_LEAST_SAMPLE,
        misfit=lambda dimension, m: "" if 2 <= m <= dimension else "m has to be from 2 to the dimension",
        inverts=False,
    ),
)
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
        return max(_LEAST_SAMPLE, self.components, self.family.training_size)

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
