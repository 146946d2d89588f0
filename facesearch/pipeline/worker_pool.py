"""Several processes that turn photos into templates or find the faces in them.

Threads of one process share its interpreter lock, which costs a tenth of two cores. Processes share nothing. They are
plain programs spoken to in JSON lines (facesearch.pipeline.worker): nothing is unpickled, and a script that enrols
needs no main guard. What kills a worker, a hostile image for example, costs that one photo.
"""

from __future__ import annotations

import base64
import json
import os
import subprocess
import threading
import time
from contextlib import suppress
from pathlib import Path
from queue import SimpleQueue
from types import TracebackType
from typing import Any, Self

import numpy as np

from facesearch.errors import (
    NoFaceError,
    PoorFaceError,
    RejectedImageError,
    SeveralFacesError,
    TinyFaceError,
    UnreadableImageError,
)
from facesearch.faces import Face
from facesearch.files.own_processes import command, environment
from facesearch.pipeline.pipeline import FaceTemplate, PhotoFaces, PhotoTemplate
from facesearch.pipeline.pipeline_spec import PipelineSpec

_REJECTIONS: dict[str, type[RejectedImageError]] = {
    kind.__name__: kind for kind in (NoFaceError, PoorFaceError, SeveralFacesError, TinyFaceError, UnreadableImageError)
}

WORTH_PROCESSES = 200  # photos; fewer are done before other processes have started
MOST_SECONDS = 120.0  # for one photo, and the loading of the models before the first
_TOO_LONG = "it takes too long to read"


class _Processes:
    """`count` processes of facesearch.pipeline.worker with the same task; `ask` may be called from as many threads."""

    def __init__(self, count: int, *task: str) -> None:
        self._environment = environment()
        self._command = command("facesearch.pipeline.worker", *task)
        self._all: list[subprocess.Popen[str]] = []
        self._idle: SimpleQueue[subprocess.Popen[str]] = SimpleQueue()
        for _ in range(count):
            self._idle.put(self._start())

    def _start(self) -> subprocess.Popen[str]:
        process = subprocess.Popen(  # noqa: S603 - our own interpreter and module
            self._command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            encoding="ascii",
            env=self._environment,
        )
        self._all.append(process)
        return process

    def ask(self, path: Path) -> dict[str, Any]:
        """What a process says of a photo; raises `RejectedImageError`."""
        process = self._idle.get()
        since = time.monotonic()
        clock = threading.Timer(MOST_SECONDS, process.kill)
        clock.start()
        try:
            answer = _ask(process, path)
        except (OSError, ValueError) as error:
            _end(process)
            late = time.monotonic() - since >= MOST_SECONDS
            with suppress(OSError):  # no memory for another one now: the next photo tries again
                process = self._start()
            raise UnreadableImageError(_TOO_LONG if late else "the process that read this image failed") from error
        finally:
            clock.cancel()
            self._idle.put(process)
        if "rejected" in answer:
            raise _REJECTIONS.get(answer["kind"], RejectedImageError)(answer["rejected"])
        return answer

    def close(self) -> None:
        """End all processes."""
        for process in self._all:
            _end(process)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class WorkerPool(_Processes):
    """`count` processes with the same pipeline; `template` may be called from as many threads."""

    def __init__(self, count: int, spec: PipelineSpec, aligned: str | None) -> None:
        super().__init__(count, "templates", spec.to_json(), aligned or "")

    def template(self, path: Path) -> PhotoTemplate:
        """The template of a photo's subject; raises `RejectedImageError`."""
        answer = self.ask(path)
        content = bytes.fromhex(answer["sha256"])
        return PhotoTemplate(
            _found(answer), content, answer["width"], answer["height"], answer["several"], answer["doubt"]
        )


class EveryonePool(_Processes):
    """`count` processes with the same pipeline, for all faces; `faces` may be called from as many threads."""

    def __init__(self, count: int, spec: PipelineSpec) -> None:
        super().__init__(count, "everyone", spec.to_json())

    def faces(self, path: Path) -> PhotoFaces:
        """All faces of a photo; raises `RejectedImageError`."""
        answer = self.ask(path)
        faces = [_found(fields) for fields in answer["faces"]]
        content = bytes.fromhex(answer["sha256"])
        return PhotoFaces(faces, content, answer["width"], answer["height"], answer["faceless"])


class DetectorPool(_Processes):
    """`count` processes that find faces; `face` may be called from as many threads."""

    def __init__(self, count: int, spec: PipelineSpec) -> None:
        super().__init__(count, "faces", spec.to_json())

    def face(self, path: Path) -> tuple[Face, bytes]:
        """The most prominent face of a photo and the SHA-256 of its content; raises `RejectedImageError`."""
        answer = self.ask(path)
        landmarks = np.frombuffer(base64.b64decode(answer["landmarks"]), dtype=np.float32).reshape(5, 2)
        left, top, width, height = answer["box"]
        return Face((left, top, width, height), answer["score"], landmarks), bytes.fromhex(answer["sha256"])


def _found(fields: dict[str, Any]) -> FaceTemplate:
    template = np.frombuffer(base64.b64decode(fields["template"]), dtype=np.float32)  # (dimension,)
    box = None if fields["box"] is None else tuple(fields["box"])
    place = fields["number"], fields["found"]
    return FaceTemplate(template, box, fields["quality"], *place, tuple(fields["reasons"]), fields["poor"])


def _ask(process: subprocess.Popen[str], path: Path) -> dict[str, Any]:
    """One line there and one back; raises OSError or ValueError where the process is gone."""
    assert process.stdin is not None  # noqa: S101 - for the type checker
    assert process.stdout is not None  # noqa: S101
    process.stdin.write(json.dumps({"path": os.fspath(path.absolute())}) + "\n")
    process.stdin.flush()
    answer: dict[str, Any] = json.loads(process.stdout.readline())
    return answer


def _end(process: subprocess.Popen[str]) -> None:
    process.kill()
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            with suppress(OSError):  # what was not sent is not wanted any more
                pipe.close()
    process.wait()
