"""How a template is stored: float32, float16 or int8 bytes. Pure functions.

A template has unit length, so its direction is all that counts: int8 scales every vector by its own largest component
(all 255 steps are used) and needs to store no scale, because decoding normalises.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from facesearch.errors import StoreError

Vectors = npt.NDArray[np.float32]


class TemplateCodec(Protocol):
    """One way to store templates."""

    @property
    def name(self) -> str:
        """As it stands beside every template in the store."""
        ...

    def encode(self, templates: Vectors) -> list[bytes]:
        """Templates (n, d) float32 of unit length -> n codes."""
        ...

    def decode(self, codes: list[bytes], dimension: int) -> Vectors:
        """n codes -> templates (n, dimension) float32 of unit length; raises `StoreError` if a code is damaged."""
        ...


@dataclass(frozen=True, slots=True)
class Codec:
    """One way to store templates: its name, the type of a component, and how vectors (n, d) become components."""

    name: str
    dtype: np.dtype[np.generic]
    quantize: Callable[[Vectors], npt.NDArray[np.generic]]

    def encode(self, templates: Vectors) -> list[bytes]:
        """Templates (n, d) float32 of unit length -> n codes of d · itemsize bytes."""
        codes = np.ascontiguousarray(self.quantize(templates), dtype=self.dtype)
        return [row.tobytes() for row in codes]

    def decode(self, codes: list[bytes], dimension: int) -> Vectors:
        """n codes -> templates (n, dimension) float32 of unit length; raises `StoreError` if a code is damaged."""
        size = dimension * self.dtype.itemsize
        if any(len(code) != size for code in codes):
            raise StoreError(f"a stored template is damaged: it is not {size} bytes long; restore a backup")
        values = np.frombuffer(b"".join(codes), dtype=self.dtype).reshape(-1, dimension).astype(np.float32)
        length = np.linalg.norm(values, axis=1, keepdims=True)
        if not (np.isfinite(length).all() and (length > 0).all()):
            raise StoreError("a stored template is damaged: it has no direction; restore a backup")
        unit: Vectors = values / length
        return unit


def _int8(templates: Vectors) -> npt.NDArray[np.generic]:
    largest = np.abs(templates).max(axis=1, keepdims=True)  # (n, 1)
    codes: npt.NDArray[np.generic] = np.rint(templates * (127 / np.maximum(largest, 1e-30))).astype(np.int8)
    return codes


CODECS: dict[str, Codec] = {
    codec.name: codec
    for codec in (
        Codec("fp32", np.dtype("<f4"), lambda templates: templates),
        Codec("fp16", np.dtype("<f2"), lambda templates: templates.astype(np.float16)),
        Codec("int8", np.dtype("i1"), _int8),
    )
}


def find_codec(name: str) -> Codec:
    """The codec of that name; raises `StoreError` for one that this version does not know."""
    try:
        return CODECS[name]
    except KeyError:
        raise StoreError(f"templates are stored as '{name}', which this version cannot read: upgrade") from None
