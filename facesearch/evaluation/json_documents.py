"""Frozen dataclasses to JSON and back, without loss.

Values are what JSON knows: None, bool, int, float, str, tuples, and dataclasses of these. A float is written
so that reading gives the same bits (Python's `repr`); one that is not finite is refused, JSON has no word for it.
"""

from __future__ import annotations

import types
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from functools import cache
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

T = TypeVar("T")


def to_document(value: object) -> Any:
    """Dictionaries, lists and plain values for `json.dumps(…, allow_nan=False)`."""
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: to_document(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, tuple):
        return [to_document(each) for each in value]
    return value


def from_document(kind: type[T], document: Any) -> T:
    """An object of the dataclass `kind`; raises `ValueError` where the document is not of that shape."""
    read: T = _read(kind, document, kind.__name__)
    return read


def _read(kind: Any, document: Any, where: str) -> Any:
    if is_dataclass(kind):
        return _read_dataclass(kind, document, where)
    origin = get_origin(kind)
    if origin is Union or origin is types.UnionType:
        if document is None:
            return None
        (kind,) = (each for each in get_args(kind) if each is not type(None))
        return _read(kind, document, where)
    if origin is tuple:
        return _read_tuple(get_args(kind), document, where)
    if kind is float and type(document) is int:
        return float(document)
    if type(document) is not kind:
        raise ValueError(f"{where} is {type(document).__name__}, not {kind.__name__}")
    return document


def _read_dataclass(kind: Any, document: Any, where: str) -> Any:
    if not isinstance(document, Mapping):
        raise ValueError(f"{where} is no object")
    hints = _hints(kind)
    if unknown := set(document) - set(hints):
        raise ValueError(f"{where} has an unknown field {min(unknown)}")
    values = {name: _read(hints[name], document[name], f"{where}.{name}") for name in document}
    try:
        return kind(**values)
    except TypeError as error:
        raise ValueError(f"{where}: {error}") from None


def _read_tuple(arguments: tuple[Any, ...], document: Any, where: str) -> tuple[Any, ...]:
    if not isinstance(document, list):
        raise ValueError(f"{where} is no list")
    if arguments[-1] is Ellipsis:
        return tuple(_read(arguments[0], each, f"{where}[{place}]") for place, each in enumerate(document))
    if len(document) != len(arguments):
        raise ValueError(f"{where} has {len(document)} entries, not {len(arguments)}")
    return tuple(_read(kind, each, where) for kind, each in zip(arguments, document, strict=True))


@cache
def _hints(kind: Any) -> dict[str, Any]:
    return get_type_hints(kind)
