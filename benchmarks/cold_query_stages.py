"""One query in a new process, stage by stage; run by benchmarks.cold_query.

    python -m benchmarks.cold_query_stages GALLERY PHOTO STARTED

STARTED is the time (seconds since the epoch) at which the process was asked for. Prints milliseconds per stage.
"""

from __future__ import annotations

import time

_BEGUN = time.time()

import json  # noqa: E402 - the clock is read before anything is imported
import sys  # noqa: E402
from importlib import import_module  # noqa: E402

_IMPORTS = ("numpy", "PIL.Image", "sqlalchemy", "faiss", "onnxruntime")


def main() -> None:
    gallery_folder, photo, started = sys.argv[1:]
    stages = {"interpreter": (_BEGUN - float(started)) * 1000}
    clock = _Clock(stages)
    import_module("facesearch.commands.app")
    clock.lap("import command line")
    for name in _IMPORTS:
        import_module(name)
        clock.lap(f"import {name.partition('.')[0]}")
    gallery_module = import_module("facesearch.gallery.gallery")
    templating = import_module("facesearch.pipeline.pipeline")
    clock.lap("import facesearch")
    watch = templating.Stopwatch()
    with gallery_module.Gallery.open(gallery_folder, create=False) as gallery:
        clock.lap("open gallery")
        gallery.index_info()
        clock.lap("open index")
        gallery.identify_faces(photo, everyone=False, watch=watch)
        clock.lap("load models")
    clock.lap("close")
    stages["load models"] -= sum(watch.spent.values())
    stages |= watch.spent
    print(json.dumps(stages))


class _Clock:
    """Milliseconds from lap to lap."""

    def __init__(self, stages: dict[str, float]) -> None:
        self._stages, self._last = stages, time.perf_counter()

    def lap(self, name: str) -> None:
        now = time.perf_counter()
        self._stages[name] = (now - self._last) * 1000
        self._last = now


if __name__ == "__main__":
    main()
