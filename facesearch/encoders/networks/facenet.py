"""FaceNet: facenet-pytorch's Inception-ResNet-v1, without the classifier that it was trained with.

Schroff et al., "FaceNet: A Unified Embedding for Face Recognition and Clustering", CVPR 2015; the network is
Szegedy et al., "Inception-v4, Inception-ResNet and the Impact of Residual Connections on Learning", AAAI 2017.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import nn

from facesearch.encoders.networks.torchvision_ops import ensure_torchvision
from facesearch.errors import UnknownEncoderError, WeightsError

_DIMENSION = 512
_POOLED = 1792
_CLASSES = {"facenet-vggface2": 8631, "facenet-casia": 10575}  # people in the training set: tells checkpoints apart
_LOGITS = ("logits.weight", "logits.bias")


def build(model: str, state: Mapping[str, torch.Tensor] | None = None) -> nn.Module:
    """The network with untrained weights (nothing is downloaded); `state` does not change its form."""
    _classes(model)
    return FaceNet()


def clean(model: str, state: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """`state` without the classifier; raises `WeightsError` if that was trained on another set of people."""
    shapes = {"logits.weight": (_classes(model), _DIMENSION), "logits.bias": (_classes(model),)}
    for key, shape in shapes.items():
        if key in state and tuple(state[key].shape) != shape:
            found = tuple(state[key].shape)
            other = [name for name, classes in _CLASSES.items() if found[:1] == (classes,) and name != model]
            hint = f"they are those of {other[0]}" if other else "is it of another model?"
            raise WeightsError(f"{model} has {key} {shape}, these weights have {found}; {hint}")
    return {key: tensor for key, tensor in state.items() if key not in _LOGITS}


def _classes(model: str) -> int:
    if model not in _CLASSES:
        raise UnknownEncoderError(f"no FaceNet named '{model}'; there are: {', '.join(_CLASSES)}")
    return _CLASSES[model]


def _inception_resnet() -> type[nn.Module]:
    ensure_torchvision()
    from facenet_pytorch.models.inception_resnet_v1 import InceptionResnetV1

    network: type[nn.Module] = InceptionResnetV1
    return network


class FaceNet(nn.Module):
    """Images (n, 3, 160, 160) float32 -> embedding (n, 512) float32, not of unit length.

    Holds the layers of facenet-pytorch's network under their own names and runs them in its order. Its own forward
    reads the batch size to flatten and divides by the length at the end; both would be in every exported graph.
    """

    def __init__(self) -> None:
        super().__init__()
        for name, layer in _inception_resnet()().named_children():
            self.add_module(name, layer)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        features = images
        for name, layer in self.named_children():  # in the order in which they run; the dropout is idle in eval mode
            if name == "last_linear":
                features = features.reshape(-1, _POOLED)  # (n, 1792)
            features = layer(features)
        return features  # (n, 512)
