"""The cells of the matrix: one encoder's templates in every kind of index, and the row that each gives."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from facesearch.codecs.population import population, population_origin
from facesearch.encoders import EncoderSpec, find_model
from facesearch.evaluation import codec_training, metrics
from facesearch.evaluation.datasets import Dataset
from facesearch.evaluation.extraction import DatasetTemplates
from facesearch.evaluation.false_matches import false_matches
from facesearch.evaluation.groups import Group
from facesearch.evaluation.identification import (
    Deciding,
    Enrolled,
    against,
    hardest_errors,
    identified,
    owners_of,
    run_searches,
)
from facesearch.evaluation.pairs import Pair
from facesearch.evaluation.protocols import Plan
from facesearch.evaluation.results import DatasetFacts, Row, TemplateFidelity
from facesearch.evaluation.searching import Filled, GalleryTemplates, as_filled, fill, search_times
from facesearch.evaluation.sizes import GallerySizes, codebook_bytes
from facesearch.evaluation.statistics import Resamples, paired, share_interval
from facesearch.evaluation.timing import EncoderCost
from facesearch.gallery.scoring import Rule
from indexes import Coder, create_index

Floats = npt.NDArray[np.float32]
Bools = npt.NDArray[np.bool_]

FARS = (0.1, 0.01, 0.001)
_TIMED_QUERIES = 40
_EXACT = "flat"


@dataclass(frozen=True, slots=True, eq=False)
class Training:
    """What codecs of one model learn from: templates (t, dimension) and, in words, of what."""

    templates: Floats
    source: str


@dataclass(frozen=True, slots=True, eq=False)
class Matrix:
    """What all cells share. baselines: per model its FP32 encoder; training: per model, empty without other people.

    costs are of every encoder, templates too.
    """

    dataset: Dataset
    facts: DatasetFacts
    protocol: str
    kinds: tuple[str, ...]
    templates: Mapping[EncoderSpec, DatasetTemplates]
    baselines: Mapping[str, EncoderSpec]
    training: Mapping[str, Training]
    costs: Mapping[EncoderSpec, EncoderCost]
    sizes: GallerySizes = field(default_factory=GallerySizes)


@dataclass(frozen=True, slots=True, eq=False)
class _Cell:
    """A filled index, the coder whose codes a gallery stores, what was learnt from, and times (ms per query)."""

    filled: Filled
    coder: Coder | None
    learnt: str
    times: npt.NDArray[np.float64]


def identification_rows(
    matrix: Matrix, plan: Plan, pairs_of_encoders: Sequence[tuple[EncoderSpec, EncoderSpec]], done: Callable[[], None]
) -> Iterator[Row]:
    """A row per kind for encoders (of the gallery, of the probes)."""
    before = {model: _baseline_first(matrix, plan, spec) for model, spec in matrix.baselines.items()}
    for spec, probe_spec in pairs_of_encoders:
        of_gallery, of_probes = matrix.templates[spec], matrix.templates[probe_spec]
        enrolled = Enrolled.of(plan, of_gallery)
        for kind, cell in _cells(matrix, spec, enrolled.gallery, of_probes.values[of_probes.found]).items():
            found = run_searches(plan, enrolled, cell.filled, of_probes)
            figures = identified(plan, found, _deciding(spec))
            base = matrix.baselines.get(spec.model)
            change = None
            if base is not None:
                change = against(f"{base} {_EXACT}", plan, before[spec.model], found.mated.first)
            common = _common(matrix, spec, kind, cell, enrolled)
            yield Row(
                **common,
                probes=len(plan.mated),
                top1=figures.top1,
                top1_ci=figures.top1_ci,
                top1_ceiling=plan.ceiling,
                top1_delta_vs_fp32=change.delta if change else None,
                probe_encoder=str(probe_spec) if probe_spec != spec else None,
                paired=change,
                cmc=figures.cmc,
                non_mated=figures.non_mated,
                fpir_floor=figures.fpir_floor,
                operating_points=figures.operating_points,
                det=figures.det,
                normalised_points=figures.normalised_points,
                decided=figures.decided,
                hardest=hardest_errors(matrix.dataset, plan, enrolled, found.mated),
            )
            done()


def pair_rows(
    matrix: Matrix, pairs: Sequence[Pair], plan: Plan | None, specs: Sequence[EncoderSpec], done: Callable[[], None]
) -> Iterator[Row]:
    """A row per kind and encoder: pairs of a template as it is and one as the kind stores it.

    plan: leave-one-out over the same images, where it is known whose they are; top-1 is then given as well.
    """
    place = {sample.path: number for number, sample in enumerate(matrix.dataset.samples)}
    a = np.array([place[pair.a] for pair in pairs])
    b = np.array([place[pair.b] for pair in pairs])
    mated = np.array([pair.mated for pair in pairs])
    folds = np.array([pair.fold for pair in pairs])
    names = [matrix.dataset.samples[number].identity or matrix.dataset.samples[number].path for number in a]
    owners = np.unique(names, return_inverse=True)[1].astype(np.int64)
    resamples = Resamples.draw(int(owners.max()) + 1)
    whole = plan or _everything(matrix.dataset)

    def scores(templates: DatasetTemplates, enrolled: Enrolled, filled: Filled) -> npt.NDArray[np.float64]:
        stored = np.zeros_like(templates.values)
        stored[enrolled.places] = filled.stored
        found = np.vecdot(templates.values[a], stored[b]).astype(np.float64)
        return np.where(templates.found[a] & templates.found[b], found, np.nan)

    def right_with(spec: EncoderSpec) -> tuple[Bools, Bools | None]:
        templates = matrix.templates[spec]
        enrolled = Enrolled.of(whole, templates)
        filled = _exact(enrolled)
        right = metrics.right_in_folds(scores(templates, enrolled, filled), mated, folds)
        return right, run_searches(plan, enrolled, filled, templates).mated.first if plan else None

    before = {model: right_with(spec) for model, spec in matrix.baselines.items()}
    for spec in specs:
        templates = matrix.templates[spec]
        enrolled = Enrolled.of(whole, templates)
        for kind, cell in _cells(matrix, spec, enrolled.gallery, templates.values[templates.found]).items():
            similarity = scores(templates, enrolled, cell.filled)
            right = metrics.right_in_folds(similarity, mated, folds)
            per_fold = [float(right[folds == fold].mean()) for fold in np.unique(folds)]
            base = matrix.baselines.get(spec.model)
            change = paired(f"{base} {_EXACT}", before[spec.model][0], right, owners, resamples) if base else None
            figures = found = None
            delta = None
            if plan is not None:
                found = run_searches(plan, enrolled, cell.filled, templates)
                figures = identified(plan, found, _deciding(spec))
                first = before[spec.model][1] if base else None
                delta = against("", plan, first, found.mated.first).delta if first is not None else None
            yield Row(
                **_common(matrix, spec, kind, cell, enrolled),
                probes=len(pairs),
                top1=figures.top1 if figures else None,
                top1_ci=figures.top1_ci if figures else None,
                top1_ceiling=plan.ceiling if plan else None,
                top1_delta_vs_fp32=delta,
                paired=change,
                cmc=figures.cmc if figures else (),
                accuracy=float(np.mean(per_fold)),
                accuracy_std=float(np.std(per_fold)),
                accuracy_ci=share_interval(resamples.means(right.astype(np.float64), owners), int(owners.max()) + 1),
                accept_rates=metrics.accept_rates(similarity, mated, FARS),
                decided=figures.decided if figures else (),
                hardest=hardest_errors(matrix.dataset, plan, enrolled, found.mated) if plan and found else (),
            )
            done()


def false_match_rows(
    matrix: Matrix, plan: Plan, groups: Sequence[Group], specs: Sequence[EncoderSpec], done: Callable[[], None]
) -> Iterator[Row]:
    """A row per kind and encoder: every photo against those of all others, as the kind stores them."""
    for spec in specs:
        templates, deciding = matrix.templates[spec], _deciding(spec)
        enrolled = Enrolled.of(plan, templates)
        held = [replace(group, members=group.members[enrolled.places]) for group in groups]
        for kind, cell in _cells(matrix, spec, enrolled.gallery, enrolled.gallery.vectors).items():
            yield Row(
                **_common(matrix, spec, kind, cell, enrolled),
                probes=0,
                top1=None,
                top1_ci=None,
                top1_ceiling=None,
                top1_delta_vs_fp32=None,
                non_mated=len(plan.non_mated),
                groups=false_matches(
                    enrolled.gallery.vectors,
                    cell.filled.stored,
                    enrolled.gallery.identity,
                    held,
                    deciding.threshold,
                    deciding.rule,
                ),
            )
            done()


def _deciding(spec: EncoderSpec) -> Deciding:
    model = find_model(spec.model)
    return Deciding(model.threshold, Rule.usual(model))


def _everything(dataset: Dataset) -> Plan:
    """A plan that enrols all and searches for nobody."""
    nobody = np.zeros(0, np.int64)
    identity = np.arange(len(dataset.samples))
    return Plan(identity, identity, nobody, nobody, True, 0.0)


def _exact(enrolled: Enrolled) -> Filled:
    return fill(create_index(_EXACT, enrolled.gallery.vectors.shape[1]), enrolled.gallery.vectors)


def _baseline_first(matrix: Matrix, plan: Plan, spec: EncoderSpec) -> Bools:
    """Which mated searches the FP32 encoder with the exact index gets right."""
    templates = matrix.templates[spec]
    enrolled = Enrolled.of(plan, templates)
    filled = _exact(enrolled)
    return run_searches(plan, enrolled, filled, templates).mated.first


def _cells(matrix: Matrix, spec: EncoderSpec, gallery: GalleryTemplates, probes: Floats) -> dict[str, _Cell]:
    """Every kind filled with the gallery, all timed in turns."""
    cells: dict[str, tuple[Filled, Coder | None, str]] = {}
    dimension = gallery.vectors.shape[1]
    other = matrix.training.get(spec.model)
    for kind in matrix.kinds:
        shipped, ready = codec_training.shipped(spec.model, kind, dimension) if other is None else (None, False)
        taught, learnt = None, ""
        if codec_training.learns(kind) and other is not None:
            taught, learnt = other.templates, other.source
        elif ready:
            learnt = codec_training.SHIPPED
        elif codec_training.must_learn(kind):
            taught = population(spec.model, kind, dimension)  # as a gallery does
            learnt = population_origin(spec.model, dimension).removeprefix("learnt from ")
        coder = shipped or codec_training.coder_for(kind, dimension, taught)
        index = codec_training.filled_index(kind, dimension, coder, taught, gallery.vectors)
        cells[kind] = as_filled(index), coder, learnt
    times = search_times([filled.index for filled, _, _ in cells.values()], probes, _TIMED_QUERIES)
    return {kind: _Cell(*cell, spent) for (kind, cell), spent in zip(cells.items(), times, strict=True)}


def _common(matrix: Matrix, spec: EncoderSpec, kind: str, cell: _Cell, enrolled: Enrolled) -> dict[str, Any]:
    """Columns that do not depend on the protocol."""
    index, n = cell.filled.index, len(enrolled.places)
    dimension = index.dimension
    samples = [matrix.dataset.samples[place] for place in enrolled.places]
    shared = codebook_bytes(index)
    per_template = index.bytes_per_vector + shared / n
    disk = matrix.sizes.of(spec, index, cell.coder, matrix.dataset.folder, samples)
    codec = metrics.fidelity(enrolled.gallery.vectors, cell.filled.stored)
    encoder = _encoder_fidelity(matrix, spec)
    cost = matrix.costs[spec]
    return {
        "dataset": matrix.facts.name,
        "protocol": matrix.protocol,
        "encoder": str(spec),
        "index": kind,
        "images": matrix.facts.images,
        "identities": matrix.facts.identities,
        "gallery_size": n,
        "failed_to_enrol": int((~matrix.templates[spec].found).sum()),
        "dimension": dimension,
        "cosine_fidelity_encoder": encoder.mean if encoder else None,
        "cosine_fidelity_codec": codec.mean,
        "bytes_per_template": per_template,
        "bytes_per_identity": per_template * n / max(len(owners_of(enrolled.gallery.identity)), 1),
        "storage_saving": 1 - per_template / (4 * dimension),
        "codebook_bytes": shared,
        "encode_ms": cost.encode_ms,
        "search_ms": float(np.median(cell.times)),
        "search_ms_p95": float(np.percentile(cell.times, 95)),
        "encoder_bytes": cost.file_bytes,
        "gallery_bytes": disk.database + disk.index,
        "database_bytes": disk.database,
        "index_bytes": disk.index,
        "peak_memory_bytes": cost.peak_memory_bytes,
        "codec_training": cell.learnt,
        "encoder_fidelity": encoder,
        "codec_fidelity": codec,
    }


def _encoder_fidelity(matrix: Matrix, spec: EncoderSpec) -> TemplateFidelity | None:
    base = matrix.baselines.get(spec.model)
    if base is None:
        return None
    original, own = matrix.templates[base], matrix.templates[spec]
    both = original.found & own.found
    return metrics.fidelity(original.values[both], own.values[both])
