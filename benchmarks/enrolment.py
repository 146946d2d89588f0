"""How fast photos are enrolled, against what the machine could do; what a second run and many photos cost.

    python -m benchmarks.enrolment LFW_FOLDER

LFW_FOLDER holds `<person>/<image>.jpg`; photos spread over the whole folder are taken. In every round three things take
turns on the same photos:

- parts: reading, hashing and decoding; detecting; cutting and encoding; storing. Each is timed alone, on one core, in
  one thread. If their sum is s seconds, n photos on c cores cannot be faster than c · n / s per second.
- processes: one independent process per core, each with a share of the photos, all parts in a plain loop. It shows what
  is left of that ideal when all cores are busy and share memory and caches, without any work of one for the other.
- enrolment: `Gallery.enroll_photos` into a fresh gallery, models loaded.

The target is nine tenths of what two cores give, which is what the independent processes reach.

What other programs take of the cores is read from the system's counters: every step waits until they are quiet, and is
run again if they took more than a tenth of a core meanwhile. Figures are medians over the rounds. Writes
benchmarks/results/enrolment.json.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from multiprocessing.pool import Pool
from pathlib import Path

import numpy as np
import numpy.typing as npt

from benchmarks.common import measured
from benchmarks.photos import PRODUCT
from benchmarks.quiet import Timing, quietly, timed
from facesearch import Encoder, Gallery, Photo, load_encoder
from facesearch.codecs.plain import find_codec
from facesearch.encoders import EncoderSpec
from facesearch.errors import SeveralFacesError
from facesearch.faces import Face, FaceDetector, clear_subject, find_crop
from facesearch.photos.decoding import decode, read_bytes, sha256
from facesearch.store import EncoderKey, GallerySettings, NewTemplate, SqliteStore, open_store

_CORES = os.cpu_count() or 1
_BATCH = 64  # templates per transaction, as enrolment
_MEMORY_AT = (100, 500, 1000, 1500, 2000)  # photos
_TARGET_EFFICIENCY, _TARGET_SECOND_RUN = 0.9, 20.0

RGB = npt.NDArray[np.uint8]
Vector = npt.NDArray[np.float32]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--photos", type=int, default=1500)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--memory", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.memory:
        print(json.dumps(_peaks(_photos(arguments.folder, max(_MEMORY_AT)))))
        return
    photos = _photos(arguments.folder, arguments.photos)
    rounds = quiet_rounds(photos, arguments.rounds)
    written = measured(
        "enrolment",
        {
            "photos": len(photos),
            "cores": _CORES,
            **_summary(rounds),
            "rounds": rounds,
            "second_run": second_run(photos),
            "peak_memory_mib_at_photo": memory(arguments.folder),
        },
        "python -m benchmarks.enrolment lfw_deepfunneled",
        PRODUCT,
    )
    print(written.read_text(encoding="utf-8"))


def _photos(folder: Path, count: int) -> list[Photo]:
    """`count` photos spread evenly over the folder."""
    paths = sorted(folder.glob("*/*.jpg"))
    chosen = np.linspace(0, len(paths) - 1, min(count, len(paths))).astype(int)
    return [Photo(paths[i].parent.name, paths[i]) for i in chosen]


# rounds


def quiet_rounds(photos: Sequence[Photo], rounds: int) -> list[dict[str, float]]:
    """What each round measured."""
    for photo in photos:  # into the page cache
        read_bytes(photo.path)
    done = []
    with multiprocessing.get_context("spawn").Pool(_CORES, _load) as pool:
        pool.map(_all_parts, [photos[:8]] * _CORES, chunksize=1)
        parts = Parts()
        for number in range(1, rounds + 1):
            done.append(_round(photos, parts, pool))
            print(f"round {number}: {done[-1]}", file=sys.stderr, flush=True)
    return done


def _round(photos: Sequence[Photo], parts: Parts, pool: Pool) -> dict[str, float]:
    shares = [photos[i::_CORES] for i in range(_CORES)]

    def alone() -> Timing:
        seconds: dict[str, float] = {}
        return replace(timed(lambda: seconds.update(parts.alone(photos))), parts=seconds)

    one_core = quietly(alone)
    seconds = one_core.parts
    apart = quietly(lambda: timed(lambda: sum(pool.map(_all_parts, shares, chunksize=1))))
    together = quietly(lambda: _enrolment(photos))
    ideal = _CORES * len(photos) / sum(seconds.values())
    rate = (len(photos) - 1) / together.seconds
    return {
        **{f"{part}_ms": value / len(photos) * 1000 for part, value in seconds.items()},
        "ideal_per_second": ideal,
        "processes_per_second": len(photos) / apart.seconds,
        "enrolment_per_second": rate,
        "efficiency": rate / ideal,
        "efficiency_against_processes": rate * apart.seconds / len(photos),
        "enrolment_own_cores": together.own_cores,
        "foreign_cores": max(one_core.foreign_cores, apart.foreign_cores, together.foreign_cores),
    }


def _enrolment(photos: Sequence[Photo]) -> Timing:
    with tempfile.TemporaryDirectory() as scratch, Gallery.open(Path(scratch) / "gallery") as gallery:
        gallery.enroll_photos(photos[:1])  # loads the models

        def enrol() -> None:
            gallery.enroll_photos(photos[1:])

        return timed(enrol)


def _summary(rounds: Sequence[dict[str, float]]) -> dict[str, object]:
    medians = {key: statistics.median(one[key] for one in rounds) for key in rounds[0]}
    return {
        "median": medians,
        "target_efficiency": _TARGET_EFFICIENCY,
        "target_met": medians["efficiency_against_processes"] >= _TARGET_EFFICIENCY,
    }


# the parts


class Parts:
    """All that enrolling a photo takes, part by part, in one thread."""

    def __init__(self) -> None:
        self.encoder = load_encoder(threads=1)
        self._detector = FaceDetector(threads=1)
        self._crop = find_crop(self.encoder.crop)
        self._codec = find_codec("fp32")

    def alone(self, photos: Sequence[Photo]) -> dict[str, float]:
        """Seconds that each part takes when it is all that is done."""
        seconds = dict.fromkeys(("read", "detect", "encode", "store"), 0.0)
        with _part(seconds, "read"):
            opened = [self.read(photo) for photo in photos]
        with _part(seconds, "detect"):
            subjects = [self.detect(image) for _, image in opened]
        rows = []
        for photo, (digest, image), face in zip(photos, opened, subjects, strict=True):
            if face is not None:
                with _part(seconds, "encode"):
                    template = self.encode(image, face)
                rows.append(self.row(photo, digest, template, image))
        with _fresh_store(self.encoder) as store, _part(seconds, "store"):
            self.store(store, rows)
        return seconds

    def together(self, photos: Sequence[Photo], store: SqliteStore) -> None:
        """One photo after the other, a transaction for every batch."""
        rows = []
        for photo in photos:
            digest, image = self.read(photo)
            face = self.detect(image)
            if face is not None:
                rows.append(self.row(photo, digest, self.encode(image, face), image))
        self.store(store, rows)

    @staticmethod
    def read(photo: Photo) -> tuple[bytes, RGB]:
        data = read_bytes(photo.path)
        return sha256(data), decode(data)

    def detect(self, image: RGB) -> Face | None:
        try:
            return clear_subject(self._detector.detect(image), *image.shape[:2])
        except SeveralFacesError:
            return None

    def encode(self, image: RGB, face: Face) -> Vector:
        template: Vector = self.encoder.encode(self._crop.cut(image, face)[None])[0]
        return template

    def row(self, photo: Photo, digest: bytes, template: Vector, image: RGB) -> NewTemplate:
        (code,) = self._codec.encode(template[None])
        height, width = image.shape[:2]
        return NewTemplate(photo.identity, digest, str(photo.path), width, height, code, 1.0, (0.0, 0.0, 1.0, 1.0))

    def store(self, store: SqliteStore, rows: Sequence[NewTemplate]) -> None:
        for start in range(0, len(rows), _BATCH):
            store.templates.add(rows[start : start + _BATCH], _key(self.encoder), self._codec.name)


@contextmanager
def _part(seconds: dict[str, float], name: str) -> Iterator[None]:
    """Add the time spent inside."""
    start = time.perf_counter()
    yield
    seconds[name] += time.perf_counter() - start


def _key(encoder: Encoder) -> EncoderKey:
    return EncoderKey(encoder.spec.model, encoder.spec.precision, encoder.spec.backend, encoder.fingerprint)


@contextmanager
def _fresh_store(encoder: Encoder) -> Iterator[SqliteStore]:
    """The store of an empty gallery, gone afterwards."""
    with tempfile.TemporaryDirectory() as folder, open_store(folder) as store:
        store.settings.configure(GallerySettings(encoder.spec.model, encoder.dimension, "fp32", "flat"), _key(encoder))
        yield store


_loaded: list[Parts] = []  # of a process of the pool


def _load() -> None:
    _loaded.append(Parts())


def _all_parts(photos: Sequence[Photo]) -> float:
    """Enrol photos in this process alone; returns the processor time that it took."""
    start = time.process_time()
    with _fresh_store(_loaded[0].encoder) as store:
        _loaded[0].together(photos, store)
    return time.process_time() - start


# the second run, and memory


class CountingEncoder:
    """The default encoder, counting what it is asked for."""

    def __init__(self) -> None:
        self._encoder = load_encoder(threads=1)
        self.encoded = 0

    @property
    def spec(self) -> EncoderSpec:
        return self._encoder.spec

    @property
    def fingerprint(self) -> str:
        return self._encoder.fingerprint

    @property
    def dimension(self) -> int:
        return self._encoder.dimension

    @property
    def crop(self) -> str:
        return self._encoder.crop

    @property
    def crop_size(self) -> int:
        return self._encoder.crop_size

    @property
    def device(self) -> str:
        return self._encoder.device

    @property
    def threshold(self) -> float:
        return self._encoder.threshold

    def encode(self, crops: RGB) -> Vector:
        self.encoded += len(crops)
        return self._encoder.encode(crops)


def second_run(photos: Sequence[Photo]) -> dict[str, object]:
    """The same photos enrolled twice, each time in a gallery opened anew; photos rejected before are tried again."""
    runs = []
    with tempfile.TemporaryDirectory() as scratch:
        rejected: set[str] = set()
        for _ in range(2):
            encoder = CountingEncoder()
            with Gallery.open(Path(scratch) / "gallery", encoder=encoder) as gallery:
                start = time.perf_counter()
                report = gallery.enroll_photos([photo for photo in photos if str(photo.path) not in rejected])
                runs.append((time.perf_counter() - start, encoder.encoded, report.skipped))
            rejected = {item.path for item in report.rejected}
    (first, encoded, _), (second, encoded_again, skipped) = runs
    return {
        "first_seconds": first,
        "second_seconds": second,
        "times_faster": first / second,
        "target": _TARGET_SECOND_RUN,
        "encoded_first": encoded,
        "encoded_second": encoded_again,
        "skipped_second": skipped,
    }


def memory(folder: Path) -> dict[str, float]:
    """Peak memory in MiB of a process that enrols, after so many photos."""
    command = [sys.executable, "-m", "benchmarks.enrolment", str(folder), "--memory"]
    peaks: dict[str, float] = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)
    return peaks


def _peak_memory() -> float:
    """MiB. The system's own mark: `getrusage` gives a new process the peak of the one that started it."""
    try:
        status = Path("/proc/self/status").read_text(encoding="utf-8")
    except OSError:
        return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, 1)
    (line,) = (line for line in status.splitlines() if line.startswith("VmHWM"))
    return round(int(line.split()[1]) / 1024, 1)


def _peaks(photos: Iterable[Photo]) -> dict[str, float]:
    peaks: dict[str, float] = {}

    def note(done: int, total: int) -> None:
        if done in _MEMORY_AT:
            peaks[str(done)] = _peak_memory()

    with tempfile.TemporaryDirectory() as scratch, Gallery.open(Path(scratch) / "gallery") as gallery:
        gallery.enroll_photos(list(photos), progress=note)
    return peaks


if __name__ == "__main__":
    main()
