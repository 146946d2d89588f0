"""Files of templates that other programs wrote: known by what is in them, to be refused by name.

They hold templates of other models, which cannot be compared with a gallery's, and some are pickles, which may run any
program when they are opened.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

_PICKLE = re.compile(rb"\x80[\x02-\x05]")
_DEEPFACE = re.compile(r"(?P<model>.+)_representation|target_[xywh]|facial_area|facial_confidence|embedding")
_FACE_RECOGNITION = re.compile(r"(known_)?(face_)?encodings?")
_JSON = re.compile(rb'"(\w+_representation|facial_area|embedding|face_encodings?|encodings?)"')
_ENCODING = 128  # numbers of one of face_recognition's
_NPY = re.compile(rb"\x93NUMPY.*'shape': \((\d+, ?)?" + str(_ENCODING).encode() + rb",?\)", re.DOTALL)

_ENROL = "enrol the photos: facesearch enroll"


def refusal(path: Path, begin: bytes) -> str | None:
    """Why a file that begins so is not read; None for one that may be."""
    if _PICKLE.match(begin) or path.suffix.lower() in {".pkl", ".pickle"}:
        return (
            f"{path} is a pickle, as deepface and face_recognition's users keep them: it could run any program, and is "
            f"never opened; {_ENROL}"
        )
    if _NPY.match(begin):
        return _face_recognition(path)
    if begin.lstrip()[:1] in (b"[", b"{") and (found := _JSON.search(begin)):
        return refusal_of_columns(path, [found[1].decode("ascii")])
    return None


def refusal_of_columns(path: Path, columns: Iterable[str]) -> str | None:
    """The same of a table with these columns."""
    for column in columns:
        if _FACE_RECOGNITION.fullmatch(column):
            return _face_recognition(path)
        if found := _DEEPFACE.fullmatch(column):
            model = f" of {found['model']}" if found["model"] else ""
            return (
                f"{path} holds representations{model} from deepface, which is another model, or aligns otherwise: they "
                f"cannot be compared with this gallery's; {_ENROL}"
            )
    return None


def _face_recognition(path: Path) -> str:
    return (
        f"{path} holds encodings of face_recognition ({_ENCODING} numbers each), which is another model: they cannot "
        f"be compared with this gallery's; {_ENROL}"
    )
