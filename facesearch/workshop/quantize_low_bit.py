"""Make encoders below eight bits: photos -> crops without labels -> a method -> model folder."""

from __future__ import annotations

import re
import tempfile
from pathlib import Path

from facesearch.encoders import EncoderSpec, Model, find_model, read_variant
from facesearch.errors import FacesearchError, UsageError
from facesearch.quantization.lowbit.config import Config, choose_config
from facesearch.workshop.quantize import (
    SYNTHETIC,
    CalibrationCrops,
    Made,
    Progress,
    QuantizationReport,
    QuantizedFile,
    Step,
    calibration_crops,
    require_onnx,
    store_tried,
)

BACKEND = "torch"

_MEASURED, _TRAINED = 250, 3000  # photos
_LEAST = 64  # crops to train on
_SIMULATED = (
    "weights are stored in few bits; activations are rounded, but computed with in float32 (simulated): "
    "smaller, not faster"
)


def is_low_bit(precision: str) -> bool:
    """Whether a precision is one that is made here: bits of weights and of activations."""
    return re.fullmatch(r"w\d+a\d+", precision) is not None


def quantize_low_bit(
    name: str,
    *,
    precision: str,
    method: str = "quantface",
    budget_bits: float | None = None,
    steps: int | None = None,
    calibration: Path | None = None,
    progress: Progress = lambda done, total: None,
    step: Step = lambda text: None,
) -> QuantizationReport:
    """Bring a model that is on this machine to few bits for the torch backend, and put the file into its folder.

    precision: "w4a8" is weights of 4 and activations of 8 bits. method: one of `METHODS`. budget_bits: the average
    instead of those two. steps: of training, 0 for none. calibration, progress, step: as `quantize_encoder` has them.
    Raises `UsageError` for what cannot be asked for, `FacesearchError` where a package is missing; the model folder is
    as it was then.
    """
    config = choose_config(precision, method, budget_bits, steps)
    model = find_model(EncoderSpec.parse(name).model)
    source = _source(model)
    found = calibration_crops(model, calibration, progress, _TRAINED if config.training else _MEASURED)
    if config.training and len(found.crops) < _LEAST:
        raise UsageError(
            f"{len(found.crops)} faces are too few to train on, {_LEAST} are needed, besides those that judge the "
            "result: give a folder of more photos with --calibration"
        )
    warnings = [_SIMULATED, SYNTHETIC] if calibration is None else [_SIMULATED]
    file = _quantize(model, source, config, found, progress, step)
    count = len(found.crops) + len(found.held_out)
    return QuantizationReport(model.name, (file,), count, found.skipped, found.sha256, tuple(warnings))


def _source(model: Model) -> bytes:
    """The FP32 weights for torch; raises `UsageError` for a model that torch has no network of."""
    stored = [each for each in model.variants if (each.precision, each.backend) == ("fp32", BACKEND)]
    if not stored:
        model.variant(EncoderSpec(model.name))  # tells what to do where there is nothing at all
        raise UsageError(f"{model.name} has no weights for torch: few bits are for models of a known family")
    return read_variant(stored[0])


def _quantize(
    model: Model, source: bytes, config: Config, found: CalibrationCrops, progress: Progress, step: Step
) -> QuantizedFile:
    try:
        from facesearch.encoders.networks.int8_network import fp32_network
        from facesearch.encoders.torch_encoder import read_state
        from facesearch.quantization.lowbit.quantize_network import quantize
    except ImportError as error:
        lacking = error.name or "torch"
        raise FacesearchError(
            f"quantizing needs {lacking}, which is not installed: pip install 'facesearch[torch]'"
        ) from error
    require_onnx()
    title = f"{model.name}'s FP32 weights"
    network = fp32_network(model.family, read_state(model.family, source, title), title)
    done = quantize(network, model.family, config, found.crops, step=step, progress=progress)
    bits = (done.report.weight_bits, done.report.activation_bits)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "lowbit.safetensors"
        path.write_bytes(done.data)
        return store_tried(
            model,
            EncoderSpec(model.name, config.precision, BACKEND),
            Made(path, config.scheme, bits=bits),
            found,
            source,
            original=EncoderSpec(model.name, "fp32", BACKEND),
            advice="try another --method",
            step=step,
        )
