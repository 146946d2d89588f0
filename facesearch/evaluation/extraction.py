"""Templates of a data set by many encoders, each computed once and kept in `$FACESEARCH_HOME/cache`.

Faces are found once per photo, by processes on all cores as in enrolment; the most prominent one counts, as a data set
says whose photo it is. Crops are cut once for all encoders of a model, which then take them in batches. Everything is
kept under the SHA-256 of the photos' content, a few hundred photos at a time, so that an interrupted run goes on where
it was, and so that more photos, encoders or another protocol cost only what is new.

    cache/faces/<detector>/<data set>/       box, score and landmarks of the face, float64 (n, 15)
    cache/templates/<encoder>/<data set>/    templates, float32 (n, dimension)
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import numpy as np
import numpy.typing as npt

from facesearch.assets import manifest
from facesearch.caches.in_use import in_use
from facesearch.caches.template_cache import Entry, Shards
from facesearch.encoders import Encoder, EncoderSpec, Model, find_model, load_encoder
from facesearch.errors import EncoderMismatchError, RejectedImageError, UnreadableImageError, UsageError
from facesearch.evaluation.datasets import Dataset, Sample
from facesearch.faces import Crop, Face, FaceDetector, find_crop
from facesearch.files import locations
from facesearch.photos.decoding import load_image
from facesearch.pipeline.finding import aligned_crop, prominent_face, within_memory
from facesearch.pipeline.pipeline_spec import USUAL, PipelineSpec
from facesearch.pipeline.tasks import detected
from facesearch.pipeline.worker_pool import WORTH_PROCESSES, WorkerPool
from facesearch.text.figures import counted

RGB = npt.NDArray[np.uint8]
Progress = Callable[[int, int], None]
Stage = Callable[[str], AbstractContextManager[Progress]]  # what is being done -> how far it is

CACHE_FORMAT = 2  # raised when what is computed changes without any of the names below changing
_CHUNK = 256  # photos per shard
_FACE_WIDTH = 15  # box, score, landmarks
_BACKEND_PACKAGE = {"onnx": "onnxruntime", "openvino": "openvino", "torch": "torch"}


@dataclass(frozen=True, slots=True, eq=False)
class DatasetTemplates:
    """Of every sample of a data set by one encoder: values (n, dimension) float32 of unit length, zero where it failed.

    reasons: (n,) why there is no template, "" where there is one.
    """

    spec: EncoderSpec
    fingerprint: str
    values: npt.NDArray[np.float32]
    reasons: tuple[str, ...]

    @property
    def found(self) -> npt.NDArray[np.bool_]:
        """Which samples have a template, (n,)."""
        return np.array([not reason for reason in self.reasons], np.bool_)


def no_stage(text: str) -> AbstractContextManager[Progress]:
    """A `Stage` that shows nothing."""
    return nullcontext(lambda done, total: None)


def check_encoders(names: Sequence[str], aligned: str | None = None) -> list[EncoderSpec]:
    """The encoders of these names; raises before any work what is wrong with one of them, or with `aligned` crops."""
    specs = []
    for name in names:
        spec = EncoderSpec.parse(name)
        model = find_model(spec.model)
        model.variant(spec)
        if aligned is not None and find_crop(aligned).name != model.crop:
            raise EncoderMismatchError(f"encoder {spec} takes {model.crop} crops, not {aligned}: leave --aligned out")
        if spec in specs:
            raise UsageError(f"{spec} is given twice")
        specs.append(spec)
    return specs


@in_use()
def templates(
    dataset: Dataset,
    specs: Sequence[EncoderSpec],
    *,
    aligned: str | None = None,
    pipeline: PipelineSpec = USUAL,
    stage: Stage = no_stage,
) -> dict[EncoderSpec, DatasetTemplates]:
    """Templates of all samples by each encoder, from the cache where they are there.

    aligned: the images are crops of this kind; nothing is detected. Raises `FacesearchError` for an encoder that
    cannot be loaded and for a cache that cannot be written.
    """
    source = f"aligned-{aligned}" if aligned else _detector_key(pipeline)
    found: dict[EncoderSpec, DatasetTemplates] = {}
    by_model: dict[str, list[EncoderSpec]] = {}
    for spec in specs:
        by_model.setdefault(spec.model, []).append(spec)
    faces: dict[bytes, Face | str] | None = None
    for name, group in by_model.items():
        model = find_model(name)
        stores = {spec: _template_shards(model, spec, source, dataset) for spec in group}
        held = {spec: shards.read() for spec, shards in stores.items()}
        missing = {spec: _missing(dataset, held[spec]) for spec in group}
        if any(missing.values()):
            if faces is None and not aligned:
                faces = find_faces_of(dataset, pipeline=pipeline, stage=stage)
            _encode(
                dataset, model, faces, {spec: missing[spec] for spec in group if missing[spec]}, stores, held, stage
            )
        for spec in group:
            found[spec] = _in_order(dataset, model, spec, held[spec])
    return found


def find_faces_of(
    dataset: Dataset, *, pipeline: PipelineSpec = USUAL, stage: Stage = no_stage
) -> dict[bytes, Face | str]:
    """The most prominent face of every photo that can be read, or why there is none, by the photo's SHA-256."""
    shards = Shards(_cache("faces", _detector_key(pipeline), dataset), _FACE_WIDTH, np.float64)
    held = shards.read()
    missing = _missing(dataset, held)
    if missing:
        with (
            stage(f"finding faces in {counted(len(missing), 'photo')}") as progress,
            _FaceFinder(len(missing), pipeline) as find,
            ThreadPoolExecutor(os.cpu_count() or 1) as pool,
        ):
            for start in range(0, len(missing), _CHUNK):
                chunk = missing[start : start + _CHUNK]
                entries: list[tuple[bytes, Entry]] = []
                for sample, entry in zip(chunk, pool.map(lambda one: find(dataset.folder, one), chunk), strict=True):
                    entries.append((sample.sha256 or b"", entry))
                    progress(start + len(entries), len(missing))
                shards.write(entries)
                held.update(entries)
    return {content: _face(entry) for content, entry in held.items()}


