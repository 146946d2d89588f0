"""An encoder run by OpenVINO: the FP32 ONNX file that ONNX Runtime has too, or an INT8 model of its own."""

from __future__ import annotations

import os
import threading
from typing import Any

import numpy as np
import numpy.typing as npt

from facesearch.encoders.catalog import Model, Variant
from facesearch.encoders.crop_encoder import CropEncoder
from facesearch.encoders.openvino_file import is_openvino_file, unpack
from facesearch.encoders.openvino_runtime import import_openvino, precision_settings
from facesearch.encoders.registry import read_variant
from facesearch.errors import UsageError, WeightsError


class OpenVinoEncoder(CropEncoder):
    """An `Encoder` compiled by OpenVINO; `threads` is what one call may use (0 = all cores).

    device: as OpenVINO calls it, in any case ("cpu", "gpu", "gpu.1", "npu"). Raises `FacesearchError` without OpenVINO,
    `UsageError` for a device that is not there, `WeightsError` for a file that OpenVINO cannot read.
    """

    def __init__(self, model: Model, variant: Variant, *, threads: int = 0, device: str = "cpu") -> None:
        super().__init__(model, variant)
        openvino = import_openvino(str(self.spec))
        core = openvino.Core()
        wanted = _available(core, device)
        network = self._read(openvino, core, read_variant(variant))
        self._compiled = core.compile_model(network, wanted, _settings(threads, wanted))
        self._device = str(self._compiled.get_property("EXECUTION_DEVICES")[0]).lower()
        self._local = threading.local()

    @property
    def device(self) -> str:
        return self._device

    def _embed(self, crops: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        request: Any = getattr(self._local, "request", None)
        if request is None:  # a request is not safe to use from two threads
            request = self._local.request = self._compiled.create_infer_request()
        request.infer([crops], share_inputs=True)
        return np.array(request.get_output_tensor(0).data, dtype=np.float32)  # the next call reuses the tensor

    def _read(self, openvino: Any, core: Any, data: bytes) -> Any:
        try:
            if not is_openvino_file(data):
                return core.read_model(data)
            parts = unpack(data)
            weights = np.frombuffer(parts.weights, dtype=np.uint8)
            return core.read_model(parts.network, openvino.Tensor(weights) if len(weights) else None)
        except RuntimeError as error:
            reason = next((line for line in reversed(str(error).splitlines()) if line.strip()), "no reason given")
            raise WeightsError(f"OpenVINO cannot read the file of {self.spec}: {reason.strip()}") from error


def _available(core: Any, device: str) -> str:
    there = [str(name) for name in core.available_devices]
    for name in there:
        if name.lower() == device.lower():
            return name
    raise UsageError(f"OpenVINO has no device '{device}' here; there are: {', '.join(name.lower() for name in there)}")


def _settings(threads: int, device: str) -> dict[str, Any]:
    settings = precision_settings(device)
    if device == "CPU":
        # OpenVINO counts threads over all streams, and each stream serves one call at a time.
        cores = _cores()
        each = min(threads, cores) or cores
        streams = max(1, cores // each)
        settings |= {"NUM_STREAMS": streams, "INFERENCE_NUM_THREADS": streams * each}
    return settings


def _cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
