"""Make `import torchvision`, and with it facenet-pytorch and timm, work beside a torch that its compiled part misfits.

A torchvision built for CUDA beside a torch built for the CPU cannot load its compiled operators, and then already its
import fails with "operator torchvision::nms does not exist". What is needed of it here is in Python but for one
operator, non-maximum suppression, which is given in plain torch. Where the compiled operators load, nothing is changed.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch

_BLOCK = 512  # rows of the overlap matrix held at once
_libraries: list[Any] = []  # a torch library unregisters its operators when it is collected


def ensure_torchvision() -> None:
    """Import torchvision, with non-maximum suppression in plain torch where its own does not load.

    Call it before anything imports torchvision. Raises `ImportError` if torch or torchvision is not installed.
    """
    if "torchvision" in sys.modules:
        return
    _forget_torchvision()  # what an earlier import left behind when it failed half-way
    has_ops = _compiled_ops_load()
    if not has_ops and not _libraries:
        _register_nms()
    try:
        importlib.import_module("torchvision")
    except BaseException:
        _forget_torchvision()
        raise
    if not has_ops:
        boxes: Any = importlib.import_module("torchvision.ops.boxes")
        boxes._assert_has_ops = _pass


def plain_nms(boxes: torch.Tensor, scores: torch.Tensor, iou_threshold: float) -> torch.Tensor:
    """Greedy non-maximum suppression as `torchvision.ops.nms` does it: the indices kept, best score first.

    boxes (n, 4) left, top, right, bottom; scores (n,). A box goes when its intersection with a better, kept one is more
    than `iou_threshold` of their union; of equal scores the earlier box is the better one.
    """
    import torch

    order = torch.argsort(scores, descending=True, stable=True)
    corners = boxes[order].to(torch.promote_types(boxes.dtype, torch.float32))
    left, top, right, bottom = corners.unbind(1)
    area = (right - left) * (bottom - top)
    alive = torch.ones(len(order), dtype=torch.bool)
    for start in range(0, len(order), _BLOCK):
        rows = slice(start, start + _BLOCK)
        width = torch.minimum(right[rows, None], right[start:]) - torch.maximum(left[rows, None], left[start:])
        height = torch.minimum(bottom[rows, None], bottom[start:]) - torch.maximum(top[rows, None], top[start:])
        shared = width.clamp(min=0) * height.clamp(min=0)  # (block, rest)
        keeps = ~(shared / (area[rows, None] + area[start:] - shared) > iou_threshold)
        for row in range(len(keeps)):
            if alive[start + row]:
                alive[start + row + 1 :] &= keeps[row, row + 1 :]
    return order[alive]


def _compiled_ops_load() -> bool:
    torch: Any = importlib.import_module("torch")
    spec = importlib.util.find_spec("torchvision")
    if spec is None or spec.origin is None:
        raise ImportError("torchvision is not installed: pip install 'facesearch[torch]'")
    for suffix in EXTENSION_SUFFIXES:
        path = Path(spec.origin).parent / ("_C" + suffix)
        if path.is_file():
            try:
                torch.ops.load_library(path)
            except (ImportError, OSError):
                return False
            return True
    return False


def _register_nms() -> None:
    torch: Any = importlib.import_module("torch")
    library = torch.library.Library("torchvision", "FRAGMENT")
    for name in ("nms", "qnms"):
        library.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
        library.impl(name, plain_nms, "CPU")
    _libraries.append(library)


def _forget_torchvision() -> None:
    for name in [name for name in list(sys.modules) if name.partition(".")[0] == "torchvision"]:
        del sys.modules[name]


def _pass() -> None:
    """The operators that are used exist."""
