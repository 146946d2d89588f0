"""What all benchmarks share: fair timing, and results as JSON with their provenance."""

from __future__ import annotations

import json
import os
import platform
import re
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import date
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from facesearch.quantization.turns import times_in_turns

_OWN = (tempfile.gettempdir(), str(Path.home()), str(Path(__file__).parents[1]), sys.prefix)
_FOLDERS = re.compile(rf"(?:{'|'.join(map(re.escape, _OWN))})/(?:[\w.+-]+/)*")
_PORT = re.compile(r"(127\.0\.0\.1):\d+")
RESULTS = Path(__file__).parent / "results"
PACKAGES = ("numpy", "pillow", "onnxruntime", "faiss-cpu", "torch", "torchvision", "facenet-pytorch", "dlib-bin")


def alternating(
    functions: Mapping[str, Callable[[], object]], runs: int, clock: Callable[[], float] = time.perf_counter
) -> dict[str, float]:
    """Median milliseconds of each function over `runs` runs, taken in turns: what disturbs one disturbs all.

    clock: seconds; `time.process_time` for work in one thread on a machine that has other work to do.
    """
    times = times_in_turns(list(functions.values()), runs, warm_up=0, clock=clock)
    return dict(zip(functions, times, strict=True))


def measured(results_name: str, payload: Any, command: str, packages: Sequence[str] = PACKAGES) -> Path:
    """Write `payload` with its provenance to benchmarks/results/<results_name>.json.

    command: what reproduces it, with folders by name: results carry no path of the machine.
    """
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"{results_name}.json"
    record = {
        "command": command,
        "machine": {"cpu": _cpu(), "cores": os.cpu_count(), "vnni": _has_vnni()},
        "versions": {"python": platform.python_version(), **_versions(packages)},
        "date": date.today().isoformat(),
        "results": payload,
    }
    path.write_text(placeless(json.dumps(record, indent=2)) + "\n", encoding="utf-8")
    return path


def placeless(text: str) -> str:
    """The same without what is of this machine and this moment: folders of files, and ports."""
    return _PORT.sub(r"\1", _FOLDERS.sub("", text))


def read_results(name: str) -> Any:
    """The payload of benchmarks/results/<name>.json."""
    return json.loads((RESULTS / f"{name}.json").read_text(encoding="utf-8"))["results"]


def kept_results(name: str) -> Any:
    """The same, None where there is no such file yet."""
    return read_results(name) if (RESULTS / f"{name}.json").exists() else None


def table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table in Markdown."""
    head = f"| {' | '.join(columns)} |\n|{'---|' * len(columns)}\n"
    return head + "".join(f"| {' | '.join(cells)} |\n" for cells in rows)


def _versions(packages: Sequence[str]) -> dict[str, str]:
    found = {}
    for name in packages:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def _cpu() -> str:
    names = _cpu_facts("model name")
    return names[0] if names else platform.processor() or platform.machine()


def _has_vnni() -> bool | None:
    """Whether the CPU has instructions for INT8 products with 32-bit sums; None where that cannot be read."""
    flags = _cpu_facts("flags")
    return any("vnni" in flag for flag in flags[0].split()) if flags else None


def _cpu_facts(name: str) -> list[str]:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return []
    return [line.partition(":")[2].strip() for line in lines if line.startswith(name)]
