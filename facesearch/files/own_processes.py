"""Processes of our own: modules of this package, run by this interpreter."""

from __future__ import annotations

import os
import sys
from pathlib import Path


def command(module: str, *words: str) -> list[str]:
    """What runs a module of the package."""
    return [sys.executable, "-m", module, *words]


def environment(**more: str) -> dict[str, str]:
    """The environment in which such a process finds the package, however this one has found it."""
    package = str(Path(__file__).parents[2])
    paths = [package, *filter(None, [os.environ.get("PYTHONPATH")])]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(paths), **more}
