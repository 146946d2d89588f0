"""Compare encoders: time per crop, memory, size, and how close each comes to its FP32 model."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from facesearch.encoders import EncoderSpec, find_model, load_encoder, variants
from facesearch.encoders.backends import load
from facesearch.encoders.crop_encoder import BATCH, CropEncoder
from facesearch.errors import FacesearchError, UnknownEncoderError, UsageError
from facesearch.workshop.sample_crops import sample_crops

_REFERENCE = "fp32"
_LONGEST_S = 600


@dataclass(frozen=True, slots=True)
class BenchRow:
    """One encoder. Times are medians, in milliseconds per crop; memory is the peak of a process that runs it alone.

    cosine_to_fp32: mean and least cosine to the same model at FP32, over crops of people who do not exist.
    speedup_same_backend, speedup_best_fp32: how often faster than FP32 of the same model on the same backend, and than
    the fastest FP32 of that model among those compared; at batch 1 and batch 32, None where there is none.
    """

    encoder: str
    device: str
    file_bytes: int
    ms_batch_1: float
    ms_batch_32: float
    images_per_second: float
    peak_memory_bytes: int
    cosine_to_fp32: float
    least_cosine_to_fp32: float
    speedup_same_backend: tuple[float, float] | None
    speedup_best_fp32: tuple[float, float] | None


@dataclass(frozen=True, slots=True, eq=False)
class _Measured:
    spec: EncoderSpec
    device: str
    batch_1: float  # ms per crop
    batch_32: float
    templates: npt.NDArray[np.float32]


def bench(
    names: Sequence[str],
    *,
    runs: int = 10,
    threads: int = 0,
    device: str = "cpu",
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> list[BenchRow]:
    """Measure encoders, `runs` times each and in turn, so that what slows the machine for a while slows them all.

    Raises what `load_encoder` raises, for each of the names before anything is measured, and `UsageError` for a name
    that is given twice or a number of runs that is not positive.
    """
    if runs < 1:
        raise UsageError(f"--runs is {runs}: at least 1 is needed")
    specs = [EncoderSpec.parse(name) for name in names]
    twice = next((spec for number, spec in enumerate(specs) if spec in specs[:number]), None)
    if twice is not None:
        raise UsageError(f"{twice} is given twice")
    sizes = [_file_bytes(spec) for spec in specs]
    total = len(specs) * (runs + 2)
    encoders: list[CropEncoder] = []
    for spec in specs:
        encoders.append(_loaded(spec, threads, device))
        progress(len(encoders), total)
    measured = _measure(encoders, runs, lambda done: progress(len(specs) + done, total))
    references = _references(measured, threads)
    del encoders
    memory = []
    for spec in specs:
        memory.append(_memory_in_process(spec, threads, device))
        progress(len(specs) * (runs + 1) + len(memory), total)
    return [
        _row(each, measured, references[each.spec.model], size, peak)
        for each, size, peak in zip(measured, sizes, memory, strict=True)
    ]


def peak_memory() -> int:
    """Bytes that this process held at most in physical memory.

    From /proc where there is one: what `getrusage` says begins with the size of the process that started this one.
    """
    status = Path("/proc/self/status")
    if status.exists():
        for line in status.read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def print_memory(name: str, threads: int, device: str) -> None:
    """Run one encoder, then write the memory that this process needed to standard output, as JSON."""
    encoder = load_encoder(name, threads=threads, device=device)
    encoder.encode(np.full((BATCH, encoder.crop_size, encoder.crop_size, 3), 128, dtype=np.uint8))
    sys.stdout.write(json.dumps({"peak_memory_bytes": peak_memory()}) + "\n")


_IN_PROCESS = (
    "import sys; from facesearch.workshop.encoder_benchmark import print_memory; "
    "print_memory(sys.argv[1], int(sys.argv[2]), sys.argv[3])"
)


def _memory_in_process(spec: EncoderSpec, threads: int, device: str) -> int:
    command = [sys.executable, "-c", _IN_PROCESS, str(spec), str(threads), device]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_LONGEST_S, check=True)  # noqa: S603
        found: int = json.loads(done.stdout.splitlines()[-1])["peak_memory_bytes"]
    except (subprocess.SubprocessError, OSError, ValueError, IndexError, KeyError) as error:
        raise FacesearchError(f"the memory of {spec} could not be measured: its process failed") from error
    return found


def _file_bytes(spec: EncoderSpec) -> int:
    model = find_model(spec.model)
    model.variant(spec)  # says what is wrong with a name
    return next(variant.size_bytes for variant in variants(model) if variant.spec == spec)


def _loaded(spec: EncoderSpec, threads: int, device: str) -> CropEncoder:
    model = find_model(spec.model)
    return load(model, model.variant(spec), threads, device=device, warm_up=True)


def _measure(encoders: Sequence[CropEncoder], runs: int, progress: Callable[[int], None]) -> list[_Measured]:
    crops = [sample_crops(encoder.crop, encoder.crop_size).crops for encoder in encoders]
    batches = [np.resize(each, (BATCH, *each.shape[1:])) for each in crops]
    for encoder, batch in zip(encoders, batches, strict=True):
        encoder.encode(batch)
    single: list[list[float]] = [[] for _ in encoders]
    full: list[list[float]] = [[] for _ in encoders]
    for run in range(runs):
        for number, (encoder, batch) in enumerate(zip(encoders, batches, strict=True)):
            crop = batch[run % BATCH][None]
            encoder.encode(crop)  # the one before had other work in the caches
            single[number].append(_milliseconds(encoder, crop))
            full[number].append(_milliseconds(encoder, batch) / BATCH)
            progress(run * len(encoders) + number + 1)
    return [
        _Measured(encoder.spec, encoder.device, float(np.median(one)), float(np.median(many)), encoder.encode(each))
        for encoder, one, many, each in zip(encoders, single, full, crops, strict=True)
    ]


def _milliseconds(encoder: CropEncoder, crops: npt.NDArray[np.uint8]) -> float:
    start = time.perf_counter()
    encoder.encode(crops)
    return 1000 * (time.perf_counter() - start)


def _references(measured: Sequence[_Measured], threads: int) -> dict[str, npt.NDArray[np.float32]]:
    """Templates of the sample by each model at FP32, (n, d): of one that was measured, else from its file."""
    found: dict[str, npt.NDArray[np.float32]] = {}
    for each in sorted(measured, key=lambda one: (one.spec.precision != _REFERENCE, one.spec.backend != "onnx")):
        name = each.spec.model
        if name in found:
            continue
        if each.spec.precision == _REFERENCE:
            found[name] = each.templates
            continue
        model = find_model(name)
        backend = next((v.backend for v in model.variants if v.precision == _REFERENCE), None)
        if backend is None:
            raise UnknownEncoderError(f"there is no {name}:fp32 to compare with: facesearch encoders pull {name}")
        encoder = load_encoder(str(EncoderSpec(name, _REFERENCE, backend)), threads=threads)
        found[name] = encoder.encode(sample_crops(encoder.crop, encoder.crop_size).crops)
    return found


def _row(
    each: _Measured, measured: Sequence[_Measured], reference: npt.NDArray[np.float32], size: int, peak: int
) -> BenchRow:
    cosine = (each.templates * reference).sum(axis=1)  # (n,)
    fp32 = [one for one in measured if one.spec.model == each.spec.model and one.spec.precision == _REFERENCE]
    same = [one for one in fp32 if one.spec.backend == each.spec.backend]
    return BenchRow(
        encoder=str(each.spec),
        device=each.device,
        file_bytes=size,
        ms_batch_1=each.batch_1,
        ms_batch_32=each.batch_32,
        images_per_second=1000 / each.batch_32,
        peak_memory_bytes=peak,
        cosine_to_fp32=float(cosine.mean()),
        least_cosine_to_fp32=float(cosine.min()),
        speedup_same_backend=_speedup(each, same),
        speedup_best_fp32=_speedup(each, fp32),
    )


def _speedup(each: _Measured, others: Sequence[_Measured]) -> tuple[float, float] | None:
    if not others:
        return None
    return (
        min(one.batch_1 for one in others) / each.batch_1,
        min(one.batch_32 for one in others) / each.batch_32,
    )
