"""Turn any ONNX face model into the one convention of all model files."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, compose, helper, numpy_helper

from facesearch.errors import WeightsError
from facesearch.inference.onnx_graph import all_nodes, drop_unused_nodes, first_line, serialise, write_durably
from facesearch.inference.onnx_session import open_session
from facesearch.workshop.onnx_options import CROP_SIZES, MAX_SIZE, Layout, OnnxOptions, read_options
from facesearch.workshop.onnx_read import input_dimensions, read_onnx
from facesearch.workshop.onnx_rewriting import rewritten

INPUT = "crops"
OUTPUT = "embedding"

_INNER = "model/"  # before every name of the wrapped model, so that none meets ours
_SMALLEST = 16  # numbers in an embedding; fewer is a classifier's or a detector's output
_INITIALIZERS_ALONE = 4  # the first IR version whose initializers need not be inputs as well
_LARGEST_BATCH = 256  # that a file may be fixed to
_CHECKED = 3  # crops run together and one by one

Crops = npt.NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class WrappedModel:
    """What was found: options with nothing left open, side of the crop, length of the embedding, remarks to show."""

    options: OnnxOptions
    crop_size: int
    dimension: int
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Input:
    name: str
    element: int
    layout: Layout
    size: int
    batch: int | None


@dataclass(frozen=True, slots=True)
class _Output:
    name: str
    dimension: int


def wrap_onnx(source: Path, target: Path, options: OnnxOptions | None = None) -> WrappedModel:
    """Write `source` to `target` as a model of `crops` (n, h, w, 3) uint8 RGB -> `embedding` (n, d) float32.

    `options`: None reads them from `<source>.json`, or takes the defaults. Weights end up inside `target`. Raises
    `WeightsError` if the file is damaged, unsafe, not a face encoder, or gives another result for crops run together
    than one by one; `target` is untouched then.
    """
    options = read_options(source) if options is None else options
    model = read_onnx(source)
    entry = _input(model, source, options)
    output, notes = _choose_output(model, source, entry, options)
    if entry.batch is not None:
        notes.append(f"the batch was fixed to {entry.batch} and is now free")
    if entry.element == TensorProto.UINT8:
        notes.append("it takes uint8, so mean and scale are taken to be inside it")
    wrapped = _wrapped(model, source, entry, output, options)
    _check_batches(serialise(wrapped, f"'{source}'"), source, entry, _tolerance(model))
    wrapped, remarks = rewritten(wrapped, lambda changed: _alone(serialise(changed, f"'{source}'"), source, entry))
    write_durably(serialise(wrapped, f"'{source}'"), target)
    resolved = replace(options, layout=entry.layout, size=entry.size, output=output.name)
    return WrappedModel(resolved, entry.size, output.dimension, tuple(notes + remarks))


def _input(model: onnx.ModelProto, source: Path, options: OnnxOptions) -> _Input:
    weights = {tensor.name for tensor in model.graph.initializer}  # old files list them among the inputs too
    values = [value for value in model.graph.input if value.name not in weights]
    if len(values) != 1:
        raise WeightsError(f"'{source}' has {len(values)} inputs: a face encoder has one, the crops")
    (value,) = values
    shape, element = list(input_dimensions(value)), value.type.tensor_type.elem_type
    if len(shape) != 4:
        raise WeightsError(f"'{source}' takes input of {len(shape)} axes: a face encoder takes 4, a batch of crops")
    if element not in (TensorProto.FLOAT, TensorProto.FLOAT16, TensorProto.UINT8):
        raise WeightsError(
            f"'{source}' takes {TensorProto.DataType.Name(element)}: a face encoder takes float or uint8"
        )
    layout = options.layout or _layout(shape, source)
    channels, sides = (shape[1], shape[2:]) if layout == "nchw" else (shape[3], shape[1:3])
    if channels not in (3, None):
        raise WeightsError(f"'{source}' takes {channels} channels ({layout}): encoders of RGB crops take 3")
    declared = {side for side in sides if side is not None}
    size = options.size or (declared.copy().pop() if declared else CROP_SIZES[options.crop])
    if declared - {size}:
        wanted = "×".join(str(side or "?") for side in sides)
        raise WeightsError(f"'{source}' takes crops of {wanted}, not {size}×{size}: correct the option size")
    if size > MAX_SIZE:
        raise WeightsError(f"'{source}' takes crops of {size}×{size}: face encoders take at most {MAX_SIZE}×{MAX_SIZE}")
    if (shape[0] or 1) > _LARGEST_BATCH:
        raise WeightsError(f"'{source}' takes {shape[0]} crops at once: export it with a dynamic batch")
    return _Input(value.name, element, layout, size, shape[0])


def _layout(shape: list[int | None], source: Path) -> Layout:
    first, last = shape[1], shape[3]
    if first == 3 and last != 3:
        return "nchw"
    if last == 3 and first != 3:
        return "nhwc"
    for channels in (first, last):  # an image's side is never that small
        if channels is not None and channels < 8 and channels != 3:
            raise WeightsError(f"'{source}' takes {channels} channels: encoders of RGB crops take 3")
    raise WeightsError(f"'{source}' does not say where the channels are: give the option layout, nchw or nhwc")


def _choose_output(
    model: onnx.ModelProto, source: Path, entry: _Input, options: OnnxOptions
) -> tuple[_Output, list[str]]:
    """The output that is one vector per crop, found by running the model, and what to tell of the choice."""
    names = [output.name for output in model.graph.output]
    if options.output is not None and options.output not in names:
        raise WeightsError(f"'{source}' has no output '{options.output}'; there are: {', '.join(names)}")
    batch = entry.batch or 1
    sides = (3, entry.size, entry.size) if entry.layout == "nchw" else (entry.size, entry.size, 3)
    kinds: dict[int, Any] = {
        TensorProto.FLOAT: np.float32,
        TensorProto.FLOAT16: np.float16,
        TensorProto.UINT8: np.uint8,
    }
    pixels = np.ones((batch, *sides), dtype=kinds[entry.element])
    results = _run(model.SerializeToString(), source, {entry.name: pixels}, names)
    shapes = {name: np.shape(result) for name, result in zip(names, results, strict=True)}
    vectors = [name for name, shape in shapes.items() if _is_vector(shape, batch)]
    if options.output is not None:
        vectors = [name for name in vectors if name == options.output]
    if not vectors:
        found = ", ".join(f"{name} {shape}" for name, shape in shapes.items())
        raise WeightsError(f"'{source}' has no output of one vector per crop, only {found}: is it a face encoder?")
    chosen = min(vectors, key=lambda name: len(shapes[name]))  # rank 2 before (n, d, 1, 1); the first of its rank
    notes = []
    if len(names) > 1:
        others = ", ".join(name for name in names if name != chosen)
        notes.append(f"of {len(names)} outputs '{chosen}' {shapes[chosen]} is taken as the embedding, not {others}")
    return _Output(chosen, shapes[chosen][1]), notes


def _is_vector(shape: tuple[int, ...], batch: int) -> bool:
    is_row = len(shape) == 2 or (len(shape) == 4 and shape[2:] == (1, 1))
    return is_row and shape[0] == batch and shape[1] >= _SMALLEST


def _wrapped(
    model: onnx.ModelProto, source: Path, entry: _Input, output: _Output, options: OnnxOptions
) -> onnx.ModelProto:
    """The model with its input and output in our convention; uint8 input is taken to be normalised inside."""
    chosen = next(value for value in model.graph.output if value.name == output.name)
    element = chosen.type.tensor_type.elem_type
    del model.graph.output[:]
    model.graph.output.append(helper.make_tensor_value_info(output.name, element, None))
    del model.graph.value_info[:]  # may have a batch that was fixed
    drop_unused_nodes(model)
    try:
        model = compose.add_prefix(model, _INNER)
    except (ValueError, TypeError, KeyError) as error:
        raise WeightsError(f"the names in '{source}' are damaged: export it again") from error
    graph = model.graph
    steps, constants = _preprocessing(entry, options)
    steps[-1].output[0] = _INNER + entry.name
    tail = [helper.make_node("Flatten", [_INNER + output.name], ["flat"], axis=1)]
    tail.append(helper.make_node("Cast", ["flat"], [OUTPUT], to=TensorProto.FLOAT))
    inner = list(graph.node)
    del graph.node[:]
    graph.node.extend([*steps, *inner, *tail])
    graph.initializer.extend(constants)
    del graph.input[:]  # weights too, which old files list there: what could be replaced in a call is never fused
    model.ir_version = max(model.ir_version, _INITIALIZERS_ALONE)
    side = entry.size
    graph.input.append(helper.make_tensor_value_info(INPUT, TensorProto.UINT8, ["n", side, side, 3]))
    del graph.output[:]
    graph.output.append(helper.make_tensor_value_info(OUTPUT, TensorProto.FLOAT, ["n", output.dimension]))
    return model


def _preprocessing(entry: _Input, options: OnnxOptions) -> tuple[list[onnx.NodeProto], list[TensorProto]]:
    """Nodes from `crops` to what the model takes, and their constants."""
    steps: list[onnx.NodeProto] = []
    constants: list[TensorProto] = []

    def step(operator: str, *operands: npt.NDArray[Any], **attributes: Any) -> None:
        names = [steps[-1].output[0] if steps else INPUT]
        for operand in operands:
            constants.append(numpy_helper.from_array(operand, f"{operator.lower()}_constant"))
            names.append(constants[-1].name)
        name = f"pixels_{len(steps)}"
        steps.append(helper.make_node(operator, names, [name], name=name, **attributes))

    if options.colour == "bgr":
        step("Gather", np.array([2, 1, 0], dtype=np.int64), axis=3)
    if entry.layout == "nchw":
        step("Transpose", perm=[0, 3, 1, 2])
    if entry.element == TensorProto.UINT8:
        step("Identity")
        return steps, constants
    channels = (1, 3, 1, 1) if entry.layout == "nchw" else (1, 1, 1, 3)
    step("Cast", to=TensorProto.FLOAT)
    step("Sub", np.array(options.mean, dtype=np.float32).reshape(channels))
    step("Mul", np.array(options.scale, dtype=np.float32).reshape(channels))
    if entry.element != TensorProto.FLOAT:
        step("Cast", to=entry.element)
    return steps, constants


def _check_batches(model: bytes, source: Path, entry: _Input, tolerance: float) -> None:
    """Crops run together have to give what they give one by one."""
    crops, alone = _crops(entry), _alone(model, source, entry)
    if not np.isfinite(alone).all() or not alone.any():
        raise WeightsError(f"'{source}' gives embeddings that are not finite or all 0: is mean or scale wrong?")
    try:
        (together,) = _run(model, source, {INPUT: crops}, [OUTPUT])
    except WeightsError as error:
        raise WeightsError(f"'{source}' works on batches of one size only: export it with a dynamic batch") from error
    if together.shape != alone.shape or np.abs(together - alone).max() > tolerance * np.abs(alone).max():
        raise WeightsError(f"'{source}' mixes the crops of a batch: export it with a dynamic batch, in eval mode")


def _crops(entry: _Input) -> Crops:
    return np.random.default_rng(0).integers(0, 256, (_CHECKED, entry.size, entry.size, 3), dtype=np.uint8)


def _alone(model: bytes, source: Path, entry: _Input) -> npt.NDArray[np.float32]:
    """The embeddings (3, d) of a few crops, run one by one."""
    return np.concatenate([_run(model, source, {INPUT: crop[None]}, [OUTPUT])[0] for crop in _crops(entry)])


def _tolerance(model: onnx.ModelProto) -> float:
    """How far results may differ between batches, of their largest value.

    Dynamic quantization takes the range of its numbers from the whole batch, so there they differ by design.
    """
    dynamic = any(node.op_type in ("DynamicQuantizeLinear", "MatMulIntegerToFloat") for node in all_nodes(model))
    return 0.2 if dynamic else 1e-2


def _run(model: bytes, source: Path, feeds: dict[str, Any], names: list[str]) -> list[npt.NDArray[np.float32]]:
    try:
        results: list[npt.NDArray[np.float32]] = open_session(model).run(names, feeds)
    except Exception as error:  # the runtime's own exceptions have no common base
        raise WeightsError(f"'{source}' cannot be run by ONNX Runtime: {first_line(error)}") from error
    return results
