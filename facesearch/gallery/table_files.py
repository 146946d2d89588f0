"""Tables of templates as files: Parquet and CSV through pandas, NPZ through NumPy. The suffix says which.

Nothing is unpickled. Every way in which a file can be none of these ends as `UsageError`.
"""

from __future__ import annotations

import json
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from facesearch.errors import UsageError
from facesearch.files.regular import open_regular
from facesearch.gallery.foreign_files import refusal, refusal_of_columns
from facesearch.gallery.template_table import COLUMNS, Columns, TemplateTable

_SNIFFED = 4096  # bytes at the beginning that tell what a file is
_MOST_EXPANSION = 50  # times its size that an NPZ file may come to
_SPARE = 16 * 2**20


def check_suffix(path: Path) -> str:
    """The suffix of a table's file; raises `UsageError` for one that says nothing."""
    suffix = path.suffix.lower()
    if suffix not in _WRITERS:
        raise UsageError(f"{path}: the suffix says what a file is: {', '.join(_WRITERS)}")
    return suffix


def write_table(table: TemplateTable, suffix: str, file: BinaryIO) -> None:
    """Write a table in the form of a suffix."""
    _WRITERS[suffix](table, file)


def read_table(path: Path) -> TemplateTable:
    """The table in a file; raises `UsageError` for what is none, or holds a row that is not sound, or is another
    program's."""
    try:
        with open_regular(path) as file:
            begin = file.read(_SNIFFED)
            if (why := refusal(path, begin)) is not None:
                raise UsageError(why)
            suffix = check_suffix(path)
            file.seek(0)
            columns = _read(path, suffix, file)
    except OSError as error:
        raise UsageError(f"{path} cannot be read ({(error.strerror or str(error)).lower()})") from error
    if "encoder" not in columns and (why := refusal_of_columns(path, columns)) is not None:
        raise UsageError(why)
    return TemplateTable.of(columns, str(path))


def _read(path: Path, suffix: str, file: BinaryIO) -> Columns:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return _READERS[suffix](file)
    except UsageError:
        raise
    except Exception as error:  # parsers of hostile bytes fail in every way there is
        if isinstance(error, OSError) and error.errno is not None:  # the disk's; pyarrow has some without a number
            raise
        reason = "not enough memory" if isinstance(error, MemoryError) else f"{type(error).__name__}"
        raise UsageError(f"{path} is no {suffix} file, or is damaged ({reason})") from error


def _write_parquet(table: TemplateTable, file: BinaryIO) -> None:
    table.frame().to_parquet(file, index=False)


def _write_csv(table: TemplateTable, file: BinaryIO) -> None:
    frame = table.frame()
    for column in ("box", "template"):
        frame[column] = ["" if each is None else json.dumps(each.tolist()) for each in frame[column]]
    frame.to_csv(file, index=False, encoding="utf-8", lineterminator="\n")


def _write_npz(table: TemplateTable, file: BinaryIO) -> None:
    arrays = {name: np.asarray(getattr(table, name)) for name in COLUMNS}
    texts = ("identity", "path", "encoder", "fingerprint", "added", "photo")
    arrays |= {name: arrays[name].astype(np.str_) for name in texts}
    np.savez_compressed(file, allow_pickle=False, **arrays)


def _read_parquet(file: BinaryIO) -> Columns:
    import pandas as pd

    frame = pd.read_parquet(file)
    return {str(column): frame[column].tolist() for column in frame.columns if frame[column].ndim == 1}


def _read_csv(file: BinaryIO) -> Columns:
    import pandas as pd

    frame = pd.read_csv(file, dtype=str, keep_default_na=False, encoding="utf-8-sig", engine="c", on_bad_lines="error")
    columns: dict[str, list[Any]] = {str(column): frame[column].tolist() for column in frame.columns}
    for column in {"box", "template"} & set(columns):
        columns[column] = [_numbers(text) for text in columns[column]]
    return columns


def _numbers(text: str) -> object:
    """The list of numbers in a cell, as JSON or with spaces between; the text itself where it is none."""
    if not text.strip():
        return None
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text


def _read_npz(file: BinaryIO) -> Columns:
    with zipfile.ZipFile(file) as archive:
        size = file.seek(0, 2)
        if sum(entry.file_size for entry in archive.infolist()) > _MOST_EXPANSION * size + _SPARE:
            raise UsageError("an NPZ file that grows so much when it is read is not taken: save it again with NumPy")
    file.seek(0)
    with np.load(file, allow_pickle=False) as arrays:
        wanted = [name for name in arrays.files if name in COLUMNS] if "encoder" in arrays.files else arrays.files
        found = {name: arrays[name] for name in wanted}
    if any(not array.dtype.itemsize or array.dtype.kind == "c" for array in found.values()):
        raise UsageError("an NPZ file with columns of nothing, or of complex numbers, is not taken")
    return {name: array.tolist() if array.dtype.kind in "US" else array for name, array in found.items() if array.ndim}


_WRITERS: dict[str, Callable[[TemplateTable, BinaryIO], None]] = {
    ".parquet": _write_parquet,
    ".csv": _write_csv,
    ".npz": _write_npz,
}
_READERS: dict[str, Callable[[BinaryIO], Columns]] = {
    ".parquet": _read_parquet,
    ".csv": _read_csv,
    ".npz": _read_npz,
}
