"""Paths as they are given on the command line."""

from __future__ import annotations

from pathlib import Path

import typer


def given_path(text: str | Path) -> Path:
    """The path that a word names; an empty one is refused, as it would be the current folder."""
    if not str(text):
        raise typer.BadParameter("an empty path names nothing")
    return Path(text)


def given_folder(text: str | Path) -> Path:
    """The same where it is to be a folder, there or not."""
    path = given_path(text)
    if path.is_file():
        raise typer.BadParameter(f"{path} is a file, not a folder")
    return path
