"""The one way in which OpenVINO is imported: without the usage reports that its packages send over the network."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from facesearch.errors import FacesearchError

INSTALL = "pip install 'facesearch[openvino]'"

_TELEMETRY = "openvino_telemetry"


@contextmanager
def without_telemetry() -> Iterator[None]:
    """While this is open, `import openvino` and `import nncf` find no telemetry package and take their empty stand-in.

    No file of consent is written, nothing is asked and nothing sent, whatever the user's settings are.
    """
    if _TELEMETRY in sys.modules:  # imported already, by somebody else or blocked by an outer call
        yield
        return
    sys.modules[_TELEMETRY] = None  # type: ignore[assignment]  # documented: makes its import fail
    try:
        yield
    finally:
        sys.modules.pop(_TELEMETRY, None)


def import_openvino(needed_for: str) -> Any:
    """The module `openvino`; raises `FacesearchError` with the command that installs it where it is missing."""
    try:
        with without_telemetry():
            return importlib.import_module("openvino")
    except ImportError as error:
        raise FacesearchError(f"{needed_for} needs openvino, which is not installed: {INSTALL}") from error
