"""Models built with torch, from which encoders are exported; part of the extra `[torch]`, imported only on demand."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, cast

from facesearch.errors import UnknownEncoderError, WeightsError

if TYPE_CHECKING:  # this module is read to know what there is; torch is loaded only to build it
    import torch
    from torch import nn

    from facesearch.encoders.families.preprocess import CropNetwork

__all__ = ["FAMILIES", "Family", "build_network", "family_of", "load_network", "network_of"]

Channels = tuple[float, float, float]

_INSTALL = "pip install 'facesearch[torch]'"

_ON_127: tuple[Channels, Channels] = ((127.5,) * 3, (1 / 127.5,) * 3)  # (x / 255 − 0.5) / 0.5
_ON_128: tuple[Channels, Channels] = ((127.5,) * 3, (1 / 128,) * 3)  # facenet-pytorch's fixed standardization


@dataclass(frozen=True, slots=True)
class Family:
    """What has to be known of a model before it is built.

    architecture: the module of this package that builds it. crop: the kind of crop it was trained on, crop_size its
    side in pixels. mean, scale: the network gets (x − mean) · scale, red first. parameters: trained numbers without
    the running statistics of batch normalisation. keys: entries of its state dict.
    """

    model: str
    architecture: str
    crop: str
    crop_size: int
    mean: Channels
    scale: Channels
    parameters: int
    keys: int
    dimension: int = 512


class _Architecture(Protocol):
    """What each module that builds models offers."""

    def build(self, model: str, state: Mapping[str, torch.Tensor] | None = None) -> nn.Module: ...

    def clean(self, model: str, state: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]: ...


FAMILIES: tuple[Family, ...] = (
    Family("facenet-vggface2", "facenet", "mtcnn-margin", 160, *_ON_128, parameters=23_482_624, keys=714),
    Family("facenet-casia", "facenet", "mtcnn-margin", 160, *_ON_128, parameters=23_482_624, keys=714),
    Family("transface-s", "transface", "arcface", 112, *_ON_127, parameters=86_660_864, keys=152),
    Family("transface-b", "transface", "arcface", 112, *_ON_127, parameters=124_471_040, keys=284),
    Family("transface-l", "transface", "arcface", 112, *_ON_127, parameters=271_630_336, keys=284),
    Family("edgeface-xxs", "edgeface", "arcface", 112, *_ON_127, parameters=1_244_744, keys=160),
    Family("edgeface-xs", "edgeface", "arcface", 112, *_ON_127, parameters=2_242_620, keys=214),
    Family("edgeface-s", "edgeface", "arcface", 112, *_ON_127, parameters=5_437_992, keys=214),
    Family("edgeface-base", "edgeface", "arcface", 112, *_ON_127, parameters=18_225_812, keys=214),
)


def family_of(model: str) -> Family:
    """The entry for a model; raises `UnknownEncoderError` naming the nearest, or all."""
    for family in FAMILIES:
        if family.model == model:
            return family
    names = [family.model for family in FAMILIES]
    near = difflib.get_close_matches(model, names, n=1)
    hint = f"did you mean {near[0]}?" if near else f"there are: {', '.join(names)}"
    raise UnknownEncoderError(f"no model named '{model}' can be built; {hint}")


def build_network(model: str) -> nn.Module:
    """The bare network of a model with untrained weights, in eval mode: images (n, 3, h, w) float32 -> (n, d)."""
    family = family_of(model)
    with _extra_needed(model):
        return _architecture(family).build(model).eval()


def load_network(model: str, path: Path) -> CropNetwork:
    """A model with the weights of a checkpoint, in eval mode: crops (n, h, w, 3) uint8 RGB -> (n, d) float32.

    Raises `UnknownEncoderError`, or `WeightsError` if the checkpoint is damaged, unsafe or of another model.
    """
    family_of(model)
    with _extra_needed(model):
        from facesearch.encoders.families.checkpoint import read_checkpoint

        return network_of(model, read_checkpoint(path), f"'{path}' as {model}")


def network_of(model: str, state: Mapping[str, torch.Tensor], name: str) -> CropNetwork:
    """A model with the weights in `state`, as `load_network` does; `name` says in messages what is loaded as what."""
    family = family_of(model)
    with _extra_needed(model):
        import torch

        from facesearch.encoders.families.checkpoint import load_strictly
        from facesearch.encoders.families.preprocess import CropNetwork

        architecture = _architecture(family)
        try:
            state = architecture.clean(model, state)
        except WeightsError as error:
            raise WeightsError(f"{name}: {error}") from error
        with torch.device("meta"):  # the weights come from the file: none are drawn at random before
            network = architecture.build(model, state)
        load_strictly(network, state, name)
        return CropNetwork(network, family.mean, family.scale).eval().requires_grad_(False)


def _architecture(family: Family) -> _Architecture:
    return cast(_Architecture, import_module(f"{__name__}.{family.architecture}"))


@contextmanager
def _extra_needed(model: str) -> Iterator[None]:
    try:
        yield
    except ImportError as error:
        lacking = error.name or "a package"
        raise UnknownEncoderError(f"{model} needs {lacking}, which is not installed: {_INSTALL}") from error
