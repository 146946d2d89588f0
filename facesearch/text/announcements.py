"""Lines that everybody should see though nothing is wrong: between what only --verbose shows and warnings."""

from __future__ import annotations

import logging

NOTICE = (logging.INFO + logging.WARNING) // 2

_log = logging.getLogger("facesearch")


def announce(message: str, *values: object) -> None:
    """Say in one line what happens by itself and takes a while, or answers otherwise from here on."""
    _log.log(NOTICE, message, *values)
