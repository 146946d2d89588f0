"""One family of codes: its row of the grammar, and what makes its codes. Importing this loads no heavy library."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from indexes.codes import Codes
    from indexes.container import SectionReader

LEAST_SAMPLE = 256  # vectors to learn anything from


class Maker(Protocol):
    """Makes the codes of one family. lists: of an inverted file in front of them, 0 without."""

    def make(self, dimension: int, parameter: int, lists: int) -> Codes: ...

    def restore(self, reader: SectionReader, name: str, dimension: int, parameter: int, lists: int) -> Codes:
        """Codes from the sections of a file whose names begin with name; raises VectorIndexError if they are others."""
        ...


def fits_always(dimension: int, parameter: int) -> str:
    return ""


def dividing(form: str, factor: int = 1) -> Callable[[int, int], str]:
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


@dataclass(frozen=True, slots=True)
class Family:
    """One row of the table. `parameter` is the number in the code's name, 0 where the family takes none."""

    form: str  # as users write it
    pattern: str  # whole name; its only group is the parameter
    maker: Callable[[], Maker]  # loads what the codes need
    summary: str
    exact_to: str  # how far scores are from the exact ones, in words
    bytes_per_vector: Callable[[int, int], float]  # (dimension, parameter)
    learns: bool = False  # whether training changes anything
    once_learnt: bool = False  # whether training changed something in earlier versions, whose files are still read
    training_size: int = 0  # vectors that training has to see before the first add; 0: ready from the start
    misfit: Callable[[int, int], str] = fits_always  # (dimension, parameter) -> why not, or ""
    removes: bool = True  # natively; otherwise the removed is wiped and skipped, until there is much of it
    exhaustive: bool = True  # a search looks at every vector as it is stored
    portable: bool = True  # a vector's code can be kept outside the index and given back, see `indexes.coder`
    inverts: bool = True  # whether an inverted file can stand in front
