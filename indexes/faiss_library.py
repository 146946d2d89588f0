"""The one place that imports FAISS, at its first use."""

from __future__ import annotations

import warnings
from functools import cache
from importlib import import_module
from typing import Any


@cache
def faiss() -> Any:
    """Return the module `faiss`, imported on the first call."""
    with warnings.catch_warnings():
        # SWIG's generated types carry no __module__; newer Pythons say so at import, and nobody here can act on it.
        warnings.filterwarnings("ignore", r"builtin type \w+ has no __module__ attribute", DeprecationWarning)
        return import_module("faiss")
