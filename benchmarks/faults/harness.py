"""Runs operations in processes whose disk fails at the k-th change, and looks at what is left.

One process (`serve`) loads everything once, with the shim in front of the C library. Each case is a fork of it: a copy
of the prepared gallery, the shim armed, the operation, the end of the process. What the operation says comes through a
pipe, so that it is known also of a process that died. Then the server itself, unarmed, looks at the gallery as the next
user would.
"""

from __future__ import annotations

import ctypes
import json
import os
import shutil
import subprocess
import sys
import tempfile
import traceback
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

SHIM = Path(__file__).with_name("shim.c")
MODES = {"error": 1, "full disk": 2, "death": 3, "torn write": 4}
POINTS = {"w": "write", "s": "sync", "r": "rename", "u": "unlink", "t": "truncate"}
_DEAD = 86  # as in the shim
_LONGEST = 120  # seconds for a case


@dataclass(frozen=True, slots=True)
class Case:
    """One fault: the k-th change of an operation on a gallery with an index of that kind."""

    operation: str
    kind: str
    mode: str
    k: int


@dataclass(frozen=True, slots=True)
class Result:
    """What became of a case. ended: "died", "refused" or "went on". failure: "" where all was as it has to be."""

    ended: str
    repaired: bool
    failure: str


def available() -> str:
    """Why faults cannot be injected here; empty where they can."""
    if sys.platform != "linux":
        return "faults are injected through LD_PRELOAD, which needs Linux"
    return "" if shutil.which("cc") else "faults are injected by a small C library, and there is no compiler (cc)"


class Server:
    """The process that runs cases. Use it in a with-statement."""

    def __init__(self, scratch: Path) -> None:
        self._shim = scratch / "shim.so"
        build = ["cc", "-O2", "-shared", "-fPIC", "-o", str(self._shim), str(SHIM), "-ldl"]
        subprocess.run(build, check=True, capture_output=True)
        environment = {**os.environ, "LD_PRELOAD": str(self._shim), "OMP_NUM_THREADS": "1", "PYTHONUNBUFFERED": "1"}
        command = [sys.executable, "-m", "benchmarks.faults.harness", str(scratch)]
        root = Path(__file__).parents[2]
        self._process = subprocess.Popen(
            command, cwd=root, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def points(self, operation: str, kind: str) -> str:
        """The changes that an operation makes, a letter each, in their order."""
        return str(self._ask({"points": operation, "kind": kind}))

    def run(self, case: Case) -> Result:
        """Let it happen, and look."""
        return Result(**self._ask({"case": [case.operation, case.kind, case.mode, case.k]}))

    def _ask(self, question: dict[str, Any]) -> Any:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(question) + "\n")
        self._process.stdin.flush()
        answer = self._process.stdout.readline()
        if not answer:
            raise RuntimeError(f"the process that runs cases has ended at {question}")
        return json.loads(answer)

    def __enter__(self) -> Server:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.communicate()


def cases(points: str, operation: str, kind: str, every: int = 1) -> Iterator[Case]:
    """The cases for an operation that makes these changes: each `every`-th of them, with every mode that fits it."""
    for k in range(1, len(points) + 1, every):
        for mode in MODES:
            if mode in ("full disk", "torn write") and points[k - 1] != "w":
                continue  # the same as the next write, or as death
            yield Case(operation, kind, mode, k)


# in the process that runs cases


def serve(scratch: Path) -> None:
    """Answer questions, a JSON line each, until there are no more."""
    bench = _Bench(scratch)
    for line in sys.stdin:
        question = json.loads(line)
        if "points" in question:
            answer: Any = bench.points(question["points"], question["kind"])
        else:
            answer = bench.case(*question["case"])
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()


