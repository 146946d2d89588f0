"""Where things are kept: `$FACESEARCH_HOME` and `$FACESEARCH_GALLERY`, else the platform's folder for user data."""

from __future__ import annotations

import os
from pathlib import Path

from facesearch.files.permissions import make_private_folder


def home() -> Path:
    """Models, caches and runs."""
    given = os.environ.get("FACESEARCH_HOME")
    if given:
        return Path(given)
    from platformdirs import user_data_path

    return user_data_path("facesearch", appauthor=False)


def projections_folder() -> Path:
    """The folder with a folder for each gallery on a server that this machine has index files of."""
    return home() / "projections"


def default_gallery() -> str | Path:
    """The gallery that commands use without `--gallery`: a folder, or the URL of one on a server."""
    given = os.environ.get("FACESEARCH_GALLERY")
    if given and "://" in given:
        return given
    return Path(given) if given else home() / "gallery"


def make_own_folder(folder: Path) -> None:
    """Make a folder of caches or runs, below `home`, that other users cannot look into; raises OSError."""
    make_private_folder(folder, home())
