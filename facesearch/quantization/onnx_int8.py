"""An FP32 ONNX model -> INT8 ONNX: static and dynamic by ONNX Runtime's quantizer, the others by our own."""

from __future__ import annotations

import contextlib
import io
import logging
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import onnx

from facesearch.inference.onnx_session import open_session
from facesearch.quantization.balanced import noisiest, quantize_layers
from facesearch.quantization.equalise import depthwise, equalise
from facesearch.quantization.fidelity import Fidelity, layer_fidelity, lost_alone, summarise
from facesearch.quantization.onnx_layers import LINEAR, Layer, Pixels, embed, layers, prepare
from facesearch.quantization.ranges import Range, full_ranges, least_error_ranges
from facesearch.quantization.recipe import Recipe
from facesearch.quantization.smooth import smooth
from facesearch.quantization.turns import times_in_turns

Progress = Callable[[str], None]

_SENSITIVITY_CROPS = 12
_CANDIDATES = 2  # for each layer that is to stay float
_REPORT_CROPS = 24  # for the signal-to-noise ratio of layers
# Of cosine similarity. Keeping a layer in float that costs less gains nothing, and in a network whose layers all cost
# little (TransFace-S with drawn weights: 1e-5 each) would only make it slow.
_WORTH_KEEPING = 5e-5
_CALIBRATION_BATCH = 8


@dataclass(frozen=True, slots=True)
class QuantizedModel:
    """An INT8 model as a file, how near it is to FP32, and which layers kept float arithmetic for its sake."""

    data: bytes
    fidelity: Fidelity
    kept_float: tuple[str, ...] = ()


def quantize_onnx(
    data: bytes, recipe: Recipe, calibration: Pixels, held_out: Pixels, step: Progress = lambda text: None
) -> QuantizedModel:
    """Quantize an FP32 model: crops (n, h, w, 3) uint8 -> embedding (n, d) float32, the same of the result.

    calibration, held_out: crops (n, h, w, 3) uint8; the second are those that fidelity is measured on. The same
    arguments give the same bytes. step: told what is done.
    """
    prepared = prepare(data)
    original = onnx.ModelProto()
    original.CopyFrom(prepared)
    if recipe.smooth is not None and recipe.method != "equalised":
        step("equalising activations")
        # Runtimes have no integer product for a Gemm whose bias is float: where we choose, its activations stay float.
        gemms = {layer.name for layer in layers(prepared) if layer.op_type == "Gemm"}
        smooth(prepared, calibration, recipe.smooth, skip=gemms if recipe.method == "balanced" else ())
    kept: tuple[str, ...] = ()
    if recipe.method == "balanced":
        result, kept = _balanced(prepared, recipe, calibration, step)
    elif recipe.method == "equalised":
        result, kept = _equalised(prepared, recipe, calibration, step)
    elif recipe.method == "weights":
        step("rounding weights")
        result = quantize_layers(prepared, {}, activations=(), weights_of={each.name for each in layers(prepared)})
    elif recipe.method == "dynamic":
        step("quantizing")
        result = _dynamic(prepared, recipe)
    else:
        result, kept = _static_keeping(original, prepared, recipe, calibration, step)
    step("measuring fidelity")
    result.producer_name, result.producer_version = "facesearch", ""
    # An equalised model is the same function, but its layers give other numbers.
    reference = prepared if recipe.method == "equalised" else original
    per_layer = layer_fidelity(reference, result, report_nodes(original, recipe), held_out[:_REPORT_CROPS])
    fidelity = summarise(embed(original, held_out), embed(result, held_out), per_layer)
    return QuantizedModel(result.SerializeToString(deterministic=True), fidelity, kept)


def onnx_times(models: Sequence[bytes], crop: Pixels) -> list[float]:
    """Milliseconds of one thread that each model takes for a crop (h, w, 3): medians of runs in turns."""
    sessions = [open_session(model, threads=1) for model in models]
    source = sessions[0].get_inputs()[0].name
    return times_in_turns([partial(session.run, None, {source: crop[None]}) for session in sessions])


def report_nodes(model: onnx.ModelProto, recipe: Recipe) -> list[Layer]:
    """What the report lists: the layers with weights; for a recipe that quantizes every operator, all nodes."""
    if recipe.op_types:
        return layers(model)
    inputs = {tensor.name for tensor in model.graph.initializer}
    found = []
    for node in model.graph.node:
        sources = [name for name in node.input if name and name not in inputs]
        if sources and node.output[0] not in {output.name for output in model.graph.output}:
            found.append(Layer(node.name, node.op_type, sources[0], "", node.output[0]))
    return found


def _balanced(
    model: onnx.ModelProto, recipe: Recipe, crops: Pixels, step: Progress
) -> tuple[onnx.ModelProto, tuple[str, ...]]:
    step("measuring ranges")
    found = layers(model)
    percentile = recipe.percentile if recipe.calibration == "percentile" else None
    ranges = full_ranges(model, {layer.input for layer in found if layer.is_linear}, crops, percentile)
    linear = [layer.name for layer in found if layer.op_type == "MatMul"]
    candidates: list[str] = []
    if recipe.keep_float:
        # To try each layer in the whole model takes minutes for a large one: only those noisiest by themselves.
        candidates = noisiest(model, ranges, linear, crops[:_SENSITIVITY_CROPS])[: _CANDIDATES * recipe.keep_float]
    return _keeping(model, ranges, linear, candidates, recipe, crops, step)


