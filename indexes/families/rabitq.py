"""`rabitq`: one bit per component, and a few numbers per vector."""

from __future__ import annotations

from typing import Any

from indexes.faiss_library import faiss
from indexes.families.bases import holds_codes
from indexes.families.family import Family, Maker


def rabitq_base(dimension: int, parameter: int) -> Any:
    """One bit per component and a few numbers per vector (Gao and Long, "RaBitQ", SIGMOD 2024)."""
    import numpy as np

    library = faiss()
    base = library.IndexRaBitQ(dimension, library.METRIC_INNER_PRODUCT)
    base.train(np.zeros((1, dimension), np.float32))  # centred at zero: ready without training
    return base


def is_rabitq(base: Any, dimension: int, parameter: int) -> bool:
    import numpy as np

    library = faiss()
    return (
        isinstance(base, library.IndexRaBitQ)
        and holds_codes(base, dimension, library.IndexRaBitQ(dimension, library.METRIC_INNER_PRODUCT).code_size)
        and base.rabitq.nb_bits == 1
        and library.vector_to_array(base.center).shape == (dimension,)
        and bool(np.isfinite(library.vector_to_array(base.center)).all())
    )


def _maker() -> Maker:
    from indexes.families.makers import FaissMaker, RotatedMaker

    return RotatedMaker(FaissMaker(rabitq_base, is_rabitq, selects=True))


RABITQ = Family(
    form="rabitq",
    pattern="rabitq",
    maker=_maker,
    summary="one bit per component and 8 bytes, ready without training",
    exact_to="0.05 of cosine",
    bytes_per_vector=lambda dimension, _: float((dimension + 7) // 8 + 8),
    inverts=False,
)
