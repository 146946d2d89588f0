"""An FP32 ONNX model -> INT8 for OpenVINO, as one packed file: by NNCF, or by the recipes that work on ONNX graphs."""

from __future__ import annotations

import contextlib
import importlib
import io
import logging
import tempfile
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import onnx

from facesearch.encoders.openvino_file import pack, unpack
from facesearch.encoders.openvino_runtime import INSTALL, import_openvino, precision_settings, without_telemetry
from facesearch.errors import FacesearchError
from facesearch.inference.onnx_prelu import join_prelus
from facesearch.quantization.fidelity import Fidelity, summarise
from facesearch.quantization.onnx_int8 import Progress, QuantizedModel, quantize_onnx
from facesearch.quantization.onnx_layers import Pixels, Values, embed
from facesearch.quantization.recipe import Recipe
from facesearch.quantization.turns import times_in_turns


def quantize_openvino(
    data: bytes,
    recipe: Recipe,
    calibration: Pixels,
    held_out: Pixels,
    *,
    transformer: bool = False,
    step: Progress = lambda text: None,
) -> QuantizedModel:
    """Quantize an FP32 ONNX model; arguments as of `quantize_onnx`. The result is a file for `OpenVinoEncoder`.

    transformer: whether it has attention, which NNCF then treats with care. Raises `FacesearchError` without OpenVINO
    or NNCF.
    """
    openvino = import_openvino("quantizing for OpenVINO")
    core = openvino.Core()
    fidelity: Fidelity | None = None
    kept: tuple[str, ...] = ()
    if recipe.method == "nncf":
        step("quantizing with NNCF")
        network = _nncf(core.read_model(_with_prelus(data)), recipe, calibration, transformer=transformer)
    else:
        made = quantize_onnx(data, recipe, calibration, held_out, step)
        network = core.read_model(made.data)
        fidelity, kept = made.fidelity, made.kept_float
    _shorten(network)
    packed = _packed(openvino, network)
    layers = fidelity.layers if fidelity else ()
    templates = _embed(core, network, held_out)
    return QuantizedModel(packed, summarise(embed(data, held_out), templates, layers), kept)


def openvino_times(models: Sequence[bytes], crop: Pixels) -> list[float]:
    """Milliseconds of one thread that each file takes for a crop (h, w, 3): medians of runs in turns."""
    core = import_openvino("measuring").Core()
    settings = {**precision_settings("CPU"), "INFERENCE_NUM_THREADS": 1}
    requests = []
    for model in models:
        file = unpack(model)
        network = core.read_model(file.network, file.weights)
        requests.append(core.compile_model(network, "CPU", settings).create_infer_request())
    return times_in_turns([partial(request.infer, [crop[None]]) for request in requests])


def _nncf(network: Any, recipe: Recipe, crops: Pixels, *, transformer: bool) -> Any:
    with _silent(), without_telemetry():
        try:
            nncf = importlib.import_module("nncf")
        except ImportError as error:
            raise FacesearchError(f"quantizing for OpenVINO needs nncf, which is not installed: {INSTALL}") from error
        nncf.set_log_level(logging.ERROR)
        alpha = recipe.smooth if recipe.smooth is not None else -1.0
        alphas = importlib.import_module("nncf.quantization.advanced_parameters").AdvancedSmoothQuantParameters
        return nncf.quantize(
            network,
            nncf.Dataset([crop[None] for crop in crops]),
            subset_size=len(crops),
            preset=nncf.QuantizationPreset.MIXED,
            model_type=nncf.ModelType.TRANSFORMER if transformer else None,
            advanced_parameters=nncf.AdvancedQuantizationParameters(smooth_quant_alphas=alphas(matmul=alpha)),
        )


def _with_prelus(data: bytes) -> bytes:
    """The model with PRelu as one operator: NNCF would quantize the sum that stands in its place."""
    model = onnx.load_model_from_string(data)
    return model.SerializeToString() if join_prelus(model) else data


def _shorten(network: Any) -> None:
    """Numbers in place of names, which would be a quarter of the file of a small model."""
    for number, node in enumerate(network.get_ordered_ops()):
        node.set_friendly_name(str(number))
        if node.get_type_name() not in ("Parameter", "Result"):
            for output in node.outputs():
                if not any(target.get_node().get_type_name() == "Result" for target in output.get_target_inputs()):
                    output.set_names(set())


def _packed(openvino: Any, network: Any) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.xml"
        openvino.serialize(network, str(path))
        return pack(path.read_bytes(), path.with_suffix(".bin").read_bytes())


def _embed(core: Any, network: Any, crops: Pixels) -> Values:
    request = core.compile_model(network, "CPU", precision_settings("CPU")).create_infer_request()
    rows = []
    for crop in crops:
        request.infer([crop[None]])
        rows.append(np.array(request.get_output_tensor(0).data, dtype=np.float32))
    return np.concatenate(rows)


@contextlib.contextmanager
def _silent() -> Iterator[None]:
    """Without NNCF's progress bars and log lines, which are for whoever builds the model."""
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        yield
