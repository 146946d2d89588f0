"""Read an ONNX file that somebody else wrote: no file outside its folder, no operators of its own, finite weights."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import onnx
from google.protobuf.message import DecodeError  # type: ignore[import-untyped]
from onnx import TensorProto, numpy_helper
from onnx.external_data_helper import load_external_data_for_model

from facesearch.errors import WeightsError
from facesearch.inference.onnx_graph import MAX_BYTES, all_nodes, all_sparse_tensors, all_tensors, first_line

MIN_OPSET = 9
_LONGEST_NAME = 1024  # characters, folders included

_RUNTIME_DOMAINS = {"", "ai.onnx", "ai.onnx.ml", "com.microsoft"}  # what ONNX Runtime brings without further libraries
_FLOATS = {TensorProto.FLOAT, TensorProto.DOUBLE, TensorProto.FLOAT16, TensorProto.BFLOAT16}


def read_onnx(path: Path) -> onnx.ModelProto:
    """The model in `path` with all weights inside; raises `WeightsError` if it is damaged or cannot be trusted."""
    model = _parsed(path)
    for entry in model.opset_import:
        if entry.domain in ("", "ai.onnx") and entry.version < MIN_OPSET:
            raise WeightsError(f"'{path}' is of ONNX opset {entry.version}: export it with opset {MIN_OPSET} or newer")
    own = {(function.domain, function.name) for function in model.functions}
    for node in all_nodes(model):
        if node.domain not in _RUNTIME_DOMAINS and (node.domain, node.op_type) not in own:
            operator = f"{node.domain}::{node.op_type}"
            raise WeightsError(f"'{path}' needs the custom operator {operator}: export it with standard ones only")
    _load_external_data(model, path)
    _check_sparse(model, path)
    for tensor in all_tensors(model):
        if tensor.data_type in _FLOATS and not _is_finite(tensor, path):
            raise WeightsError(f"'{path}' has NaN or infinite weights in '{tensor.name}': download or export it again")
    return model


def _parsed(path: Path) -> onnx.ModelProto:
    if path.is_dir():
        raise WeightsError(f"'{path}' is a folder: give the ONNX file in it")
    try:
        size = path.stat().st_size
        if size > MAX_BYTES:
            raise WeightsError(f"'{path}' is larger than 2 GiB: give the file of one model")
        data = path.read_bytes()
    except OSError as error:
        raise WeightsError(f"cannot read '{path}': {error.strerror or error}") from error
    if not data:
        raise WeightsError(f"'{path}' is empty: download or export it again")
    try:
        model = onnx.load_model_from_string(data)  # from bytes: a file's name would choose the format
    except DecodeError as error:
        raise WeightsError(f"'{path}' is not an ONNX file, or is cut short: download or export it again") from error
    if not model.ir_version or not model.graph.node:
        raise WeightsError(f"'{path}' is not an ONNX file: it has no graph; download or export it again")
    return model


def _load_external_data(model: onnx.ModelProto, path: Path) -> None:
    """Take weights in from files beside the model, after every name has been checked: none is opened before."""
    stored = [tensor for tensor in all_tensors(model) if tensor.data_location == TensorProto.EXTERNAL]
    if not stored:
        return
    folder = path.resolve().parent
    total = 0
    for tensor in stored:
        entries = {entry.key: entry.value for entry in tensor.external_data}
        location = entries.get("location", "")
        if not location.isprintable() or len(location) > _LONGEST_NAME:
            raise WeightsError(f"'{path}' is damaged: it keeps weights in a file whose name is none; export it again")
        place = (folder / location).resolve() if location else folder
        if not location or Path(location).is_absolute() or "\\" in location or not place.is_relative_to(folder):
            raise WeightsError(f"'{path}' keeps weights in '{location}', outside its folder: that is never read")
        if not place.is_file():
            raise WeightsError(f"'{path}' keeps weights in '{location}', which is not beside it: put it there")
        total += _stored_bytes(entries, place, path)
    if total > MAX_BYTES:
        raise WeightsError(f"'{path}' has more than 2 GiB of weights: give a smaller model")
    try:
        load_external_data_for_model(model, str(folder))
    except (OSError, ValueError, onnx.checker.ValidationError) as error:
        raise WeightsError(f"weights beside '{path}' cannot be read: {first_line(error)}") from error
    if any(tensor.data_location == TensorProto.EXTERNAL for tensor in all_tensors(model)):
        raise WeightsError(f"'{path}' keeps weights of inner graphs in other files: save it as one file")


def _stored_bytes(entries: dict[str, str], place: Path, path: Path) -> int:
    size = place.stat().st_size
    try:
        offset = int(entries.get("offset", "0") or 0)
        length = int(entries.get("length", "") or size - offset)
    except ValueError as error:
        raise WeightsError(f"'{path}' is damaged: offsets of its weights are not numbers; export it again") from error
    if offset < 0 or length < 0 or offset + length > size:
        raise WeightsError(f"'{place}' is shorter than '{path}' says: copy both files again")
    return length


def _check_sparse(model: onnx.ModelProto, path: Path) -> None:
    """Sparse weights are unfolded when the model is run: a few bytes can stand for more than there is memory."""
    unfolded = sum(8 * math.prod(map(abs, tensor.dims)) for tensor in all_sparse_tensors(model))
    if unfolded > MAX_BYTES:
        raise WeightsError(f"'{path}' unfolds to more than 2 GiB of weights: give a smaller model")


def _is_finite(tensor: TensorProto, path: Path) -> bool:
    try:
        values = numpy_helper.to_array(tensor)
    except (ValueError, TypeError, OverflowError) as error:
        raise WeightsError(
            f"'{path}' is damaged at the weights '{tensor.name}': download or export it again"
        ) from error
    return bool(np.isfinite(values.astype(np.float64, copy=False)).all())


def input_dimensions(value: onnx.ValueInfoProto) -> Iterator[int | None]:
    """The declared size of each axis, None where it is left open."""
    for axis in value.type.tensor_type.shape.dim:
        yield axis.dim_value if axis.dim_value > 0 else None
