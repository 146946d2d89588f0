"""Put weights into a network: every key is accounted for, and every shape."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import torch
from torch import nn

from facesearch.errors import WeightsError

COUNTER = "num_batches_tracked"
"""Counts training steps; old checkpoints have none, inference never reads it."""

_SHOWN = 3


def load_strictly(module: nn.Module, state: Mapping[str, torch.Tensor], name: str) -> None:
    """Put copies of `state` into `module` (which may be on the meta device): every key and shape has to fit.

    Only the step counters of batch normalisation may be absent. `name` says in messages what is loaded as what.
    Raises `WeightsError` naming the first keys that do not fit.
    """
    expected = module.state_dict()
    missing = [key for key in expected if key not in state and not key.endswith(COUNTER)]
    unexpected = [key for key in state if key not in expected]
    if missing or unexpected:
        faults = [f"{text} {_some(keys)}" for text, keys in (("lacks", missing), ("also has", unexpected)) if keys]
        raise WeightsError(f"{name}: the checkpoint {' and '.join(faults)}; is it of another model?")
    wrong = [
        f"{key} is {tuple(state[key].shape)}, not {tuple(tensor.shape)}"
        for key, tensor in expected.items()
        if key in state and state[key].shape != tensor.shape
    ]
    if wrong:
        raise WeightsError(f"{name}: wrong shapes: {_some(wrong)}; is it of another model?")
    values = {
        key: state[key].to(tensor.dtype, copy=True) if key in state else torch.zeros((), dtype=tensor.dtype)
        for key, tensor in expected.items()
    }
    module.load_state_dict(values, strict=True, assign=True)


def _some(items: Iterable[str]) -> str:
    rows = list(items)
    more = f" and {len(rows) - _SHOWN} more" if len(rows) > _SHOWN else ""
    return ", ".join(rows[:_SHOWN]) + more
