"""A folder with what is in it, made whole or not at all."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from facesearch.errors import UsageError
from facesearch.files.durable import sync, temporary_name


def check_new_folder(target: Path) -> None:
    """Raises `UsageError` where no new folder can be: there is something in it, or it has no folder to be in."""
    try:
        if target.is_dir():
            if any(target.iterdir()):
                raise UsageError(f"{target} is not empty: name a folder that is not there yet")
        elif os.path.lexists(target):
            raise UsageError(f"{target} is no folder")
        elif not target.absolute().parent.is_dir():
            raise UsageError(f"{target}: there is no folder for it")
    except OSError as error:
        raise UsageError(f"{target} cannot be read ({(error.strerror or 'error').lower()})") from error


@contextmanager
def new_folder(target: Path) -> Iterator[Path]:
    """A folder to be filled; leaving the block without an error makes it `target`, for its owner alone.

    Where target is there, which has to be empty, what was put into the folder goes there; a folder may be a disk of its
    own, or the one that somebody stands in. When anything fails, all of it is taken away again; only a killed process
    leaves a hidden folder that ends in .tmp. Raises OSError, and `UsageError` as `check_new_folder` does.
    """
    check_new_folder(target)
    there = target.is_dir()
    staged = temporary_name(target / "new") if there else temporary_name(target)
    moved: list[Path] = []
    try:
        staged.mkdir(mode=0o700)
        yield staged
        _sync_below(staged)
        if there:
            _move_up(staged, target, moved)
        else:
            os.rename(staged, _free(target))  # noqa: PTH104 - it never takes the place of what is there
            moved.append(target)
        sync(target)
        sync(target.absolute().parent)
    except BaseException:  # also an interrupt by the user: nothing may stay behind
        for path in (*moved, staged):
            shutil.rmtree(path, ignore_errors=True)
        raise


def _move_up(staged: Path, target: Path, moved: list[Path]) -> None:
    for path in sorted(staged.iterdir()):
        path.rename(_free(target / path.name))
        moved.append(target / path.name)
    staged.rmdir()


def _free(path: Path) -> Path:
    """A name that nobody has taken meanwhile."""
    if os.path.lexists(path):
        raise UsageError(f"{path} is there now: somebody else has made it")
    return path


def _sync_below(folder: Path) -> None:
    for parent, _, names in os.walk(folder):
        for name in names:
            if not (path := Path(parent, name)).is_symlink():
                sync(path)
        sync(Path(parent))