class _FaceFinder:
    """Finds the face of a sample, in processes where there are many to find."""

    def __init__(self, photos: int, spec: PipelineSpec) -> None:
        count = os.cpu_count() or 1
        self._pool = WorkerPool(count, detected(spec)) if count > 1 and photos >= WORTH_PROCESSES else None
        self._detector = None if self._pool else FaceDetector(spec.min_face, threads=1)

    def __enter__(self) -> Callable[[Path, Sample], Entry]:
        return self._find

    def __exit__(self, *_: object) -> None:
        if self._pool is not None:
            self._pool.close()

    def _find(self, folder: Path, sample: Sample) -> Entry:
        try:
            if self._pool is not None:
                face, content = self._pool.ask(folder / sample.path)
            else:
                assert self._detector is not None  # noqa: S101 - one of the two
                face, content = prominent_face(self._detector, folder / sample.path)
            if content != sample.sha256:
                raise UnreadableImageError("the file was changed meanwhile")
        except RejectedImageError as error:
            return str(error)
        return np.array([*face.box, face.score, *face.landmarks.ravel()], np.float64)


def _face(entry: Entry) -> Face | str:
    if isinstance(entry, str):
        return entry
    left, top, width, height, score = (float(value) for value in entry[:5])
    return Face((left, top, width, height), score, entry[5:].reshape(5, 2).astype(np.float32))


def _encode(
    dataset: Dataset,
    model: Model,
    faces: dict[bytes, Face | str] | None,
    missing: dict[EncoderSpec, list[Sample]],
    stores: dict[EncoderSpec, Shards],
    held: dict[EncoderSpec, dict[bytes, Entry]],
    stage: Stage,
) -> None:
    """Fill what is missing of a model's templates: crops are cut once, ahead, and encoded by every encoder."""
    crop = find_crop(model.crop)
    encoders = {spec: load_encoder(str(spec)) for spec in missing}
    wanted = {spec: {sample.sha256 for sample in samples} for spec, samples in missing.items()}
    union = list({sample.sha256: sample for samples in missing.values() for sample in samples}.values())
    names = ", ".join(f"{spec.precision}@{spec.backend}" for spec in missing)
    with stage(f"encoding with {model.name} ({names})") as progress, ThreadPoolExecutor(1) as ahead:
        done = 0
        for chunk, cuts in _ahead(ahead, dataset.folder, union, crop, faces):
            for spec, encoder in encoders.items():
                entries = _templates_of(encoder, chunk, cuts, wanted[spec])
                if entries:
                    stores[spec].write(entries)
                    held[spec].update(entries)
            done += len(chunk)
            progress(done, len(union))


