"""Templates as they travel between galleries and other programs: one table, whatever the kind of file."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from facesearch.errors import UsageError
from facesearch.gallery.template_enrolment import unsound
from facesearch.photos.photo import composed
from facesearch.text.figures import counted

if TYPE_CHECKING:
    import pandas as pd

COLUMNS = ("identity", "path", "encoder", "fingerprint", "quality", "added", "photo", "box", "template")
REQUIRED = ("identity", "encoder", "template")
_SHA256 = re.compile(r"[0-9a-f]{64}")

Columns = Mapping[str, Sequence[Any] | npt.NDArray[Any]]


@dataclass(frozen=True, slots=True, eq=False)
class TemplateTable:
    """n templates, a column each.

    identity, path: whose and from where. encoder: `model:precision@backend`; fingerprint: SHA-256 (hex) of it, "" where
    that is not known. quality: (n,) float64, 0 to 1. added: when it was enrolled, ISO 8601. photo: SHA-256 (hex) of the
    photo's content, "" where that is not known. box: (n, 4) float64, left, top, width, height of the face in the photo,
    NaN where there is none. template: (n, dimension) float32 of unit length.
    """

    identity: list[str]
    path: list[str]
    encoder: list[str]
    fingerprint: list[str]
    quality: npt.NDArray[np.float64]
    added: list[str]
    photo: list[str]
    box: npt.NDArray[np.float64]
    template: npt.NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.identity)

    def frame(self) -> pd.DataFrame:
        """The same as a data frame; boxes are arrays, or None, templates arrays float32."""
        import pandas as pd  # only what needs a frame waits for it

        columns: dict[str, Any] = {name: getattr(self, name) for name in COLUMNS}
        boxes = [None if np.isnan(box).any() else box for box in self.box]
        columns["box"] = pd.Series(boxes, dtype=object)
        columns["template"] = pd.Series(list(self.template), dtype=object)
        return pd.DataFrame(columns)

    @classmethod
    def of(cls, columns: Columns, name: str) -> TemplateTable:
        """From columns that came from outside, in a file called `name`; raises `UsageError` with the first row that is
        not as it should be. Columns that are not known are passed over."""
        if missing := [column for column in REQUIRED if column not in columns]:
            there = ", ".join(map(repr, list(columns)[:12])) or "none"
            raise UsageError(f"{name} has no column {' and no column '.join(missing)}: its columns are {there}")
        n = len(columns["identity"])
        if n == 0:
            raise UsageError(f"{name} holds no templates")
        for column in COLUMNS:
            if column in columns and len(columns[column]) != n:
                raise UsageError(f"{name}: column {column} has {len(columns[column])} rows, column identity {n}")
        names = [composed(each) for each in _texts(columns, "identity", name)]
        templates = _templates(columns["template"], name)
        reasons = unsound(names, templates)
        wrong = [row for row, reason in enumerate(reasons) if reason]
        if wrong:
            others = f" ({counted(len(wrong) - 1, 'other row')} alike)" if len(wrong) > 1 else ""
            raise UsageError(f"{name}, row {wrong[0] + 1}: {reasons[wrong[0]]}{others}; nothing is imported")
        paths = _texts(columns, "path", name)
        return cls(
            identity=names,
            path=[path or f"{name}, row {row}" for row, path in enumerate(paths, start=1)],
            encoder=_texts(columns, "encoder", name),
            fingerprint=_hashes(columns, "fingerprint", name),
            quality=_qualities(columns, n, name),
            added=_texts(columns, "added", name),
            photo=_hashes(columns, "photo", name),
            box=_boxes(columns, n, name),
            template=templates,
        )


def _is_nothing(value: Any) -> bool:
    return value is None or (isinstance(value, float | np.floating) and bool(np.isnan(value)))


def _texts(columns: Columns, column: str, name: str) -> list[str]:
    """A column of text; "" where there is nothing."""
    if column not in columns:
        return [""] * len(columns["identity"])
    texts = []
    for row, value in enumerate(columns[column], start=1):
        text = "" if _is_nothing(value) else value
        if not isinstance(text, str):
            if column == "added":  # a time, as pandas reads it
                text = str(text)
            else:
                raise UsageError(f"{name}, row {row}: {column} is text, not a {type(value).__name__}")
        if any("\ud800" <= character <= "\udfff" for character in text) or "\0" in text:
            raise UsageError(f"{name}, row {row}: {column} holds what is no character")
        texts.append(str(text))
    return texts


def _hashes(columns: Columns, column: str, name: str) -> list[str]:
    """A column of SHA-256 in hex; "" where it is not known."""
    texts = [text.lower() for text in _texts(columns, column, name)]
    for row, text in enumerate(texts, start=1):
        if text and not _SHA256.fullmatch(text):
            raise UsageError(f"{name}, row {row}: {column} is a SHA-256 of 64 hex digits, not {text[:40]!r}")
    return texts


def _qualities(columns: Columns, n: int, name: str) -> npt.NDArray[np.float64]:
    """Column quality, (n,) float64; 1 where it is not known."""
    qualities = np.ones(n)
    for row, value in enumerate(columns.get("quality", ())):
        if _is_nothing(value) or (isinstance(value, str) and not value):
            continue
        try:
            qualities[row] = float(value)
        except (TypeError, ValueError):
            qualities[row] = np.nan
        if not 0 <= qualities[row] <= 1:
            raise UsageError(f"{name}, row {row + 1}: quality is a number from 0 to 1, not {str(value)[:40]!r}")
    return qualities


def _boxes(columns: Columns, n: int, name: str) -> npt.NDArray[np.float64]:
    """Column box, (n, 4) float64; NaN where there is none."""
    boxes = np.full((n, 4), np.nan)
    for row, value in enumerate(columns.get("box", ())):
        if _is_nothing(value):
            continue
        try:
            box = np.asarray(value, np.float64)
        except (TypeError, ValueError, OverflowError):
            box = np.zeros(0)
        if box.shape == (4,) and np.isnan(box).all():
            continue
        if box.shape != (4,) or not np.isfinite(box).all():
            raise UsageError(f"{name}, row {row + 1}: box is left, top, width and height of the face in pixels")
        boxes[row] = box
    return boxes


def _templates(values: Sequence[Any] | npt.NDArray[Any], name: str) -> npt.NDArray[np.float32]:
    """Column template, (n, dimension) float32."""
    if isinstance(values, np.ndarray) and values.dtype.kind == "f" and values.ndim == 2:
        return np.ascontiguousarray(values, dtype="<f4")
    rows: list[npt.NDArray[np.float32]] = []
    for row, value in enumerate(values, start=1):
        try:
            vector = np.asarray(value, dtype="<f4")
        except (TypeError, ValueError, OverflowError):
            vector = np.zeros((0, 0), "<f4")
        if vector.ndim != 1 or not len(vector):
            raise UsageError(f"{name}, row {row}: template is a list of numbers")
        if rows and len(vector) != len(rows[0]):
            raise UsageError(f"{name}, row {row}: its template has {len(vector)} numbers, that of row 1 {len(rows[0])}")
        rows.append(vector)
    return np.stack(rows)
