"""Encoders and detectors that all galleries of a process share: one set for questions, one for enrolment.

Loading a model takes longer than asking a question, and its weights and threads take memory. What was loaded before a
fork belongs to the parent, whose threads it waits for: a child loads its own, and keeps the parent's alive untouched,
because also taking it down would wait.
"""

from __future__ import annotations

import logging
import os
import threading
from collections import OrderedDict

from facesearch.encoders import load_encoder
from facesearch.pipeline.pipeline import Pipeline
from facesearch.pipeline.pipeline_spec import PipelineSpec

_log = logging.getLogger("facesearch")

_MOST = 2  # encoders with their detectors; a program that uses more kinds loads the least recently used ones again

_Key = tuple[str, str, PipelineSpec, int]
_loaded: OrderedDict[_Key, Pipeline] = OrderedDict()
_loading = threading.Lock()
_of_parents: list[OrderedDict[_Key, Pipeline]] = []


def shared_pipeline(encoder: str, spec: PipelineSpec, *, threads: int, device: str = "cpu") -> Pipeline:
    """The pipeline of an encoder by name; loaded once, whoever asks, from any thread.

    threads: that one call may use, 0 for all cores. Raises what `load_encoder` raises.
    """
    key = (encoder, device, spec, threads)
    with _loading:
        found = _loaded.get(key)
        if found is None:
            loaded = load_encoder(encoder, threads=threads, device=device)
            if device != "cpu":
                _log.info("%s runs on %s", loaded.spec, loaded.device)
            found = _loaded[key] = Pipeline(loaded, spec, threads=threads)
            while len(_loaded) > _MOST:
                _loaded.popitem(last=False)
        _loaded.move_to_end(key)
        return found


def _in_child() -> None:
    global _loaded, _loading
    _of_parents.append(_loaded)
    _loaded, _loading = OrderedDict(), threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_in_child)
