"""Where things are kept: `$FACESEARCH_HOME` and `$FACESEARCH_GALLERY`, else the platform's folder for user data."""

from __future__ import annotations

import os
from pathlib import Path


def home() -> Path:
    """Models, caches and runs."""
    given = os.environ.get("FACESEARCH_HOME")
    if given:
        return Path(given)
    from platformdirs import user_data_path

    return user_data_path("facesearch", appauthor=False)


def default_gallery() -> Path:
    """The gallery that commands use without `--gallery`."""
    given = os.environ.get("FACESEARCH_GALLERY")
    return Path(given) if given else home() / "gallery"
