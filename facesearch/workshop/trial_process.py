"""The process in which a model of somebody else is tried; see `facesearch.workshop.trial`."""

from __future__ import annotations

import importlib
import json
import os
import signal
import sys
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import IO, Any

from facesearch.encoders.catalog import ONNX_FAMILY
from facesearch.encoders.manifest import Source
from facesearch.encoders.networks.torchvision_ops import ensure_torchvision
from facesearch.errors import FacesearchError, WeightsError
from facesearch.workshop.model_making import Job, make_model
from facesearch.workshop.onnx_options import OnnxOptions, parse_options
from facesearch.workshop.sample_crops import sample_crops

_SPARE_SECONDS = 5.0  # the parent comes first; this is for where it was killed
_LIBRARIES = ("onnx", "facesearch.workshop.onnx_wrapping")
_OF_CHECKPOINTS = ("facesearch.workshop.checkpoint", "facesearch.workshop.onnx_export", "timm")


def main() -> None:
    """Read what is asked from standard input, make the model, tell of it on standard output."""
    asked = json.loads(sys.stdin.readline())
    with os.fdopen(os.dup(1), "w", encoding="ascii") as told:
        os.dup2(2, 1)  # what libraries print is not for the parent
        _load_libraries(asked["family"])
        _tell(told, {"ready": True})
        _limit_time(asked["seconds"])
        _limit_memory(asked["memory"])
        _tell(told, _answer(asked, told))


def _load_libraries(family: str) -> None:
    """What they take is not the model's. One that is missing is told of later, where it is needed."""
    with suppress(ImportError):
        for library in _LIBRARIES:
            importlib.import_module(library)
        if family != ONNX_FAMILY:
            ensure_torchvision()
            for library in _OF_CHECKPOINTS:
                importlib.import_module(library)


def _answer(asked: dict[str, Any], told: IO[str]) -> dict[str, Any]:
    path = Path(asked["path"])
    job = Job(path, Source(**asked["source"]), asked["name"], asked["family"], _options(asked["options"]))
    try:
        made = make_model(
            Path(asked["folder"]),
            job,
            sample_crops if asked["tested"] else None,
            lambda text: _tell(told, {"step": text}),
        )
    except FacesearchError as error:
        return {"error": str(error).replace(str(path), asked["shown"]), "kind": type(error).__name__}
    except MemoryError:
        return _refused(asked, f"asks for more than {asked['memory'] >> 20} MB of memory")
    except Exception as error:  # whatever a file that was made to do harm brings about in a library
        return _refused(asked, f"cannot be read ({type(error).__name__}): is it damaged?")
    return {"self_test": made.self_test and asdict(made.self_test), "warnings": made.warnings}


def _refused(asked: dict[str, Any], what: str) -> dict[str, Any]:
    return {"error": f"'{asked['shown']}' {what}", "kind": WeightsError.__name__}


def _options(values: dict[str, Any] | None) -> OnnxOptions | None:
    return None if values is None else parse_options(values)


def _tell(told: IO[str], line: dict[str, Any]) -> None:
    told.write(json.dumps(line) + "\n")
    told.flush()


def _limit_time(seconds: float) -> None:
    if hasattr(signal, "setitimer"):
        signal.setitimer(signal.ITIMER_REAL, seconds + _SPARE_SECONDS)  # ends the process: nothing handles it


def _limit_memory(more: int) -> None:
    """Let the process have so many bytes more than it has now, where the system can be asked for that."""
    try:
        import resource

        status = Path("/proc/self/status").read_text(encoding="ascii")
    except (ImportError, OSError):
        return
    held = next(int(line.split()[1]) << 10 for line in status.splitlines() if line.startswith("VmData:"))
    resource.setrlimit(resource.RLIMIT_DATA, (held + more, held + more))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


if __name__ == "__main__":
    main()
