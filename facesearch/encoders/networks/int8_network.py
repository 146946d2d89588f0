"""INT8 networks in torch, and the file that holds one: safetensors with codes and scales, nothing that is run as code.

Every weight matrix and kernel W (out, …) is kept as codes int8 in [-127, 127] and a scale per output channel,
W ≈ codes · scale. What computes with them depends on the scheme:

    int8-torch-static         convolutional networks: INT8 convolutions, sums and activations; the ranges of the
                              activations were measured on faces and are in the file
    int8-torch-dynamic        transformers: INT8 linear layers, whose inputs are scaled by what they are at run time
    int8-torch-weights        networks with PReLU, which torch does not convert: weights widened at load, float products

Tensors in the file: `<key>` int8 and `<key>#scale` float32 (out,) for a quantized weight, `<key>` float32 for all
others, `activation#<name>` float64 (2,): scale and zero point of an activation. Metadata: format, family, scheme.

A network is rebuilt from the codes and quantized again, which gives the same codes: the largest weight of a channel is
always ±127 steps, and folding batch normalisation into a convolution multiplies a channel as a whole.
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import nn

from facesearch.encoders.networks import dlib_resnet, mobilefacenet
from facesearch.encoders.networks import network_of as family_network_of
from facesearch.encoders.networks.preprocess import CropNetwork
from facesearch.errors import FacesearchError, WeightsError

DYNAMIC = "int8-torch-dynamic"
STATIC = "int8-torch-static"
WEIGHTS = "int8-torch-weights"


class _EmbeddedFamily(Protocol):
    """What each module of a family offers whose weights come with the package."""

    FAMILY: str

    def weights_of(self, data: bytes) -> dict[str, torch.Tensor]: ...

    def network_of(self, state: Mapping[str, torch.Tensor], name: str) -> CropNetwork: ...


_EMBEDDED_FAMILIES: tuple[_EmbeddedFamily, ...] = (dlib_resnet, mobilefacenet)
EMBEDDED = {each.FAMILY: each for each in _EMBEDDED_FAMILIES}
"""Families whose weights come with the package, as ONNX."""

_FORMAT = "facesearch-torch-int8-1"
_SCALE = "#scale"
_ACTIVATION = "activation#"
_SMALLEST = 512  # numbers; what has fewer is kept as it is
_DEPRECATED = r"torch\.quantize_per_tensor, torch\.quantize_per_channel and other quantized tensor creation"
_STEPS = 127
_ENGINE = "fbgemm"
_LARGEST_HEADER = 1 << 24  # bytes


@dataclass(frozen=True, slots=True)
class Int8Weights:
    """What is in a file. ranges: name of an activation -> (scale, zero point); only the static scheme has any."""

    family: str
    scheme: str
    state: dict[str, torch.Tensor]
    ranges: dict[str, tuple[float, int]]


def fp32_network(family: str, state: Mapping[str, torch.Tensor], name: str) -> CropNetwork:
    """The FP32 network of a family; raises `WeightsError` for weights that do not fit."""
    if family in EMBEDDED:
        return EMBEDDED[family].network_of(state, name)
    return family_network_of(family, state, name)


def int8_network(weights: Int8Weights, name: str) -> CropNetwork:
    """The network that computes with the codes, or with what they stand for, on the CPU.

    Raises `WeightsError` for weights that do not fit.
    """
    network = fp32_network(weights.family, rounded(weights.state), name)
    if weights.scheme == WEIGHTS:
        return network
    if weights.scheme == DYNAMIC:
        replace_linear_layers(network)
        return network
    with _quiet():
        prepared = prepare(network.network, _example(network))
        _set_ranges(prepared, weights.ranges, name)
        network.network = _convert(prepared)
    return network


def encode_weight(weight: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """A weight (out, …) float32 -> codes of the same shape int8, and a scale for each output channel (out,) float32."""
    largest = weight.flatten(1).abs().amax(dim=1)
    scale = torch.where(largest > 0, largest / _STEPS, torch.ones_like(largest))
    steps = weight / scale.reshape(-1, *[1] * (weight.ndim - 1))
    return steps.round().clamp(-_STEPS, _STEPS).to(torch.int8), scale


def decode_weight(codes: torch.Tensor, scale: torch.Tensor) -> torch.Tensor:
    """Codes (out, …) int8 and scale (out,) -> weight (out, …) float32."""
    return codes.to(torch.float32) * scale.reshape(-1, *[1] * (codes.ndim - 1))


def is_quantized(key: str, tensor: torch.Tensor) -> bool:
    """Whether an entry of a state dict is kept as codes."""
    return key.endswith("weight") and tensor.ndim > 1 and tensor.numel() >= _SMALLEST and tensor.is_floating_point()


def rounded(state: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """A state dict as the codes have it: what is quantized is rounded to its steps."""
    return {
        key: decode_weight(*encode_weight(tensor)) if is_quantized(key, tensor) else tensor
        for key, tensor in state.items()
    }


def dump(weights: Int8Weights) -> bytes:
    """The file. `weights.state` may be rounded already or not: the file is the same."""
    from safetensors.torch import save

    tensors: dict[str, torch.Tensor] = {}
    for key, tensor in weights.state.items():
        if is_quantized(key, tensor):
            codes, scale = encode_weight(tensor)
            tensors |= {key: codes.contiguous(), key + _SCALE: scale}
        else:
            tensors[key] = tensor.contiguous()
    for key, (step, zero) in weights.ranges.items():
        tensors[_ACTIVATION + key] = torch.tensor([step, zero], dtype=torch.float64)
    data: bytes = save(tensors, {"format": _FORMAT, "family": weights.family, "scheme": weights.scheme})
    return data


def parse(data: bytes, name: str) -> Int8Weights:
    """What is in a file; raises `WeightsError` if it is not such a file."""
    from safetensors import SafetensorError
    from safetensors.torch import load

    again = "quantize the model again"
    facts = _metadata(data)
    if facts.get("format") != _FORMAT or facts.get("scheme") not in (DYNAMIC, STATIC, WEIGHTS):
        raise WeightsError(f"{name} is not an INT8 file that this version reads: {again}")
    try:
        tensors = load(data)
    except (SafetensorError, ValueError, KeyError) as error:
        raise WeightsError(f"{name} is a damaged safetensors file: {again}") from error
    state: dict[str, torch.Tensor] = {}
    ranges: dict[str, tuple[float, int]] = {}
    for key, tensor in tensors.items():
        if key.startswith(_ACTIVATION):
            if tensor.shape != (2,):
                raise WeightsError(f"{name} is damaged at '{key}': {again}")
            ranges[key.removeprefix(_ACTIVATION)] = (float(tensor[0]), int(tensor[1]))
        elif tensor.dtype == torch.int8:
            scale = tensors.get(key + _SCALE)
            if scale is None or scale.shape != tensor.shape[:1]:
                raise WeightsError(f"{name} is damaged at '{key}': {again}")
            state[key] = decode_weight(tensor, scale)
        elif not key.endswith(_SCALE):
            state[key] = tensor
    return Int8Weights(facts["family"], facts["scheme"], state, ranges)


def replace_linear_layers(network: nn.Module) -> None:
    """Put an INT8 layer in the place of each linear one whose weight is quantized."""
    for key, layer in list(network.named_modules()):
        if isinstance(layer, nn.Linear) and is_quantized("weight", layer.weight):
            network.set_submodule(key, DynamicLinear(layer))


class DynamicLinear(nn.Module):
    """A linear layer with INT8 weights whose inputs are quantized at run time: (…, inputs) -> (…, outputs) float32.

    Each row of the input has a scale of its own, its largest magnitude: torch's own dynamic layer takes one for all
    crops of a batch, and then a template depends on what is encoded with it.
    """

    def __init__(self, layer: nn.Linear) -> None:
        super().__init__()
        codes, scale = encode_weight(layer.weight.detach())
        zeros = torch.zeros(len(scale), dtype=torch.int64)
        with _engine():
            weight: Any = torch._make_per_channel_quantized_tensor(codes, scale.double(), zeros, 0)
            self._packed: Any = torch.ops.quantized.linear_prepack(weight, None)
        self._bias = layer.bias
        self._steps = _input_steps()

    def forward(self, values: torch.Tensor) -> torch.Tensor:
        largest = values.abs().amax(dim=-1, keepdim=True).clamp(min=1e-12)  # (…, 1)
        rows = (values / largest).contiguous()  # in [-1, 1]
        product: torch.Tensor = torch.ops.quantized.linear_with_input_q_dq_qweight_dq_output_fp32(
            rows, 1 / self._steps, self._steps + 1, self._packed
        )
        product = product * largest
        return product if self._bias is None else product + self._bias


def _input_steps() -> int:
    """8 bits, on CPUs without VNNI 7: their sums of two products of 8 bits would overflow, unnoticed."""
    has_vnni: Callable[[], bool] = getattr(torch.cpu, "_is_vnni_supported", lambda: False)
    return 127 if has_vnni() else 63


def prepare(network: nn.Module, example: torch.Tensor) -> Any:
    """The network with observers where the static scheme has INT8 activations: run it on images to measure them.

    Only convolutions, and what stands between them, compute in INT8: the layers that make the embedding of the last
    features are few and their rounding would be seen in it.
    """
    from torch.ao import quantization
    from torch.ao.quantization import quantize_fx

    library: Any = quantization
    seven_bits = library.HistogramObserver.with_args(dtype=torch.quint8, reduce_range=True)  # no overflow before VNNI
    per_channel = library.PerChannelMinMaxObserver.with_args(
        dtype=torch.qint8, qscheme=torch.per_channel_symmetric, quant_min=-_STEPS, quant_max=_STEPS
    )
    mapping = library.QConfigMapping().set_global(library.QConfig(activation=seven_bits, weight=per_channel))
    for kind in (nn.Linear, nn.BatchNorm1d):
        mapping = mapping.set_object_type(kind, None)
    made: Any = quantize_fx
    with _quiet():
        return made.prepare_fx(network, mapping, (example,))


def can_be_static(network: nn.Module) -> bool:
    """Whether torch converts all layers of a convolutional network: it stops at PReLU with a slope for each channel."""
    return not any(isinstance(layer, nn.PReLU) and layer.num_parameters > 1 for layer in network.modules())


def measured_ranges(prepared: Any) -> dict[str, tuple[float, int]]:
    """Scale and zero point of each activation that the observers of a prepared network saw."""
    found = {}
    for name, _, observer in _observers(prepared):
        scale, zero = observer.calculate_qparams()
        found[name] = (float(scale), int(zero))
    return found


def _convert(prepared: Any) -> nn.Module:
    from torch.ao.quantization import quantize_fx

    made: Any = quantize_fx
    with _engine():
        network: nn.Module = made.convert_fx(prepared)
    return network


@contextmanager
def _engine() -> Iterator[None]:
    """What packs weights while this is open: FBGEMM, whose speed does not hang on the size of the first batch.

    Meanwhile torch does not say that its quantized tensors are deprecated: its packed weights are made of nothing else.
    """
    engines: Any = torch.backends.quantized
    if _ENGINE not in engines.supported_engines:
        raise FacesearchError("INT8 on torch needs an x86 CPU: use int8 on onnx")
    before = engines.engine
    engines.engine = _ENGINE
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message=_DEPRECATED, category=UserWarning)
            yield
    finally:
        engines.engine = before


def _observers(prepared: Any) -> Iterator[tuple[str, str, Any]]:
    """Of each observer the name of what it observes, its own name, and itself."""
    modules = dict(prepared.named_modules(remove_duplicate=False))
    for node in prepared.graph.nodes:
        if node.op == "call_module" and hasattr(modules[node.target], "calculate_qparams"):
            yield node.args[0].name, node.target, modules[node.target]


def _set_ranges(prepared: Any, ranges: Mapping[str, tuple[float, int]], name: str) -> None:
    from torch.ao.quantization.observer import FixedQParamsObserver

    observers = list(_observers(prepared))
    if {each for each, _, _ in observers} != set(ranges):
        raise WeightsError(f"{name}: its activations are not those of this torch's network: quantize the model again")
    make: Callable[..., nn.Module] = FixedQParamsObserver
    for each, target, _ in observers:
        scale, zero = ranges[each]
        prepared.set_submodule(target, make(scale, zero, dtype=torch.quint8, quant_min=0, quant_max=255))


def _example(network: CropNetwork) -> torch.Tensor:
    """Images of the shape that a convolutional network takes; their size does not change the traced graph."""
    return torch.zeros(1, 3, 160, 160)


def _metadata(data: bytes) -> dict[str, str]:
    length = int.from_bytes(data[:8], "little")
    if length > min(_LARGEST_HEADER, len(data) - 8):
        return {}
    try:
        facts = json.loads(data[8 : 8 + length]).get("__metadata__", {})
    except (ValueError, AttributeError, RecursionError):
        return {}
    return facts if isinstance(facts, dict) and "family" in facts else {}


@contextmanager
def _quiet() -> Iterator[None]:
    """torch.ao says that it will be replaced, and that its ranges are not measured yet: of no use to the user."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