def _ahead(
    pool: ThreadPoolExecutor, folder: Path, samples: list[Sample], crop: Crop, faces: dict[bytes, Face | str] | None
) -> Iterator[tuple[list[Sample], list[RGB | str]]]:
    """Chunks of samples with their crops; the next chunk is cut while the caller encodes one."""
    chunks = [samples[start : start + _CHUNK] for start in range(0, len(samples), _CHUNK)]

    def cut(chunk: list[Sample]) -> list[RGB | str]:
        return [_cut(folder / sample.path, crop, faces, sample) for sample in chunk]

    running = pool.submit(cut, chunks[0]) if chunks else None
    for place, chunk in enumerate(chunks):
        assert running is not None  # noqa: S101 - submitted below
        cuts = running.result()
        if place + 1 < len(chunks):
            running = pool.submit(cut, chunks[place + 1])
        yield chunk, cuts


def _cut(path: Path, crop: Crop, faces: dict[bytes, Face | str] | None, sample: Sample) -> RGB | str:
    """The crop (size, size, 3) of a sample, or why there is none."""
    try:
        if faces is None:
            return aligned_crop(load_image(path), crop.size)
        face = faces[sample.sha256 or b""]
        with within_memory():
            return face if isinstance(face, str) else crop.cut(load_image(path), face)
    except RejectedImageError as error:
        return str(error)


def _templates_of(
    encoder: Encoder, chunk: list[Sample], cuts: list[RGB | str], wanted: set[bytes | None]
) -> list[tuple[bytes, Entry]]:
    chosen = [(sample.sha256, cut) for sample, cut in zip(chunk, cuts, strict=True) if sample.sha256 in wanted]
    crops = [cut for _, cut in chosen if not isinstance(cut, str)]
    rows = iter(encoder.encode(np.stack(crops)) if crops else ())
    return [(content or b"", cut if isinstance(cut, str) else next(rows)) for content, cut in chosen]


def _in_order(dataset: Dataset, model: Model, spec: EncoderSpec, held: dict[bytes, Entry]) -> DatasetTemplates:
    values = np.zeros((len(dataset.samples), model.dimension), np.float32)
    reasons = []
    for place, sample in enumerate(dataset.samples):
        entry = held[sample.sha256] if sample.sha256 else sample.reason
        reasons.append(entry if isinstance(entry, str) else "")
        if not isinstance(entry, str):
            values[place] = entry
    return DatasetTemplates(spec, model.fingerprint(model.variant(spec)), values, tuple(reasons))


def _missing(dataset: Dataset, held: dict[bytes, Entry]) -> list[Sample]:
    """One sample per content that is not there yet."""
    return list({s.sha256: s for s in dataset.samples if s.sha256 and s.sha256 not in held}.values())


def _template_shards(model: Model, spec: EncoderSpec, source: str, dataset: Dataset) -> Shards:
    facts = (model.fingerprint(model.variant(spec)), spec.backend, _installed(_BACKEND_PACKAGE.get(spec.backend, "")))
    key = f"{spec.model}-{spec.precision}-{spec.backend}-{_short(*facts, source, _installed('pillow'))}"
    return Shards(_cache("templates", key, dataset), model.dimension, np.float32)


def _detector_key(spec: PipelineSpec) -> str:
    """Of all that decides where a face is found: the pipeline, networks, versions of what runs and reads."""
    networks = [entry.sha256 for name, entry in sorted(manifest().items()) if name in ("pnet", "rnet", "onet")]
    return f"{spec.detector}-{_short(spec.digest, *networks, _installed('onnxruntime'), _installed('pillow'))}"


def _cache(what: str, key: str, dataset: Dataset) -> Path:
    name = re.sub(r"[^A-Za-z0-9._-]", "_", dataset.name)[:40]
    return locations.home() / "cache" / what / key / f"{name}-{_short(os.fspath(dataset.folder.resolve()))}"


def _short(*facts: str) -> str:
    return hashlib.sha256("\n".join((str(CACHE_FORMAT), *facts)).encode("utf-8", "surrogateescape")).hexdigest()[:16]


def _installed(package: str) -> str:
    try:
        return version(package) if package else ""
    except PackageNotFoundError:
        return ""
