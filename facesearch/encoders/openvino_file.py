"""OpenVINO's two files of a model, the network (XML) and its weights, as one file with one SHA-256.

8 bytes   "FSOVIR\\x00\\x01": what it is, and version 1 of it
8 bytes   length of the network, unsigned, little-endian
n bytes   the network, XML in UTF-8
the rest  the weights, to which the network refers by offset
"""

from __future__ import annotations

from dataclasses import dataclass

from facesearch.errors import WeightsError

SUFFIX = ".ovir"

_MAGIC = b"FSOVIR\x00\x01"
_HEADER = len(_MAGIC) + 8


@dataclass(frozen=True, slots=True)
class OpenVinoFile:
    """network: the XML that OpenVINO's `serialize` writes. weights: the `.bin` beside it."""

    network: bytes
    weights: bytes


def is_openvino_file(data: bytes) -> bool:
    """Whether `data` is a packed model; else it is an ONNX file."""
    return data[: len(_MAGIC)] == _MAGIC


def pack(network: bytes, weights: bytes) -> bytes:
    """One file of the two."""
    return _MAGIC + len(network).to_bytes(8, "little") + network + weights


def unpack(data: bytes) -> OpenVinoFile:
    """The two files in one; raises `WeightsError` if it is not such a file, or cut short."""
    length = int.from_bytes(data[len(_MAGIC) : _HEADER], "little")
    if not is_openvino_file(data) or len(data) < _HEADER or length > len(data) - _HEADER:
        raise WeightsError("this is no packed OpenVINO model, or it is cut short: quantize the model again")
    return OpenVinoFile(data[_HEADER : _HEADER + length], data[_HEADER + length :])
