"""What some tests need and the project does not contain: real photos, trained weights. One rule skips them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

VARIABLE = "FACESEARCH_TEST_DATA"
HOW = f"set {VARIABLE} to a folder laid out as docs/data.md says"


def needed(name: str) -> Path:
    """A file or folder in the test data, or in the folder `weights` beside it (`../weights/…`); skips without it."""
    given = os.environ.get(VARIABLE)
    path = Path(given or ".") / name
    if not given or not path.exists():
        pytest.skip(f"needs {name.removeprefix('../')}: {HOW}")
    return path
