"""An encoder run by torch, from the weights alone."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import numpy.typing as npt
import torch

from facesearch.encoders.catalog import Model, Variant
from facesearch.encoders.crop_encoder import CropEncoder
from facesearch.encoders.lowbit import file as lowbit_file
from facesearch.encoders.networks import int8_network
from facesearch.encoders.networks.preprocess import CropNetwork
from facesearch.encoders.registry import read_variant
from facesearch.encoders.spec import LOW_BIT
from facesearch.errors import UnknownEncoderError, UsageError, WeightsError

_FP32, _INT8 = "fp32", "int8"


class TorchEncoder(CropEncoder):
    """An `Encoder` from a state dict: FP32, INT8 as `facesearch.encoders.networks.int8_network` has it, or of few bits.

    Few bits (w4a4) are stored as such, and computed with in float32 on rounded numbers: `facesearch.encoders.lowbit`.

    threads: what one call may use (0 = as torch is set). device: as torch calls it ("cpu", "cuda", "cuda:1", "mps").
    Raises `UsageError` for a device that is not there or that does not compute in INT8, `WeightsError` for weights that
    do not fit.
    """

    def __init__(self, model: Model, variant: Variant, *, threads: int = 0, device: str = "cpu") -> None:
        super().__init__(model, variant)
        if variant.precision not in (_FP32, _INT8) and not LOW_BIT.fullmatch(variant.precision):
            raise UnknownEncoderError(f"torch runs {_FP32}, {_INT8} and w3a3 to w8a8, not {self.spec}: use @onnx")
        self._torch_device = _available(device)
        if variant.precision == _INT8 and self._torch_device.type != "cpu":
            raise UsageError(f"{self.spec} runs on the CPU only: use --device cpu")
        self._threads = threads
        self._network = self._load(read_variant(variant)).to(self._torch_device)

    @property
    def device(self) -> str:
        return self._torch_device.type

    def _embed(self, crops: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        with torch.inference_mode(), _threads(self._threads):
            images = torch.from_numpy(crops if crops.flags.writeable else crops.copy())
            embeddings: torch.Tensor = self._network(images.to(self._torch_device))
            found: npt.NDArray[np.float32] = embeddings.cpu().numpy()
        return found

    def _load(self, data: bytes) -> CropNetwork:
        name = f"the file of {self.spec}"
        if self._variant.precision == _INT8:
            weights = int8_network.parse(data, name)
            if weights.family != self._model.family:
                raise WeightsError(f"{name} is of {weights.family}, not of {self._model.family}: quantize it again")
            return int8_network.int8_network(weights, name)
        if self._variant.precision != _FP32:
            made = lowbit_file.parse(data, name)
            if (made.family, made.precision) != (self._model.family, self._variant.precision):
                raise WeightsError(f"{name} is of {made.family}:{made.precision}: quantize the model again")
            return made.network
        return int8_network.fp32_network(self._model.family, read_state(self._model.family, data, name), name)


def read_state(family: str, data: bytes, name: str) -> dict[str, torch.Tensor]:
    """The FP32 weights in the file of a model: safetensors, of those embedded ONNX.

    Raises `WeightsError` if the file is damaged.
    """
    if family in int8_network.EMBEDDED:
        return int8_network.EMBEDDED[family].weights_of(data)
    from safetensors import SafetensorError
    from safetensors.torch import load

    try:
        state: dict[str, torch.Tensor] = load(data)
    except (SafetensorError, ValueError, KeyError) as error:
        raise WeightsError(
            f"{name}: it is not a safetensors file, or damaged; pull or import the model again"
        ) from error
    return state


def _available(device: str) -> torch.device:
    there = ["cpu"]
    if torch.cuda.is_available():
        there += ["cuda", *(f"cuda:{number}" for number in range(torch.cuda.device_count()))]
    if torch.backends.mps.is_available():
        there.append("mps")
    if device.lower() not in there:
        raise UsageError(f"torch has no device '{device}' here; there are: {', '.join(there)}")
    return torch.device(device.lower())


@contextmanager
def _threads(count: int) -> Iterator[None]:
    """Let this thread's operators use `count` threads; torch keeps the number for each thread that calls it."""
    before = torch.get_num_threads()
    if count in (0, before):
        yield
        return
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)
