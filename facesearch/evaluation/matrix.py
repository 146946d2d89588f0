"""The matrix: every encoder with every kind of index under one protocol, as one run."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from facesearch.encoders import DEFAULT_MODEL, EncoderSpec, find_model
from facesearch.errors import UsageError
from facesearch.evaluation import codec_training
from facesearch.evaluation.datasets import Dataset, read_dataset
from facesearch.evaluation.extraction import DatasetTemplates, Stage, check_encoders, no_stage, templates
from facesearch.evaluation.groups import Group, from_file_names, from_list
from facesearch.evaluation.matrix_rows import Matrix, Training, false_match_rows, identification_rows, pair_rows
from facesearch.evaluation.pairs import read_pairs
from facesearch.evaluation.protocols import PROTOCOLS, plan
from facesearch.evaluation.results import Failure, Row, Run, new_run_id
from facesearch.evaluation.statistics import SEED
from facesearch.evaluation.timing import encoder_costs, machine, versions
from facesearch.pipeline.pipeline_spec import USUAL, PipelineSpec


@dataclass(frozen=True, slots=True)
class Request:
    """What is to be evaluated.

    aligned: the images are crops of this kind. pairs: a list of pairs, for the protocol of that name. limit: the first
    so many images, of a list of pairs so many pairs. groups: a list of the groups that people belong to, for the
    protocol false-match; without it, file names are looked at. codec_training: photos of other people, for kinds that
    learn; without it they learn from the gallery, and the rows say so. time_again: measure encoders even where times
    are kept. command: what the run is recorded under.
    """

    folder: Path
    encoders: tuple[str, ...]
    kinds: tuple[str, ...]
    protocol: str = "leave-one-out"
    layout: str = "folders"
    aligned: str | None = None
    pairs: Path | None = None
    min_images: int = 2
    limit: int | None = None
    groups: Path | None = None
    pipeline: PipelineSpec = USUAL
    codec_training: Path | None = None
    time_again: bool = False
    command: str = ""


def evaluate(request: Request, stage: Stage = no_stage) -> Run:
    """Run the matrix; templates come from the cache where they are there.

    Raises `UsageError` for what cannot be evaluated, before anything is computed, and `FacesearchError` for encoders
    that cannot be run.
    """
    started = time.perf_counter()
    specs = _checked(request)
    with stage("reading the data set") as progress:
        if request.protocol == "pairs":
            dataset, pairs = read_pairs(request.folder, request.pairs, limit=request.limit, progress=progress)
        else:
            dataset = read_dataset(request.folder, request.layout, limit=request.limit, progress=progress)
            pairs = ()
    identities = [sample.identity for sample in dataset.samples]
    if pairs:
        repeated = all(identities) and len(set(identities)) < len(identities)
        searches = plan("leave-one-out", identities, min_images=request.min_images) if repeated else None
    else:
        searches = plan(request.protocol, identities, min_images=request.min_images, seed=SEED)
    groups = _groups(request, [sample.path for sample in dataset.samples])
    baselines = {model: base for model in {spec.model: None for spec in specs} if (base := _baseline(model, specs))}
    all_specs = list(dict.fromkeys([*specs, *baselines.values()]))
    held = templates(dataset, all_specs, aligned=request.aligned, pipeline=request.pipeline, stage=stage)
    _check_found(held, request)
    matrix = Matrix(
        dataset=dataset,
        facts=dataset.facts(),
        protocol=request.protocol,
        kinds=request.kinds,
        templates=held,
        baselines=baselines,
        training=_training(request, specs, baselines, stage),
        costs=encoder_costs(all_specs, again=request.time_again, stage=stage),
    )
    rows: list[Row] = []
    combined = _combined(request.protocol, specs)
    total = len(combined) * len(request.kinds)
    with stage(f"searching {total} cells") as progress:

        def done() -> None:
            progress(len(rows) + 1, total)

        if searches is not None and request.protocol == "false-match":
            found = false_match_rows(matrix, searches, groups, specs, done)
        elif searches is not None and not pairs:
            found = identification_rows(matrix, searches, combined, done)
        else:
            found = pair_rows(matrix, pairs, searches, specs, done)
        for row in found:
            rows.append(row)
    created = datetime.now(UTC).isoformat(timespec="seconds")
    return Run(
        id=new_run_id(created),
        created_at=created,
        command=request.command,
        protocol=request.protocol,
        dataset=matrix.facts,
        versions=versions(),
        machine=machine(),
        seed=SEED,
        seconds=time.perf_counter() - started,
        rows=tuple(rows),
        failures=_failures(dataset, held[specs[0]]),
    )


def _checked(request: Request) -> list[EncoderSpec]:
    if request.protocol not in PROTOCOLS:
        raise UsageError(f"no protocol is named '{request.protocol}'; there are: {', '.join(PROTOCOLS)}")
    if request.pairs is not None and request.protocol != "pairs":
        raise UsageError(f"--pairs goes with --protocol pairs, not with {request.protocol}")
    if request.groups is not None and request.protocol != "false-match":
        raise UsageError(f"--groups goes with --protocol false-match, not with {request.protocol}")
    if request.limit is not None and request.limit < 1:
        raise UsageError(f"--limit is {request.limit}: at least 1 is needed")
    specs = check_encoders(request.encoders, request.aligned)
    codec_training.check_kinds(request.kinds, [find_model(spec.model).dimension for spec in specs])
    if request.protocol == "cross-precision" and not _combined(request.protocol, specs):
        raise UsageError(
            "cross-precision needs FP32 and another precision of one model: "
            f"--encoder {DEFAULT_MODEL}:fp32 --encoder {DEFAULT_MODEL}:int8"
        )
    return specs


def _groups(request: Request, paths: Sequence[str]) -> tuple[Group, ...]:
    if request.protocol != "false-match":
        return ()
    return from_file_names(paths) if request.groups is None else from_list(request.groups, paths)


def _combined(protocol: str, specs: Sequence[EncoderSpec]) -> list[tuple[EncoderSpec, EncoderSpec]]:
    """Which encoder makes the gallery and which the probes."""
    if protocol != "cross-precision":
        return [(spec, spec) for spec in specs]
    combined = []
    for model in dict.fromkeys(spec.model for spec in specs):
        of_model = [spec for spec in specs if spec.model == model]
        full = next((spec for spec in of_model if spec.precision == "fp32"), None)
        if full is not None:
            for spec in of_model:
                if spec.precision != "fp32":
                    combined += [(full, spec), (spec, full)]
    return combined


def _baseline(model: str, specs: Sequence[EncoderSpec]) -> EncoderSpec | None:
    """The FP32 encoder that others of its model are compared with: one asked for, on ONNX Runtime before others."""
    asked = [spec for spec in specs if spec.model == model and spec.precision == "fp32"]
    there = [EncoderSpec(model, v.precision, v.backend) for v in find_model(model).variants if v.precision == "fp32"]
    candidates = sorted([*asked, *there], key=lambda spec: spec.backend != "onnx")
    return candidates[0] if candidates else None


def _training(
    request: Request, specs: Sequence[EncoderSpec], baselines: dict[str, EncoderSpec], stage: Stage
) -> dict[str, Training]:
    """Templates of other people, per model by its FP32 encoder, for the kinds that learn."""
    if request.codec_training is None:
        return {}
    if not any(codec_training.learns(kind) for kind in request.kinds):
        return {}
    with stage("reading photos of other people") as progress:
        photos = codec_training.read_training_photos(request.codec_training, progress)
    teachers = {spec.model: baselines.get(spec.model, spec) for spec in specs}
    held = templates(photos, list(teachers.values()), aligned=request.aligned, pipeline=request.pipeline, stage=stage)
    return {
        model: Training(
            held[spec].values[held[spec].found], f"{int(held[spec].found.sum())} templates of {photos.name} by {spec}"
        )
        for model, spec in teachers.items()
    }


def _check_found(held: dict[EncoderSpec, DatasetTemplates], request: Request) -> None:
    for spec, of_encoder in held.items():
        if not of_encoder.found.any():
            first = next(iter(of_encoder.reasons), "")
            raise UsageError(f"no image of {request.folder} gives a template by {spec}: {first}")


def _failures(dataset: Dataset, of_encoder: DatasetTemplates) -> tuple[Failure, ...]:
    """Which images gave no template: the same for all encoders, as they fail before they reach one."""
    return tuple(
        Failure(sample.path, reason)
        for sample, reason in zip(dataset.samples, of_encoder.reasons, strict=True)
        if reason
    )
