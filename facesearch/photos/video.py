"""Clips of video -> frames, behind limits that hold for hostile files too.

A process of its own (`facesearch.photos.video_worker`) decodes them, with bounds of memory; what it does not deliver in
time is given up. So a file that claims a thousand million frames, or breaks the decoder, costs this clip only.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import selectors
import subprocess
import tempfile
import time
from collections.abc import Generator
from contextlib import closing
from importlib.util import find_spec
from pathlib import Path
from typing import IO, BinaryIO, NamedTuple

import numpy as np
import numpy.typing as npt

from facesearch.errors import UnreadableImageError, UsageError
from facesearch.files.own_processes import command, environment
from facesearch.files.regular import NotRegularError, open_regular
from facesearch.photos.limits import check_size

RGB = npt.NDArray[np.uint8]

FRAMES_PER_SECOND = 3.0
MOST_PER_SECOND = 60.0
MAX_VIDEO_BYTES = 16 * 2**30
MAX_FRAME_PIXELS = 36_000_000  # 8K
MAX_FRAMES = 20_000  # of a clip that are looked at
_PATIENCE = 60.0  # seconds until the next frame, or the end
_HEADER = 256  # bytes of a line before the pixels of a frame
INSTALL = "pip install 'facesearch[video]'"


class Frame(NamedTuple):
    """A picture of a clip: seconds since its beginning, pixels (h, w, 3) uint8 RGB, upright."""

    time: float
    pixels: RGB


def check_rate(per_second: float) -> float:
    """Raises `UsageError` for what is no number of frames per second."""
    if not (math.isfinite(per_second) and 0 < per_second <= MOST_PER_SECOND):
        raise UsageError(f"frames per second are more than 0 and at most {MOST_PER_SECOND:g}, not {per_second}")
    return per_second


def video_hash(path: Path) -> bytes:
    """The SHA-256 of a clip's file; raises `UnreadableImageError`."""
    content = hashlib.sha256()
    with _opened(path) as file:
        while part := file.read(1 << 20):
            content.update(part)
    return content.digest()


def frames(path: Path, per_second: float = FRAMES_PER_SECOND) -> Generator[Frame, None, None]:
    """Pictures of a clip, in order, about so many per second; at most `MAX_FRAMES`.

    Raises `UnreadableImageError` for a file that is no video, is damaged before its first frame, or takes too long.
    """
    check_rate(per_second)
    if find_spec("av") is None:
        raise UnreadableImageError(f"a video needs an extra package: {INSTALL}")
    with _opened(path) as file, tempfile.TemporaryFile() as said:
        process = subprocess.Popen(  # noqa: S603 - our own interpreter and module
            command("facesearch.photos.video_worker", str(per_second), str(MAX_FRAMES)),
            stdin=file,
            stdout=subprocess.PIPE,
            stderr=said,
            env=environment(OPENBLAS_NUM_THREADS="1"),  # whose threads count as memory
        )
        assert process.stdout is not None  # noqa: S101 - for the type checker
        count = 0
        try:
            with closing(process.stdout) as output, _Reader(output) as reader:
                while header := reader.line():
                    frame = _frame(header, reader)
                    count += 1
                    yield frame
            process.wait(_PATIENCE)
        except subprocess.TimeoutExpired:
            pass
        finally:
            process.kill()
            process.wait()
        if not count:
            raise UnreadableImageError(_reason(said, process.returncode))


class _Reader:
    """Reads what the process sends, and gives up where nothing comes."""

    def __init__(self, output: IO[bytes]) -> None:
        self._output, self._buffer = output, bytearray()
        self._selector = selectors.DefaultSelector()

    def __enter__(self) -> _Reader:
        self._selector.register(self._output, selectors.EVENT_READ)
        return self

    def __exit__(self, *_: object) -> None:
        self._selector.close()

    def line(self) -> bytes:
        """The next line without its end; empty where there are no more."""
        until = time.monotonic() + _PATIENCE
        while (end := self._buffer.find(b"\n")) < 0:
            if len(self._buffer) > _HEADER or not self._more(until):
                return b""
        line = bytes(self._buffer[:end])
        del self._buffer[: end + 1]
        return line

    def exactly(self, size: int) -> bytearray:
        """So many bytes; fewer where there are no more."""
        until = time.monotonic() + _PATIENCE
        while len(self._buffer) < size and self._more(until):
            pass
        data = self._buffer[:size]
        del self._buffer[:size]
        return data

    def _more(self, until: float) -> bool:
        if not self._selector.select(max(0.0, until - time.monotonic())):
            raise UnreadableImageError("it takes too long to read")
        data = os.read(self._output.fileno(), 1 << 20)
        self._buffer += data
        return bool(data)


def _frame(header: bytes, reader: _Reader) -> Frame:
    found = json.loads(header)
    height, width = int(found["height"]), int(found["width"])
    check_size(width, height, MAX_FRAME_PIXELS)
    data = reader.exactly(height * width * 3)
    if len(data) < height * width * 3:
        raise UnreadableImageError("the video cannot be read")
    return Frame(float(found["time"]), np.frombuffer(data, np.uint8).reshape(height, width, 3))


def _reason(said: IO[bytes], status: int) -> str:
    """What the process said in its last line, if that was for the user."""
    said.seek(0)
    lines = said.read(1 << 16).decode("utf-8", "replace").splitlines()
    if lines and lines[-1].startswith("reason: "):
        return lines[-1].removeprefix("reason: ")[:200]
    return "not enough memory for this video" if "MemoryError" in "".join(lines) else "the video cannot be read"


def _opened(path: Path) -> BinaryIO:
    try:
        file = open_regular(path)
    except NotRegularError:
        raise UnreadableImageError("not a regular file") from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "not a valid file name"
        raise UnreadableImageError(f"cannot be read ({reason.lower()})") from None
    file.seek(0, 2)
    size = file.tell()
    file.seek(0)
    if not size or size > MAX_VIDEO_BYTES:
        file.close()
        raise UnreadableImageError(f"larger than {MAX_VIDEO_BYTES // 2**30} GiB" if size else "empty file")
    return file
