"""Runs with every kind of row, made up: what they say is fixed, so that tests can ask for it."""

from __future__ import annotations

from dataclasses import replace

from facesearch.evaluation.results import (
    AcceptRate,
    DatasetFacts,
    DetPoint,
    Failure,
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

ENCODERS = {"dlib-resnet:fp32@onnx": 0.95, "dlib-resnet:int8@onnx": 0.949, "edgeface-xs:fp32@onnx": 0.99}
KINDS = {"flat": (1.0, 0.0), "sq8": (0.25, -0.001), "pq32": (0.0625, -0.02)}  # bytes of FP32, loss
HOSTILE = "<script>alert('x')</script>"
FORMULA = "=HYPERLINK(1)|a"
ERRORS = (
    HardError("Nils/Nils_1.jpg", "Nils", "Edda/Edda_2.jpg", "Edda", 0.91, 0.84),
    HardError(f"{HOSTILE}/1.jpg", HOSTILE, f"{FORMULA}/2.jpg", FORMULA, 0.88, None),
    HardError("\u202eevil/\udcff.jpg", "\u202eevil", "long/1.jpg", "very_long_name" * 9, 0.87, 0.2),
)


def fidelity(mean: float) -> TemplateFidelity:
    counts = (1, 4, 9, 16, 9, 4, 1)
    step = (1 - mean) / 4
    edges = tuple(mean + step * (number - 3.5) for number in range(len(counts) + 1))
    return TemplateFidelity(mean, edges[1], Histogram(edges, counts))


def sample_row(protocol: str, encoder: str, index: str) -> Row:
    part, loss = KINDS[index]
    rate = ENCODERS[encoder] + loss
    reduced = "int8" in encoder
    row = Row(
        dataset="people",
        protocol=protocol,
        encoder=encoder,
        index=index,
        images=2000,
        identities=500,
        gallery_size=1999,
        probes=2000,
        failed_to_enrol=3,
        dimension=128,
        top1=rate,
        top1_ci=(rate - 0.01, rate + 0.008),
        top1_ceiling=1.0,
        top1_delta_vs_fp32=loss - 0.001 * reduced,
        cosine_fidelity_encoder=0.998 if reduced else None,
        cosine_fidelity_codec=1.0 + loss,
        bytes_per_template=512 * part,
        bytes_per_identity=2048 * part,
        storage_saving=1 - part,
        codebook_bytes=0,
        encode_ms=2.0 if reduced else 4.0,
        search_ms=0.5 * part,
        search_ms_p95=0.9 * part,
        encoder_bytes=6_000_000 if reduced else 24_000_000,
        gallery_bytes=round(2_000_000 * part),
        database_bytes=round(1_200_000 * part),
        index_bytes=round(800_000 * part),
        peak_memory_bytes=200_000_000,
        paired=Paired("dlib-resnet:fp32@onnx flat", loss, (loss - 0.002, loss + 0.002), 5, 3, 0.7),
        encoder_fidelity=fidelity(0.998) if reduced else None,
        codec_fidelity=None if index == "flat" else fidelity(1.0 + loss),
        hardest=ERRORS if index != "pq32" else ERRORS[:2],
    )
    match protocol:
        case "gallery-probe":
            return replace(row, cmc=tuple(RankRate(rank, 1 - (1 - rate) / rank) for rank in (1, 5, 10, 20, 50)))
        case "open-set":
            return _open_set(row, 1 - rate)
        case "pairs":
            rates = (AcceptRate(0.01, 0.5, rate), AcceptRate(0.001, None, None))
            return replace(
                row,
                top1=None,
                top1_ci=None,
                accuracy=rate,
                accuracy_ci=(rate - 0.005, rate + 0.005),
                accept_rates=rates,
            )
    return row


def _open_set(row: Row, missed: float) -> Row:
    points = (
        OperatingPoint(0.1, 0.4, missed, (missed / 2, missed * 2), 0.09),
        OperatingPoint(0.01, 0.5, 2 * missed, (missed, 3 * missed), 0.01),
        OperatingPoint(0.001, None, None, None, None),
    )
    curve = tuple(DetPoint(0.3 + 0.002 * n, 0.001 * 1.08**n, max(0.0, missed * (2 - n / 40))) for n in range(90))
    return replace(row, non_mated=900, fpir_floor=3 / 900, operating_points=points, det=curve)


def sample_run(protocol: str, number: int = 1) -> Run:
    rows = tuple(sample_row(protocol, encoder, index) for encoder in ENCODERS for index in KINDS)
    return Run(
        id=f"20261124T01020{number}Z-0123abcd",
        created_at=f"2026-11-24T01:02:0{number}+00:00",
        command=f"facesearch evaluate people --protocol {protocol}",
        protocol=protocol,
        dataset=DatasetFacts("people", "folders", "people", "ab" * 32, 2000, 500, 4, 0, 1),
        versions=(Version("facesearch", "0.1.0"), Version("numpy", "2.4.6")),
        machine=Machine("a processor", 2),
        seed=0,
        seconds=12.5,
        rows=rows,
        failures=(Failure("a/1.jpg", "no face was found"),),
    )


def sample_runs() -> list[Run]:
    protocols = ("leave-one-out", "gallery-probe", "open-set", "pairs")
    return [sample_run(protocol, number) for number, protocol in enumerate(protocols)]
