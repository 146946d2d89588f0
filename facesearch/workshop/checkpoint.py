"""Read the weights of a model from a file that somebody else wrote: tensors only, no code in it is run."""

from __future__ import annotations

import pickle
import warnings
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO

import torch

from facesearch.encoders.networks import network_of
from facesearch.encoders.networks.preprocess import CropNetwork
from facesearch.encoders.networks.strict_loading import COUNTER
from facesearch.errors import WeightsError

MAX_BYTES = 2 << 30  # twice the largest model known here; what is larger carries more than an encoder

_FOLDED = 8  # float8 weights take four times their bytes as float32, and some are there twice, under two names
_SPARE_BYTES = 1 << 20

_WRAPPERS = ("state_dict", "model_state_dict", "state_dict_backbone", "model")
_SAVE_AGAIN = "save one with torch.save(model.state_dict(), ...) or as safetensors"
_GET_AGAIN = "download or copy it again"


def load_network(family: str, path: Path) -> CropNetwork:
    """The network of a family with the weights in `path`, in eval mode: crops (n, h, w, 3) uint8 RGB -> (n, d) float32.

    Raises `UnknownEncoderError`, or `WeightsError` if the checkpoint is damaged, unsafe or of another model.
    """
    return network_of(family, read_checkpoint(path), f"'{path}' as {family}")


def read_checkpoint(path: Path) -> dict[str, torch.Tensor]:
    """The state dict in a .safetensors or .pt/.pth file, float tensors as float32 on the CPU.

    A state dict inside {"state_dict": ...} or {"model": ...} is taken out and the prefix "module." that data-parallel
    training leaves is dropped. The format is told from the content, not from the file's name, and torch's files are
    read with `weights_only`: code in them is never run. Raises `WeightsError` for anything else than finite tensors.
    """
    head, size = _head(path)
    if len(head) > 8 and head[8:9] == b"{" and int.from_bytes(head[:8], "little") <= size - 8:
        loaded: Any = _read_safetensors(path)
    elif head[:4] == b"PK\x03\x04" or head[:1] == b"\x80":
        loaded = _read_torch(path, size)
    else:
        raise WeightsError(f"'{path}' is neither a safetensors file nor a PyTorch checkpoint: give one of those")
    state = _without_module_prefix(_unwrap(loaded, path))
    unfolded = sum(4 * tensor.numel() for tensor in state.values())
    if unfolded > MAX_BYTES:
        raise WeightsError(f"'{path}' holds more than {MAX_BYTES >> 20} MiB of tensors: give the weights of one model")
    if unfolded > _FOLDED * size + _SPARE_BYTES:  # a view can repeat one number as often as it likes
        raise WeightsError(f"'{path}' holds {size} bytes that stand for {unfolded}: {_SAVE_AGAIN}")
    return {key: _checked(tensor, key, path) for key, tensor in state.items()}


def _head(path: Path) -> tuple[bytes, int]:
    """The first bytes and the size of the file, if it is one that may be read."""
    if path.is_dir():
        raise WeightsError(f"'{path}' is a folder: give the checkpoint file in it")
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            head = file.read(16)
    except OSError as error:
        raise WeightsError(f"cannot read '{path}': {error.strerror or error}") from error
    if not head:
        raise WeightsError(f"'{path}' is empty: {_GET_AGAIN}")
    if size > MAX_BYTES:
        raise WeightsError(f"'{path}' is larger than {MAX_BYTES >> 20} MiB: give the weights of one model alone")
    return head, size


def _read_safetensors(path: Path) -> Any:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        return load_file(path, device="cpu")
    except (SafetensorError, OSError, ValueError, KeyError) as error:
        raise WeightsError(f"'{path}' is a damaged safetensors file: {_GET_AGAIN}") from error


def _read_torch(path: Path, size: int) -> Any:
    with path.open("rb") as file:
        if file.read(2) == b"PK":
            _check_archive(file, path, size)
        file.seek(0)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # on its own formats, of no use to whoever has the file
                return torch.load(file, map_location="cpu", weights_only=True)
        except pickle.UnpicklingError as error:
            if "Weights only load failed" not in str(error):
                raise WeightsError(f"'{path}' is damaged: {_GET_AGAIN}") from error
            raise WeightsError(f"'{path}' has more in it than tensors and is not read: {_SAVE_AGAIN}") from error
        except Exception as error:  # a damaged pickle can raise anything
            raise WeightsError(f"'{path}' is damaged or not a PyTorch checkpoint: {_GET_AGAIN}") from error


def _check_archive(file: BinaryIO, path: Path, size: int) -> None:
    """Refuse what cannot be a state dict before torch allocates anything for it."""
    try:
        with zipfile.ZipFile(file) as archive:
            entries = archive.infolist()
            if any("/code/" in entry.filename or entry.filename.endswith("constants.pkl") for entry in entries):
                raise WeightsError(f"'{path}' is a TorchScript program, not a state dict: {_SAVE_AGAIN}")
            unpacked = sum(entry.file_size for entry in entries)
            if unpacked > MAX_BYTES or unpacked > _FOLDED * size + _SPARE_BYTES:
                raise WeightsError(f"'{path}' unpacks from {size} to {unpacked} bytes: {_SAVE_AGAIN}")
            damaged = archive.testzip()
    except (zipfile.BadZipFile, zlib.error, OSError, ValueError, RuntimeError, EOFError) as error:
        raise WeightsError(f"'{path}' is damaged or cut short: {_GET_AGAIN}") from error
    if damaged is not None:
        raise WeightsError(f"'{path}' is damaged (the checksum of {damaged!r} is wrong): {_GET_AGAIN}")


def _unwrap(loaded: Any, path: Path) -> dict[str, torch.Tensor]:
    state = loaded
    for _ in _WRAPPERS:
        if isinstance(state, Mapping):
            inner = [state[key] for key in _WRAPPERS if isinstance(state.get(key), Mapping)]
            state = inner[0] if inner else state
    if not isinstance(state, Mapping) or not state:
        raise WeightsError(f"'{path}' holds no state dict: {_SAVE_AGAIN}")
    for key, value in state.items():
        packed = isinstance(key, str) and "_packed_params" in key
        if packed or (isinstance(value, torch.Tensor) and value.is_quantized):
            raise WeightsError(f"'{path}' is quantized by PyTorch (at '{key}'): give the FP32 checkpoint")
    for key, value in state.items():
        if not isinstance(key, str) or not isinstance(value, torch.Tensor):
            raise WeightsError(f"'{path}' holds something else than tensors at '{key}': {_SAVE_AGAIN}")
    return dict(state)


def _without_module_prefix(state: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    if all(key.startswith("module.") for key in state):
        return {key.removeprefix("module."): tensor for key, tensor in state.items()}
    return state


def _checked(tensor: torch.Tensor, key: str, path: Path) -> torch.Tensor:
    if tensor.layout is not torch.strided or tensor.device.type != "cpu" or tensor.is_complex():
        raise WeightsError(f"'{path}' has a tensor that is not a plain array at '{key}': {_SAVE_AGAIN}")
    if not tensor.is_floating_point():
        if key.endswith(COUNTER):
            return tensor.detach()
        raise WeightsError(f"'{path}' has whole numbers as weights at '{key}': give the FP32 checkpoint")
    plain = tensor.detach().to(torch.float32)
    if plain.numel() and not all(bool(torch.isfinite(end)) for end in torch.aminmax(plain)):  # NaN becomes both ends
        raise WeightsError(f"'{path}' has NaN or infinite weights at '{key}': {_GET_AGAIN}")
    return plain
