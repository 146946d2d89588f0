"""ONNX Runtime sessions: one way to open a model."""

from __future__ import annotations

from typing import Any

import onnxruntime

from facesearch.errors import FacesearchError, UsageError

PROVIDERS = {
    "cpu": "CPUExecutionProvider",
    "cuda": "CUDAExecutionProvider",
    "tensorrt": "TensorrtExecutionProvider",
    "rocm": "ROCMExecutionProvider",
    "migraphx": "MIGraphXExecutionProvider",
    "coreml": "CoreMLExecutionProvider",
    "directml": "DmlExecutionProvider",
}
"""What a device is called here -> ONNX Runtime's execution provider for it."""


def open_session(model: bytes, *, threads: int = 0, device: str = "cpu") -> Any:
    """A session for a serialised ONNX model; `threads` inside one operator, 0 = one per core.

    device: a key of `PROVIDERS`; operators that its provider does not have run on the CPU. Raises `UsageError` for a
    device that this installation of ONNX Runtime has no provider for, `FacesearchError` where the provider does not
    start: another one is never taken in its place.
    """
    provider = _provider(device)
    try:
        session = onnxruntime.InferenceSession(model, _options(threads, exact=True), providers=[provider])
    except onnxruntime.capi.onnxruntime_pybind11_state.Fail:  # some graphs of signed activations; others fail again
        session = onnxruntime.InferenceSession(model, _options(threads, exact=False), providers=[provider])
    session.disable_fallback()
    if session.get_providers()[0] != provider:  # a provider whose libraries are missing is left out with a mere warning
        raise FacesearchError(
            f"ONNX Runtime cannot run on {device}: {provider} does not start (is its driver installed?); "
            "use --device cpu"
        )
    return session


def session_device(session: Any) -> str:
    """What runs a session: a key of `PROVIDERS`."""
    running = session.get_providers()[0]
    return next((device for device, provider in PROVIDERS.items() if provider == running), str(running))


def _options(threads: int, *, exact: bool) -> Any:
    """exact: CPUs without VNNI add two products of U8 and S8 in 16 bits, which overflow unnoticed; this makes the
    weights of INT8 models unsigned there, and is without effect on other CPUs."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 4 if exact else 3
    # Spinning threads would take the core from the other worker of an enrolment.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    if exact:
        options.add_session_config_entry("session.x64quantprecision", "1")
    return options


def _provider(device: str) -> str:
    available = onnxruntime.get_available_providers()
    provider = PROVIDERS.get(device.lower())
    if provider is None or provider not in available:
        names = [name for name, each in PROVIDERS.items() if each in available]
        raise UsageError(f"ONNX Runtime has no device '{device}' here; there are: {', '.join(names)}")
    return provider
