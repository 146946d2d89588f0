"""How OpenVINO is used: imported without the usage reports that its packages send over the network, and told to compute
what a file says."""

from __future__ import annotations

import importlib
import platform
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
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


def precision_settings(device: str) -> dict[str, Any]:
    """How OpenVINO has to compile a model so that it computes what its file says; device: as OpenVINO calls it."""
    # FP32 stays FP32 also on CPUs and GPUs that would compute in bfloat16 or half precision; INT8 is in the graph.
    settings: dict[str, Any] = {"INFERENCE_PRECISION_HINT": "f32"}
    if device == "CPU" and not integers_add_up():
        # The rounding of INT8 is kept, its products are computed in float: as fast there, and right.
        settings["LP_TRANSFORMS_MODE"] = "NO"
    return settings


def integers_add_up() -> bool:
    """Whether the CPU adds products of 8 bits in 32 bits. x86 without VNNI does so in 16, which overflow unnoticed; an
    x86 of which that cannot be read is taken for one of those."""
    if platform.machine().lower() not in ("x86_64", "amd64", "i686", "x86"):
        return True
    try:
        return "vnni" in Path("/proc/cpuinfo").read_text(encoding="utf-8")
    except OSError:
        return False
