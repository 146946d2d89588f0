"""The networks of the catalog's families, built with torch; part of the extra `[torch]`, imported only on demand."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib import import_module
from typing import TYPE_CHECKING, Protocol, cast

from facesearch.encoders.catalog import CATALOG, Model
from facesearch.errors import UnknownEncoderError, WeightsError

if TYPE_CHECKING:  # this module is read to know what there is; torch is loaded only to build it
    import torch
    from torch import nn

    from facesearch.encoders.networks.preprocess import CropNetwork

__all__ = ["ARCHITECTURES", "build_network", "network_of"]

ARCHITECTURES = {
    "facenet-vggface2": "facenet",
    "facenet-casia": "facenet",
    "transface-s": "transface",
    "transface-b": "transface",
    "transface-l": "transface",
    "edgeface-xxs": "edgeface",
    "edgeface-xs": "edgeface",
    "edgeface-s": "edgeface",
    "edgeface-base": "edgeface",
}
"""Family, by its name in the catalog -> the module of this package that builds its network."""

_INSTALL = "pip install 'facesearch[torch]'"


class _Architecture(Protocol):
    """What each module that builds networks offers."""

    def build(self, model: str, state: Mapping[str, torch.Tensor] | None = None) -> nn.Module: ...

    def clean(self, model: str, state: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]: ...


def build_network(family: str) -> nn.Module:
    """The bare network of a family with untrained weights, in eval mode: images (n, 3, h, w) float32 -> (n, d)."""
    _entry(family)
    with _extra_needed(family):
        return _architecture(family).build(family).eval()


def network_of(family: str, state: Mapping[str, torch.Tensor], name: str) -> CropNetwork:
    """The network of a family with the weights in `state`: crops (n, h, w, 3) uint8 RGB -> (n, d) float32.

    In eval mode, without gradients. `name` says in messages what is loaded as what. Raises `UnknownEncoderError` for a
    family that is not built here, `WeightsError` for weights that do not fit.
    """
    facts = _entry(family)
    with _extra_needed(family):
        import torch

        from facesearch.encoders.networks.preprocess import CropNetwork
        from facesearch.encoders.networks.strict_loading import load_strictly

        architecture = _architecture(family)
        try:
            state = architecture.clean(family, state)
        except WeightsError as error:
            raise WeightsError(f"{name}: {error}") from error
        with torch.device("meta"):  # the weights come from the file: none are drawn at random before
            network = architecture.build(family, state)
        load_strictly(network, state, name)
        return CropNetwork(network, facts.mean, facts.scale).eval().requires_grad_(False)


def _entry(family: str) -> Model:
    """What the catalog says of a family; raises `UnknownEncoderError` naming the nearest, or all."""
    for model in CATALOG:
        if model.name == family and family in ARCHITECTURES:
            return model
    near = difflib.get_close_matches(family, ARCHITECTURES, n=1)
    hint = f"did you mean {near[0]}?" if near else f"there are: {', '.join(ARCHITECTURES)}"
    raise UnknownEncoderError(f"no model named '{family}' can be built; {hint}")


def _architecture(family: str) -> _Architecture:
    return cast(_Architecture, import_module(f"{__name__}.{ARCHITECTURES[family]}"))


@contextmanager
def _extra_needed(model: str) -> Iterator[None]:
    try:
        yield
    except ImportError as error:
        lacking = error.name or "a package"
        raise UnknownEncoderError(f"{model} needs {lacking}, which is not installed: {_INSTALL}") from error
