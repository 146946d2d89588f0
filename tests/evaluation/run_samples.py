"""A run whose every field is filled."""

from __future__ import annotations

from facesearch.evaluation.results import (
    AcceptRate,
    DatasetFacts,
    Decided,
    DetPoint,
    Failure,
    GroupRate,
    HardError,
    Histogram,
    Machine,
    OperatingPoint,
    Paired,
    RankRate,
    Row,
    Run,
    TemplateFidelity,
    Version,
)


def full_row(encoder: str = "dlib-resnet:fp32@onnx", index: str = "pq64") -> Row:
    fidelity = TemplateFidelity(1 / 3, 0.1, Histogram((0.0, 0.5, 1.0), (3, 4)))
    return Row(
        dataset="people",
        protocol="open-set",
        encoder=encoder,
        index=index,
        images=10,
        identities=4,
        gallery_size=9,
        probes=8,
        failed_to_enrol=1,
        dimension=128,
        top1=0.875,
        top1_ci=(0.5, 1.0),
        top1_ceiling=1.0,
        top1_delta_vs_fp32=-0.1,
        cosine_fidelity_encoder=1 / 3,
        cosine_fidelity_codec=1 / 3,
        bytes_per_template=64.5,
        bytes_per_identity=150.0,
        storage_saving=0.87,
        codebook_bytes=1024,
        encode_ms=1.5,
        search_ms=0.25,
        search_ms_p95=0.5,
        encoder_bytes=1000,
        gallery_bytes=2000,
        database_bytes=1500,
        index_bytes=500,
        peak_memory_bytes=3000,
        probe_encoder="dlib-resnet:int8@onnx",
        codec_training="other people",
        paired=Paired("dlib-resnet:fp32@onnx flat", -0.1, (-0.2, 0.0), 2, 1, 1.0),
        encoder_fidelity=fidelity,
        codec_fidelity=fidelity,
        cmc=(RankRate(1, 0.875), RankRate(5, 1.0)),
        non_mated=100,
        fpir_floor=0.03,
        operating_points=(
            OperatingPoint(0.1, 0.5, 0.2, (0.1, 0.3), 0.09),
            OperatingPoint(0.001, None, None, None, None),
        ),
        det=(DetPoint(0.5, 0.1, 0.2),),
        accuracy=0.99,
        accuracy_std=0.01,
        accuracy_ci=(0.98, 1.0),
        accept_rates=(AcceptRate(0.1, 0.4, 0.98), AcceptRate(1e-3, None, None)),
        hardest=(HardError("Ö/1.jpg", "Ö", "b/2.jpg", "b", 0.9, None),),
        normalised_points=(
            OperatingPoint(0.1, 0.5, 0.125, (0.0, 0.25), 0.09),
            OperatingPoint(0.001, None, None, None, None),
        ),
        decided=(Decided("cosine", 0.5, 0.25, 0.125), Decided("normalised", 0.5, None, 0.25)),
        groups=(GroupRate("all", "", 9, 36, 0.25, 0.125), GroupRate("age", "0-4", 3, 3, 1.0, None)),
    )


def full_run(run_id: str = "20261124T010203Z-0123abcd", *rows: Row) -> Run:
    return Run(
        id=run_id,
        created_at="2026-11-24T01:02:03+00:00",
        command="facesearch evaluate people",
        protocol="open-set",
        dataset=DatasetFacts("people", "folders", "people", "ab" * 32, 10, 4, 1, 0, 1),
        versions=(Version("numpy", "2.4.6"),),
        machine=Machine("a processor", 2),
        seed=0,
        seconds=1.25,
        rows=rows or (full_row(),),
        failures=(Failure("a/1.jpg", "no face was found"),),
    )