def _equalised(
    model: onnx.ModelProto, recipe: Recipe, crops: Pixels, step: Progress
) -> tuple[onnx.ModelProto, tuple[str, ...]]:
    if recipe.smooth is not None:
        step("equalising channels")
        equalise(model, crops, recipe.smooth)
    step("measuring ranges")
    # Depth-wise filters have few weights and a channel each: in integers they lose most and are slower. The first layer
    # reads the pixels themselves.
    separate = depthwise(model)
    dense = [layer for layer in layers(model) if layer.op_type == "Conv" and layer.name not in separate][1:]
    tensors = {tensor for layer in dense for tensor in (layer.input, layer.output)}
    if recipe.calibration == "error":
        ranges = least_error_ranges(model, tensors, crops)
    else:
        ranges = full_ranges(model, tensors, crops, recipe.percentile if recipe.calibration == "percentile" else None)
    names = [layer.name for layer in dense]
    return _keeping(model, ranges, names, names, recipe, crops, step)


def _keeping(
    model: onnx.ModelProto,
    ranges: Mapping[str, Range],
    integer: Sequence[str],
    candidates: Sequence[str],
    recipe: Recipe,
    crops: Pixels,
    step: Progress,
) -> tuple[onnx.ModelProto, tuple[str, ...]]:
    """INT8 weights everywhere and integer layers but for those candidates that alone lose most, at most as many as the
    recipe says."""
    kept: list[str] = []
    if recipe.keep_float:
        step("looking for the layers that suffer most")
        few = crops[:_SENSITIVITY_CROPS]

        def with_only(name: str) -> onnx.ModelProto:
            return quantize_layers(model, ranges, activations={name}, weights_of=())

        lost = lost_alone(embed(model, few), candidates, with_only, few)
        kept = [name for loss, name in lost if loss >= _WORTH_KEEPING][: recipe.keep_float]
    step("quantizing")
    names = {layer.name for layer in layers(model)}
    return quantize_layers(model, ranges, activations=set(integer) - set(kept), weights_of=names), tuple(kept)


def _dynamic(model: onnx.ModelProto, recipe: Recipe) -> onnx.ModelProto:
    from onnxruntime.quantization import QuantType, quantize_dynamic

    with _files(model) as (source, target):
        quantize_dynamic(
            str(source),
            str(target),
            op_types_to_quantize=list(recipe.op_types),
            per_channel=recipe.per_channel,
            weight_type=QuantType.QInt8,
        )
        return onnx.load_model_from_string(target.read_bytes())


def _static_keeping(
    original: onnx.ModelProto, model: onnx.ModelProto, recipe: Recipe, crops: Pixels, step: Progress
) -> tuple[onnx.ModelProto, tuple[str, ...]]:
    """Static; where layers are to stay float, once more without those whose outputs were worst."""
    step("measuring ranges and quantizing")
    result = _static(model, recipe, crops, ())
    if not recipe.keep_float:
        return result, ()
    step("quantizing again without the worst layers")
    measured = layer_fidelity(original, result, layers(model), crops[:_SENSITIVITY_CROPS])
    worst = [each.layer for each in sorted(measured, key=lambda each: each.snr_db)[: recipe.keep_float]]
    return _static(model, recipe, crops, tuple(worst)), tuple(worst)


def _static(model: onnx.ModelProto, recipe: Recipe, crops: Pixels, keep: tuple[str, ...]) -> onnx.ModelProto:
    from onnxruntime.quantization import (
        CalibrationDataReader,
        CalibrationMethod,
        QuantFormat,
        QuantType,
        quantize_static,
    )

    name = model.graph.input[0].name
    batch = _CALIBRATION_BATCH if recipe.calibration == "minmax" else 1  # histograms want batches of one size

    class Reader(CalibrationDataReader):  # type: ignore[misc]
        def __init__(self) -> None:
            self._starts = iter(range(0, len(crops), batch))

        def get_next(self) -> dict[str, Pixels] | None:
            start = next(self._starts, None)
            return None if start is None else {name: crops[start : start + batch]}

    methods = {
        "minmax": CalibrationMethod.MinMax,
        "percentile": CalibrationMethod.Percentile,
        "entropy": CalibrationMethod.Entropy,
    }
    weighted = {layer.name for layer in layers(model)}
    # Products of two activations, as in attention, are none of `layers`: they stay float where op_types are chosen.
    products = [node.name for node in model.graph.node if node.op_type in LINEAR and node.name not in weighted]
    with _files(model) as (source, target):
        quantize_static(
            str(source),
            str(target),
            Reader(),
            quant_format=QuantFormat.QDQ,
            op_types_to_quantize=list(recipe.op_types) or None,
            nodes_to_exclude=[*keep, *(products if recipe.op_types else ())],
            per_channel=recipe.per_channel,
            activation_type=QuantType.QUInt8 if recipe.activations == "uint8" else QuantType.QInt8,
            weight_type=QuantType.QInt8,
            calibrate_method=methods[recipe.calibration],
            extra_options={"CalibPercentile": recipe.percentile} if recipe.calibration == "percentile" else {},
        )
        return onnx.load_model_from_string(target.read_bytes())


@contextlib.contextmanager
def _files(model: onnx.ModelProto) -> Iterator[tuple[Path, Path]]:
    """The model as a file, and a place for the result; without what the quantizer logs and prints."""
    disabled = logging.root.manager.disable
    logging.disable(max(disabled, logging.WARNING))
    try:
        with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stdout(io.StringIO()):
            source, target = Path(folder) / "fp32.onnx", Path(folder) / "int8.onnx"
            source.write_bytes(model.SerializeToString(deterministic=True))
            yield source, target
    finally:
        logging.disable(disabled)
