"""The families of codes, a file for each: its row of the grammar, its maker, its codec and its checks of a file.

A new family is a file here and a line in `FAMILIES`.
"""

from __future__ import annotations

from indexes.families.family import Family, Maker
from indexes.families.fastscan import FASTSCAN
from indexes.families.flat import FLAT
from indexes.families.graphs import HNSW, HNSW_SQ8
from indexes.families.half import HALF
from indexes.families.product import OPQ, PQ
from indexes.families.rabitq import RABITQ
from indexes.families.scalar import SQ4, SQ6, SQ8
from indexes.families.trellis_coded import TRELLIS

FAMILIES: tuple[Family, ...] = (FLAT, HALF, SQ8, SQ6, SQ4, PQ, OPQ, FASTSCAN, RABITQ, HNSW, HNSW_SQ8, TRELLIS)

__all__ = ["FAMILIES", "Family", "Maker"]