class _Bench:
    def __init__(self, scratch: Path) -> None:
        import logging

        from benchmarks.faults import operations

        logging.getLogger("facesearch").setLevel(logging.CRITICAL)
        self._operations = operations
        self._scratch = scratch
        self._prepared: dict[str, Path] = {}
        self._library = ctypes.CDLL(None)
        self._library.fault_disarm.restype = ctypes.c_long
        self._library.fault_kind.restype = ctypes.c_char
        self._library.fault_kind.argtypes = [ctypes.c_long]
        self._library.fault_arm.argtypes = [ctypes.c_int, ctypes.c_long]

    def points(self, operation: str, kind: str) -> str:
        folder = self._copy(kind)
        said, _ = self._forked(operation, folder, 0, 0)
        shutil.rmtree(folder)
        return next(word.removeprefix("points ") for word in said if word.startswith("points "))

    def case(self, operation: str, kind: str, mode: str, k: int) -> dict[str, Any]:
        folder = self._copy(kind)
        said, status = self._forked(operation, folder, MODES[mode], k)
        ended, repaired, failure = "died", False, ""
        if status != _DEAD:
            ended = "refused" if any(word.startswith("refused ") for word in said) else "went on"
            failure = next((word for word in said if word.startswith("crashed ")), "")
            if status != 0:
                failure = failure or f"crashed with status {status}"
        try:
            if not failure:
                confirmed = [word for word in said if not word.startswith(("points ", "refused "))]
                with self._operations.opened(folder / "gallery") as gallery:
                    repaired = self._operations.sound(gallery)
                    self._operations.OPERATIONS[operation].verify(gallery, folder, confirmed)
                with self._operations.opened(folder / "gallery") as gallery:
                    left = gallery.check()
                    assert not left, f"after the operation was asked again: {left[0]}"
        except Exception as error:
            failure = f"{type(error).__name__}: {error}; at {traceback.extract_tb(error.__traceback__)[-1].name}"
        shutil.rmtree(folder)
        return {"ended": ended, "repaired": repaired, "failure": failure}

    def _copy(self, kind: str) -> Path:
        if kind not in self._prepared:
            folder = Path(tempfile.mkdtemp(dir=self._scratch))
            self._operations.prepare(folder, kind)
            self._prepared[kind] = folder
        place = Path(tempfile.mkdtemp(dir=self._scratch))
        return Path(shutil.copytree(self._prepared[kind], place, dirs_exist_ok=True))

    def _forked(self, operation: str, folder: Path, mode: int, k: int) -> tuple[list[str], int]:
        """What the operation said in a process of its own, and how that ended."""
        reading, writing = os.pipe()
        child = os.fork()
        if child == 0:
            status = 1
            try:
                os.close(reading)
                self._do(operation, folder, mode, k, writing)
                status = 0
            finally:
                os._exit(status)
        os.close(writing)
        with os.fdopen(reading) as pipe:
            said = pipe.read()
        _, status = os.waitpid(child, 0)
        # a word that was cut off confirms nothing
        return said.split("\n")[:-1], os.waitstatus_to_exitcode(status)

    def _do(self, operation: str, folder: Path, mode: int, k: int, pipe: int) -> None:
        from facesearch.errors import FacesearchError

        def say(word: str) -> None:
            os.write(pipe, f"{word}\n".encode())

        self._library.fault_arm(mode, k)
        try:
            self._operations.OPERATIONS[operation].run(folder, say)
        except (FacesearchError, OSError) as error:
            self._library.fault_disarm()
            text = str(error)
            say("refused " + text if "\n" not in text else f"crashed: more than one line: {text.splitlines()[0]}")
        except BaseException as error:
            self._library.fault_disarm()
            where = traceback.extract_tb(error.__traceback__)[-1]
            say(f"crashed {type(error).__name__}: {str(error).splitlines()[:1]} at {where.name}:{where.lineno}")
        count = self._library.fault_disarm()
        if mode == 0:
            say("points " + b"".join(self._library.fault_kind(at) for at in range(1, count + 1)).decode())


if __name__ == "__main__":
    serve(Path(sys.argv[1]))
