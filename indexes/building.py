"""From a stage of a kind to its codes: empty, or from a file."""

from __future__ import annotations

from functools import partial

from indexes.codes import Codes, Floats
from indexes.container import SectionReader
from indexes.families import Maker
from indexes.kinds import Stage
from indexes.rotation import RotatedCodes, principal_rotation


def empty_codes(stage: Stage, dimension: int) -> Codes:
    """Codes of the stage for vectors of the dimension, with no rows."""
    width = stage.width(dimension)
    inner = _maker(stage).make(width, stage.parameter, stage.lists)
    if not stage.components:
        return inner
    return RotatedCodes(inner, None, partial(_principal, width))


def restored_codes(stage: Stage, dimension: int, reader: SectionReader, name: str) -> Codes:
    """Codes of the stage from a file; raises VectorIndexError where the sections hold something else."""
    maker, width = _maker(stage), stage.width(dimension)

    def restore(reader: SectionReader, name: str) -> Codes:
        return maker.restore(reader, name, width, stage.parameter, stage.lists)

    if not stage.components:
        return restore(reader, name)
    return RotatedCodes.restored(reader, name, (width, dimension), restore, partial(_principal, width))


def _principal(components: int, x: Floats) -> Floats:
    return principal_rotation(x, components)


def _maker(stage: Stage) -> Maker:
    return stage.family.maker()
