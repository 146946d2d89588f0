"""Read the parameters of dlib's face recognition ResNet from its `.dat` file, without dlib.

dlib's serialisation, as far as needed: an integer is a control byte (low nibble = number of bytes, 0x80 = negative)
followed by little-endian bytes; a string is its length and its characters; a tensor is the version 2, four dimensions
and raw little-endian float32. Layers are written in forward order, each starting with the name of its type.
Source: Davis King's dlib, `serialize.h`, `dnn/layers.h`; the network is `dnn_face_recognition_v1` (CC0).
"""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float32]

MODEL_FILE = "dlib_face_recognition_resnet_model_v1.dat"


@dataclass(frozen=True, slots=True)
class Convolution:
    """One convolution with the affine layer behind it.

    weight (out, in, kh, kw), bias (out,), gamma (out,), beta (out,): y = gamma · (weight * x + bias) + beta.
    """

    weight: Array
    bias: Array
    gamma: Array
    beta: Array


def models_folder() -> Path:
    """Where the package face_recognition_models keeps its files; it is not imported, which newer setuptools break."""
    spec = importlib.util.find_spec("face_recognition_models")
    if spec is None or spec.origin is None:
        raise FileNotFoundError("face-recognition-models is not installed: pip install 'facesearch[torch]'")
    return Path(spec.origin).parent / "models"


def _integer(data: bytes, at: int) -> tuple[int, int]:
    control = data[at]
    size = control & 0x0F
    value = int.from_bytes(data[at + 1 : at + 1 + size], "little")
    return (-value if control & 0x80 else value), at + 1 + size


def _tensor(data: bytes, at: int) -> tuple[Array, int]:
    version, at = _integer(data, at)
    if version != 2:
        raise ValueError(f"tensor version {version} at byte {at}, expected 2")
    shape = []
    for _ in range(4):
        size, at = _integer(data, at)
        shape.append(size)
    count = int(np.prod(shape))
    values = np.frombuffer(data, "<f4", count, at).astype(np.float32)
    return values.reshape(shape), at + 4 * count


def _positions(data: bytes, name: bytes) -> list[int]:
    """Where the parameters behind each occurrence of the layer type `name` start."""
    mark = bytes([1, len(name)]) + name
    found, at = [], data.find(mark)
    while at >= 0:
        found.append(at + len(mark))
        at = data.find(mark, at + 1)
    return found


def read_network(path: Path) -> tuple[list[Convolution], Array]:
    """The 29 convolutions in forward order and the last matrix, shape (256, 128) float32."""
    data = path.read_bytes()
    affine = []
    for at in _positions(data, b"affine_"):
        values, _ = _tensor(data, at)
        affine.append(values.reshape(2, -1))
    convolutions: list[Convolution] = []
    for index, at in enumerate(_positions(data, b"con_4")):
        values, at = _tensor(data, at)
        geometry = []
        for _ in range(3):
            number, at = _integer(data, at)
            geometry.append(number)
        out, kh, kw = geometry
        flat = values.reshape(-1)
        weight = flat[:-out].reshape(out, -1, kh, kw)
        gamma, beta = affine[index]
        convolutions.append(Convolution(weight, flat[-out:], gamma, beta))
    (at,) = _positions(data, b"fc_2")
    for _ in range(2):  # number of outputs, number of inputs
        _, at = _integer(data, at)
    matrix, _ = _tensor(data, at)
    return convolutions, matrix.reshape(-1, 128)
