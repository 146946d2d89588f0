"""`tcq<m>`: trellis-coded principal components."""

from __future__ import annotations

from indexes.families.family import LEAST_SAMPLE, Family, Maker


def _maker() -> Maker:
    from indexes.trellis_codes import TrellisMaker

    return TrellisMaker()


TRELLIS = Family(
    form="tcq<m>",
    pattern=r"tcq([1-9]\d{0,4})",
    maker=_maker,
    summary="trellis-coded principal components, m bytes per vector, the best per byte; slower",
    exact_to="the better, the larger m",
    bytes_per_vector=lambda _, m: float(m),
    learns=True,
    training_size=LEAST_SAMPLE,
    misfit=lambda dimension, m: "" if 2 <= m <= dimension else "m has to be from 2 to the dimension",
    inverts=False,
)
