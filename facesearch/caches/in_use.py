"""Whether a process is at work that may yet write into the caches what it has in its memory."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from facesearch.files import locations
from facesearch.files.locks import exclusive_lock

_ATTEMPTS = 5


@contextmanager
def in_use() -> Iterator[None]:
    """For as long as templates of photos are computed and kept: `others_at_work` sees it, also from other processes.

    What a killed process held counts no longer. Where no such mark can be made, nothing can be kept either.
    """
    with ExitStack() as mark:
        for _ in range(_ATTEMPTS):
            path = _folder() / f"{secrets.token_hex(8)}.lock"
            try:
                locations.make_own_folder(path.parent)
                mark.enter_context(exclusive_lock(path))
            except BlockingIOError:  # somebody looks at this moment whether it is held
                continue
            except OSError:
                break
            mark.callback(_remove, path)
            break
        yield


def others_at_work() -> bool:
    """Whether an evaluation or a calibration is running, in this process or in another."""
    try:
        marks = sorted(_folder().glob("*.lock"))
    except OSError:
        return False
    return any([_is_held(path) for path in marks])  # noqa: C419 - all of them: those that are not held are removed


def _is_held(path: Path) -> bool:
    try:
        with exclusive_lock(path):
            path.unlink(missing_ok=True)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False


def _remove(path: Path) -> None:
    with suppress(OSError):
        path.unlink(missing_ok=True)


def _folder() -> Path:
    return locations.home() / "cache" / "in-use"
