"""Taking people who are forgotten out of all that evaluations kept of their photos."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from facesearch.caches import in_use
from facesearch.caches.kinds import CODECS, RESULTS, RUNS, TEMPLATES, files_below, folders_of, remove_below
from facesearch.caches.purged import Purged
from facesearch.caches.stored_runs import RunPurger, Theirs
from facesearch.caches.template_cache import Shards


def purge(theirs: Theirs) -> Purged:
    """Take out what is of these people. Never raises for what is in the caches: what cannot be done is said."""
    done = Purged()
    _from_templates(theirs, done)
    _from_runs(theirs, done)
    done.at_work = in_use.others_at_work()
    if not done.at_work:
        _remove_unfinished(done)
    return done


def _from_templates(theirs: Theirs, done: Purged) -> None:
    for top in folders_of(TEMPLATES):
        for path in files_below(top, done.left):
            if path.suffix != ".safetensors":
                continue
            try:
                gone = Shards.purge(path, theirs.contents)
            except FileNotFoundError:  # somebody else has removed it
                continue
            except OSError:
                done.left.append(os.fspath(path))
                continue
            done.rows += gone or 0
            done.damaged += gone is None
    if done.rows or done.damaged:  # what was made of templates does not say of which
        for kind in (CODECS, RESULTS):
            for folder in folders_of(kind):
                deleted, left = remove_below(folder)
                done.derived += deleted
                done.left += left


def _from_runs(theirs: Theirs, done: Purged) -> None:
    purger = RunPurger(theirs)
    for folder in folders_of(RUNS):
        for path in _entries(folder, done.left):
            if path.suffix != ".json":
                continue
            try:
                done.errors += purger.purge(path)
            except FileNotFoundError:
                continue
            except (OSError, ValueError):
                done.left.append(os.fspath(path))


def _remove_unfinished(done: Purged) -> None:
    """Files that killed writers left."""
    for kind in (TEMPLATES, RUNS):
        for folder in folders_of(kind):
            for path in files_below(folder):
                if path.name.startswith(".") and path.suffix == ".tmp":
                    try:
                        path.unlink(missing_ok=True)
                        done.damaged += 1
                    except OSError:
                        done.left.append(os.fspath(path))


def _entries(folder: Path, left: list[str]) -> Iterator[Path]:
    try:
        yield from sorted(folder.iterdir())
    except (FileNotFoundError, NotADirectoryError):
        return
    except OSError:
        left.append(os.fspath(folder))
