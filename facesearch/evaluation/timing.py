"""Milliseconds, bytes and memory of encoders, measured in turns (`facesearch encoders bench`) and kept.

Times belong to a machine: they are kept under the processor, the versions and the encoders compared, so that a matrix
that is run again shows the same ones instead of measuring while something else is going on.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from facesearch.encoders import EncoderSpec, find_model
from facesearch.evaluation.extraction import Stage
from facesearch.evaluation.json_documents import from_document, to_document
from facesearch.evaluation.results import Machine, Version
from facesearch.files import locations
from facesearch.files.durable import write_atomically
from facesearch.workshop.encoder_benchmark import bench

PACKAGES = ("facesearch", "numpy", "pillow", "onnxruntime", "openvino", "torch", "faiss-cpu")
_RUNS = 7


@dataclass(frozen=True, slots=True)
class EncoderCost:
    """Of one encoder: bytes of its file, ms for one crop in one thread (median), peak memory of its process."""

    encoder: str
    file_bytes: int
    encode_ms: float
    peak_memory_bytes: int


@dataclass(frozen=True, slots=True)
class _Kept:
    costs: tuple[EncoderCost, ...]


def encoder_costs(specs: Sequence[EncoderSpec], *, again: bool = False, stage: Stage) -> dict[EncoderSpec, EncoderCost]:
    """The costs of encoders measured side by side; `again`: measure even where they were measured before."""
    path = locations.home() / "cache" / "timings" / f"{_key(specs)}.json"
    kept = None if again else _read(path)
    if kept is None:
        with stage(f"timing {len(specs)} encoders") as progress:
            rows = bench([str(spec) for spec in specs], runs=_RUNS, threads=1, progress=progress)
        kept = _Kept(
            tuple(EncoderCost(row.encoder, row.file_bytes, row.ms_batch_1, row.peak_memory_bytes) for row in rows)
        )
        locations.make_own_folder(path.parent)
        text = json.dumps(to_document(kept))
        write_atomically(path, lambda file: file.write(text.encode("utf-8")))
    return {EncoderSpec.parse(cost.encoder): cost for cost in kept.costs}


def machine() -> Machine:
    """The processor and how many cores it shows."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    except OSError:
        names = []
    return Machine(names[0] if names else platform.processor() or platform.machine(), os.cpu_count() or 1)


def versions() -> tuple[Version, ...]:
    """Python and the packages that shape figures, as installed."""
    found = [Version("python", platform.python_version())]
    for name in PACKAGES:
        try:
            found.append(Version(name, version(name)))
        except PackageNotFoundError:
            continue
    return tuple(found)


def _read(path: Path) -> _Kept | None:
    try:
        return from_document(_Kept, json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError):
        return None


def _key(specs: Sequence[EncoderSpec]) -> str:
    here = machine()
    facts = [here.cpu, str(here.cores), *(f"{each.name} {each.version}" for each in versions())]
    for spec in sorted(specs, key=str):
        model = find_model(spec.model)
        facts.append(f"{spec} {model.fingerprint(model.variant(spec))}")
    return hashlib.sha256("\n".join(facts).encode()).hexdigest()[:32]
