"""How long one query takes from the shell: a new process, a gallery of 10,000 templates.

    python -m benchmarks.cold_query

The gallery holds photos of people who do not exist, enrolled as usual, and is filled up with random directions stored
as templates of the same encoder: searching takes the same whatever the templates are. For each kind of index
`facesearch query PHOTO --json` is timed as a whole, then stage by stage in another new process. Also timed:
`facesearch --help`, which must load nothing heavy, and the same query of a gallery of `dlib-resnet` by cosine. Byte
code is kept, as it is where the package is installed. Every run waits until other programs leave the cores alone;
`foreign_cores` is what they took all the same. Writes benchmarks/results/cold_query.json.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np

from benchmarks.common import measured
from benchmarks.photos import PRODUCT
from benchmarks.quiet import Timing, quietly, timed, wait_for_quiet
from facesearch import Gallery, Photo, load_encoder
from facesearch.codecs.plain import find_codec
from facesearch.encoders import DEFAULT_MODEL
from facesearch.store import EncoderKey, NewTemplate, open_store
from facesearch.workshop.sample_people import draw_people, write_photos

_OTHER = "dlib-resnet"  # the other embedded encoder, which was the default before
_KINDS = ("flat", "sq8")
_PEOPLE, _PHOTOS = 20, 3  # enrolled; one more photo of the first person is the probe
_PER_IDENTITY = 4  # of the templates that fill up
_HEAVY = ("numpy", "faiss", "onnxruntime", "sqlalchemy", "PIL")
_QUERY_TARGET, _HELP_TARGET = 1500.0, 400.0  # milliseconds
_SEED = 0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=9)
    parser.add_argument("--templates", type=int, default=10_000)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        results = _measure(Path(scratch), arguments.templates, arguments.runs)
    written = measured("cold_query", results, "python -m benchmarks.cold_query", PRODUCT)
    print(written.read_text(encoding="utf-8"))


def _measure(scratch: Path, templates: int, runs: int) -> dict[str, object]:
    enrolled, probe = _people(scratch / "people")
    galleries = {kind: scratch / kind for kind in _KINDS}
    sizes = {kind: make_gallery(folder, kind, enrolled, templates) for kind, folder in galleries.items()}
    commands = {kind: ["query", str(probe), "--gallery", str(folder), "--json"] for kind, folder in galleries.items()}
    make_gallery(scratch / _OTHER, "flat", enrolled, templates, _OTHER)
    commands[_OTHER] = ["query", str(probe), "--gallery", str(scratch / _OTHER), "--json", "--score", "cosine"]
    for kind, command in commands.items():
        answer = json.loads(_run(command))["probes"][0]["faces"][0]["candidates"][0]
        if answer["identity"] != probe.parent.name:
            raise SystemExit(f"{kind}: the probe was not found")
    timings = _in_turns({**commands, "help": ["--help"]}, runs)
    medians = {name: statistics.median(one.seconds * 1000 for one in several) for name, several in timings.items()}
    return {
        "templates": sizes,
        "query_ms": {kind: round(medians[kind], 1) for kind in _KINDS},
        "query_by_dlib_resnet_and_cosine_ms": round(medians[_OTHER], 1),
        "query_target_ms": _QUERY_TARGET,
        "foreign_cores": round(max(statistics.median(one.foreign_cores for one in timings[k]) for k in timings), 3),
        "stages_ms": {kind: _median_stages(folder, probe, runs) for kind, folder in galleries.items()},
        "help_ms": round(medians["help"], 1),
        "help_target_ms": _HELP_TARGET,
        "loaded_by_help": loaded_by_help(),
        "runs": runs,
        "target_met": max(medians[kind] for kind in _KINDS) < _QUERY_TARGET and medians["help"] < _HELP_TARGET,
    }


def _people(folder: Path) -> tuple[list[Photo], Path]:
    """Photos to enrol, and a probe of the first person."""
    photos = write_photos(folder, draw_people(_PEOPLE), _PHOTOS + 1)
    probe = photos[_PHOTOS]
    return [Photo(path.parent.name, path) for path in photos if path != probe], probe


def make_gallery(folder: Path, kind: str, photos: Sequence[Photo], templates: int, encoder: str = DEFAULT_MODEL) -> int:
    """A gallery with these photos and random templates up to `templates`; returns how many it holds."""
    with Gallery.open(folder, encoder=encoder) as gallery:
        enrolled = gallery.enroll_photos(photos).templates
    fill(folder, templates - enrolled, encoder)
    with Gallery.open(folder) as gallery:
        gallery.build_index(kind)
        return gallery.counts().templates


def fill(folder: Path, count: int, model: str = DEFAULT_MODEL) -> None:
    """Store random directions as templates of an encoder, four per identity."""
    encoder = load_encoder(model)
    key = EncoderKey(encoder.spec.model, encoder.spec.precision, encoder.spec.backend, encoder.fingerprint)
    generator = np.random.default_rng(_SEED)
    vectors = generator.standard_normal((count, encoder.dimension)).astype(np.float32)  # (n, d)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    codes = find_codec("fp32").encode(vectors)
    rows = [
        NewTemplate(f"filler {i // _PER_IDENTITY}", generator.bytes(32), f"{i}.jpg", 250, 250, code, 1.0, None)
        for i, code in enumerate(codes)
    ]
    with open_store(folder) as store:
        for start in range(0, count, 1000):
            store.templates.add(rows[start : start + 1000], key, "fp32")


def _run(arguments: Sequence[str]) -> str:
    """Standard output of `facesearch …` in a new process."""
    return _python("-m", "facesearch", *arguments).stdout


def _python(*arguments: str) -> subprocess.CompletedProcess[str]:
    """A new Python process that keeps byte code, whatever this process was told."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    return subprocess.run([sys.executable, *arguments], check=True, capture_output=True, text=True, env=environment)


def _in_turns(commands: dict[str, list[str]], runs: int) -> dict[str, list[Timing]]:
    """Timings of `facesearch …` for each of the commands, taken in turns while other programs are quiet."""
    timings: dict[str, list[Timing]] = {name: [] for name in commands}

    def run(command: list[str]) -> float:
        before = _children_seconds()
        _run(command)
        return _children_seconds() - before

    for _ in range(runs):
        for name, command in commands.items():
            timings[name].append(quietly(partial(timed, partial(run, command))))
    return timings


def _children_seconds() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def loaded_by_help() -> list[str]:
    """Which heavy packages `facesearch --help` imports."""
    program = (
        "import sys; from facesearch.commands.app import app; app(['--help'], standalone_mode=False); "
        f"print([name for name in {_HEAVY!r} if name in sys.modules], file=sys.stderr)"
    )
    answer = _python("-c", program).stderr
    found: list[str] = json.loads(answer.replace("'", '"'))
    return found


def _median_stages(gallery: Path, photo: Path, runs: int) -> dict[str, float]:
    taken: list[dict[str, float]] = []
    for _ in range(runs):
        wait_for_quiet()
        started = time.time()
        answer = _python("-m", "benchmarks.cold_query_stages", str(gallery), str(photo), str(started))
        ended = time.time()
        stages: dict[str, float] = json.loads(answer.stdout)
        taken.append({**stages, "exit": (ended - started) * 1000 - sum(stages.values())})
    return {stage: round(statistics.median(one[stage] for one in taken), 1) for stage in taken[0]}


if __name__ == "__main__":
    main()
