"""ONNX Runtime sessions: one way to open a model."""

from __future__ import annotations

from typing import Any

import onnxruntime


def open_session(model: bytes, *, threads: int = 0) -> Any:
    """A session on the CPU for a serialised ONNX model; `threads` inside one operator, 0 = one per core."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    # Spinning threads would take the core from the other worker of an enrolment.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
