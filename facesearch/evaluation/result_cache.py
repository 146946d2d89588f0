"""Results of long computations, kept in `$FACESEARCH_HOME/cache/searches` under a hash of all that went into them.

An evaluation that was interrupted, or that is run again with one more encoder, computes only what is new. A file that
is damaged or cannot be read counts as not there.
"""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from facesearch.files import locations
from facesearch.files.durable import write_atomically

WORTH_KEEPING = 0.5  # seconds that a computation takes, from which on its result is kept

Arrays = dict[str, npt.NDArray[Any]]


def key_of(name: str, *arrays: npt.NDArray[Any]) -> str:
    """A key of 32 hex digits for what a computation is called and what it is given."""
    digest = hashlib.sha256(name.encode())
    for array in arrays:
        digest.update(f"{array.dtype.str} {array.shape}".encode())
        digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()[:32]


def read(key: str) -> Arrays | None:
    """The arrays under a key, or None."""
    from safetensors import SafetensorError, safe_open

    path = _path(key)
    if not path.exists():
        return None
    try:
        with safe_open(path, framework="numpy") as file:
            arrays: Arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a mapping
            expected = (file.metadata() or {}).get("sha256")
    except (OSError, SafetensorError):
        return None
    return arrays if expected == _digest(arrays) else None


def write(key: str, arrays: Mapping[str, npt.NDArray[Any]]) -> None:
    """Keep arrays under a key, where the disk lets us."""
    from safetensors.numpy import save

    content = save(dict(arrays), metadata={"sha256": _digest(arrays)})
    path = _path(key)
    with contextlib.suppress(OSError):
        locations.make_own_folder(path.parent)
        write_atomically(path, lambda file: file.write(content))


def _digest(arrays: Mapping[str, npt.NDArray[Any]]) -> str:
    names = sorted(arrays)
    return key_of(" ".join(names), *(arrays[name] for name in names))


def _path(key: str) -> Path:
    return locations.home() / "cache" / "searches" / f"{key}.safetensors"
