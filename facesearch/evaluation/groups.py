"""Which group of people a photo belongs to, where that is known: from a list, or from UTKFace's file names."""

from __future__ import annotations

import logging
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from facesearch.errors import UsageError
from facesearch.photos.lists import read_table
from facesearch.text.figures import counted

_log = logging.getLogger("facesearch")

Bools = npt.NDArray[np.bool_]

_AGES = ((0, 4), (5, 9), (10, 17), (18, 39), (40, 59), (60, None))  # years, both included
_SEXES = ("male", "female")
_ORIGINS = ("White", "Black", "Asian", "Indian", "other")
# Zhang, Song, Qi, CVPR 2017: [age]_[gender]_[race]_[date&time].jpg; some names lack the third.
_UTKFACE = re.compile(r"(\d{1,3})_(?:([01])_)?(?:([0-4])_)?\d{8,}")
_YEARS = re.compile(r"[0-9]{1,3}")
_MOST_VALUES = 20


@dataclass(frozen=True, slots=True, eq=False)
class Group:
    """Photos with the same label. label: as in "age"; value: as in "0-4"; members: (n,) of the data set's photos."""

    label: str
    value: str
    members: Bools


def from_file_names(paths: Sequence[str]) -> tuple[Group, ...]:
    """Groups by age, sex and origin of UTKFace's photos (n,), as its authors label them; none where no name tells."""
    labelled: list[dict[str, str]] = []
    for path in paths:
        found = _UTKFACE.match(Path(path).name)
        row: dict[str, str] = {}
        if found:
            row["age"] = _age(int(found[1]))
            if found[2]:
                row["sex"] = _SEXES[int(found[2])]
            if found[3]:
                row["origin"] = _ORIGINS[int(found[3])]
        labelled.append(row)
    return _groups(labelled)


def from_list(listing: Path, paths: Sequence[str]) -> tuple[Group, ...]:
    """Groups from a CSV file with a column `path` and one column per label; numbers under `age` become ranges.

    Photos that it does not name belong to no group. Raises `UsageError` where it cannot be read, or names no photo.
    """
    table = read_table(listing)
    titles = [title.strip() for title in next(table, (0, []))[1]]
    rows = [dict(zip(titles, (cell.strip() for cell in row), strict=False)) for _, row in table]
    if not rows or "path" not in titles:
        raise UsageError(f"{listing} needs a header with a column 'path', and columns of labels")
    if len(set(titles)) < len(titles):
        raise UsageError(f"{listing} has two columns of the same name")
    if not all(text.isprintable() for row in rows for text in _texts(row)):
        raise UsageError(f"{listing} has labels that cannot be shown: a control character is in them")
    known: dict[str, dict[str, str]] = {}
    for row in rows:
        labels = {label: value for label, value in row.items() if label and label != "path" and value}
        path = row.get("path", "")
        if known.setdefault(path, labels) != labels:
            raise UsageError(f"{listing} names {path} twice, with different labels")
    if missing := len(known.keys() - set(paths) - {""}):
        _log.warning("%s of %s are not in the data set", counted(missing, "photo"), listing)
    labelled = [
        {
            label: _age(int(value)) if label == "age" and _YEARS.fullmatch(value) else value
            for label, value in known.get(path, {}).items()
        }
        for path in paths
    ]
    groups = _groups(labelled)
    if not groups:
        raise UsageError(f"{listing} names no photo of the data set with a label: paths are relative to its folder")
    return groups


def _texts(row: dict[str, str]) -> list[str]:
    """Names and values of labels."""
    return [text for label, value in row.items() if label and label != "path" for text in (label, value)]


def _age(years: int) -> str:
    low, high = next((low, high) for low, high in reversed(_AGES) if years >= low)
    return f"{low}+" if high is None else f"{low}-{high}"


def _groups(labelled: Sequence[dict[str, str]]) -> tuple[Group, ...]:
    groups = []
    for label in dict.fromkeys(name for row in labelled for name in row):
        values = np.array([row.get(label, "") for row in labelled], dtype=object)
        distinct = sorted({value for value in values if value}, key=_in_order)
        if len(distinct) > _MOST_VALUES:
            raise UsageError(
                f"label '{label}' has {len(distinct)} values; groups of people have at most {_MOST_VALUES}"
            )
        groups += [Group(label, value, np.asarray(values == value, np.bool_)) for value in distinct]
    return tuple(groups)


def _in_order(value: str) -> tuple[float, str]:
    number = re.match(r"\d+", value)
    return (float(number[0]) if number else np.inf, value)
