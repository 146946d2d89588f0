"""What an evaluation found, as values: a `Run` of `Row`s, its JSON, and where runs are stored.

A run is one file, `$FACESEARCH_HOME/runs/<id>.json`, written whole or not at all; reading gives an equal run.
`Row.document` is the row as `--json` prints it, with the keys that CONTRACT.md fixes.
"""

from __future__ import annotations

import json
import logging
import re
import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from facesearch.errors import FacesearchError, UsageError
from facesearch.evaluation.json_documents import check_numbers, from_document, to_document
from facesearch.files import locations
from facesearch.files.durable import write_atomically
from facesearch.files.regular import open_regular

_log = logging.getLogger("facesearch")

FORMAT = 1
_LARGEST = 64 * 2**20  # bytes of a run's file that are read
_LEAST = 1e-9  # of bytes and milliseconds that were measured
_NAME = re.compile(r"\d{8}T\d{6}Z-[0-9a-f]{8}")

Interval = tuple[float, float]  # 95 %


@dataclass(frozen=True, slots=True)
class RankRate:
    """A point of the CMC: the share of mated probes whose identity is among the first `rank` identities."""

    rank: int
    rate: float


@dataclass(frozen=True, slots=True)
class DetPoint:
    """A point of the DET: with this threshold (cosine), the shares of non-mated and of mated searches gone wrong."""

    threshold: float
    fpir: float
    fnir: float


@dataclass(frozen=True, slots=True)
class OperatingPoint:
    """FNIR where FPIR is held at `fpir`; None where too few non-mated searches can show so small a rate.

    observed_fpir: the rate that the threshold really has, at most `fpir`.
    """

    fpir: float
    threshold: float | None
    fnir: float | None
    fnir_ci: Interval | None
    observed_fpir: float | None


@dataclass(frozen=True, slots=True)
class Decided:
    """What deciding by a score ("cosine", "normalised") at the encoder's default threshold gives: FPIR over non-mated
    searches, FNIR over mated ones; None where there were none."""

    score: str
    threshold: float
    fpir: float | None
    fnir: float | None


@dataclass(frozen=True, slots=True)
class GroupRate:
    """FMR at the encoder's default threshold, by cosine and by normalised score, among the photos of one group.

    label, value: as in "age", "0-4"; label "all" for all photos. pairs: how many of two people were compared.
    fmr_normalised: None where scores of the encoder cannot be normalised. Intervals are 95 %, over photos; runs of
    earlier versions have none.
    """

    label: str
    value: str
    photos: int
    pairs: int
    fmr: float
    fmr_normalised: float | None
    fmr_ci: Interval | None = None
    fmr_normalised_ci: Interval | None = None

    @property
    def name(self) -> str:
        return f"{self.label} {self.value}".strip()

    @property
    def decided(self) -> float:
        """The rate by what galleries decide by: normalised scores where there can be such."""
        return self.fmr if self.fmr_normalised is None else self.fmr_normalised


@dataclass(frozen=True, slots=True)
class AcceptRate:
    """TAR where FAR is held at `far`, over pairs; None where too few impostor pairs can show so small a rate."""

    far: float
    threshold: float | None
    tar: float | None


@dataclass(frozen=True, slots=True)
class Histogram:
    """How often cosines fall between neighbouring `edges` (one more than `counts`, ascending, both ends included)."""

    edges: tuple[float, ...]
    counts: tuple[int, ...]

    def __post_init__(self) -> None:
        if len(self.edges) != len(self.counts) + 1 or not self.counts:
            raise ValueError("a histogram has one edge more than counts")


@dataclass(frozen=True, slots=True)
class TemplateFidelity:
    """Cosine of templates to what they are quantized from: mean, first percentile, and all of them as a histogram."""

    mean: float
    p1: float
    histogram: Histogram


@dataclass(frozen=True, slots=True)
class HardError:
    """A probe whose identity was not first: the wrong one that was, with similarities (cosine).

    Paths are relative to the data set's folder. right_similarity: of the best template of the right person.
    """

    probe: str
    identity: str
    found: str
    found_identity: str
    similarity: float
    right_similarity: float | None


@dataclass(frozen=True, slots=True)
class Paired:
    """Against the baseline, on the same searches: difference in top-1 (of pairs: in accuracy), McNemar's exact test.

    lost, gained: searches that only the baseline, only this row, got right.
    """

    baseline: str
    delta: float
    delta_ci: Interval
    lost: int
    gained: int
    p_value: float


@dataclass(frozen=True, slots=True)
class Failure:
    """A photo that gave no template, and why; the path is relative to the data set's folder."""

    path: str
    reason: str


@dataclass(frozen=True, slots=True)
class Row:
    """One cell of the matrix: an encoder and a kind of index under one protocol.

    Counts: images, identities of the data set; gallery_size: templates searched; probes: mated searches, failures to
    enrol among them, which count as misses; non_mated: searches of people who are not enrolled.
    top1: rank-1 identification rate, None where nothing is identified. top1_ceiling: what it could be at most, as
    people with a single image cannot be found (leave-one-out without `--min-images`).
    Rates are shares (0..1), similarities are cosines, times are milliseconds, sizes are bytes.
    encode_ms: one crop, median. search_ms: one query, median; search_ms_p95 of the same. Each in one thread.
    bytes_per_template: what the kind stores per template, shared codebooks shared out over the gallery's templates.
    codebook_bytes: what all templates share. gallery_bytes: database and index file of a real gallery, None where none
    was built. codec_training: what the kind learnt from ("" where it learns nothing).
    fpir_floor: the least FPIR that so many non-mated searches can show (3 / non_mated).
    probe_encoder: of the probes, where it is not the gallery's (protocol cross-precision).
    operating_points and det are by cosine, normalised_points by normalised scores (facesearch.gallery.scoring); empty
    where scores of the encoder cannot be normalised. decided: at the default threshold, by either score.
    groups: false match rates, of the protocol false-match.
    """

    dataset: str
    protocol: str
    encoder: str
    index: str
    images: int
    identities: int
    gallery_size: int
    probes: int
    failed_to_enrol: int
    dimension: int
    top1: float | None
    top1_ci: Interval | None
    top1_ceiling: float | None
    top1_delta_vs_fp32: float | None
    cosine_fidelity_encoder: float | None
    cosine_fidelity_codec: float
    bytes_per_template: float
    bytes_per_identity: float
    storage_saving: float
    codebook_bytes: int
    encode_ms: float
    search_ms: float
    search_ms_p95: float
    encoder_bytes: int
    gallery_bytes: int | None = None
    database_bytes: int | None = None
    index_bytes: int | None = None
    peak_memory_bytes: int | None = None
    probe_encoder: str | None = None
    codec_training: str = ""
    paired: Paired | None = None
    encoder_fidelity: TemplateFidelity | None = None
    codec_fidelity: TemplateFidelity | None = None
    cmc: tuple[RankRate, ...] = ()
    non_mated: int | None = None
    fpir_floor: float | None = None
    operating_points: tuple[OperatingPoint, ...] = ()
    det: tuple[DetPoint, ...] = ()
    accuracy: float | None = None
    accuracy_std: float | None = None
    accuracy_ci: Interval | None = None
    accept_rates: tuple[AcceptRate, ...] = ()
    hardest: tuple[HardError, ...] = ()
    normalised_points: tuple[OperatingPoint, ...] = ()
    decided: tuple[Decided, ...] = ()
    groups: tuple[GroupRate, ...] = ()

    def __post_init__(self) -> None:
        for value in (self.bytes_per_template, self.encode_ms, self.search_ms, self.search_ms_p95):
            if 0 < value < _LEAST:
                raise ValueError(f"{value} is too small for a size or a time")

    def document(self, *, curves: bool = True) -> dict[str, Any]:
        """The row for `--json`; without `curves`, leave out CMC, DET, histograms and the hardest errors."""
        document: dict[str, Any] = to_document(self)
        if not curves:
            for name in ("cmc", "det", "hardest", "encoder_fidelity", "codec_fidelity"):
                del document[name]
        for fidelity, key in ((self.encoder_fidelity, "encoder"), (self.codec_fidelity, "codec")):
            document[f"cosine_fidelity_{key}_p1"] = fidelity.p1 if fidelity else None
        if self.operating_points:
            points = self.operating_points
            document["fnir_at_fpir"] = {f"{point.fpir:g}": point.fnir for point in points}
            document["fnir_ci_at_fpir"] = {f"{point.fpir:g}": point.fnir_ci for point in points}
            document["thresholds"] = {f"{point.fpir:g}": point.threshold for point in points}
        if self.normalised_points:
            points = self.normalised_points
            document["normalised"] = {
                "fnir_at_fpir": {f"{point.fpir:g}": point.fnir for point in points},
                "fnir_ci_at_fpir": {f"{point.fpir:g}": point.fnir_ci for point in points},
                "thresholds": {f"{point.fpir:g}": point.threshold for point in points},
            }
        if self.groups:
            document["fmr"] = {group.name: group.fmr for group in self.groups}
            document["fmr_normalised"] = {group.name: group.fmr_normalised for group in self.groups}
        if self.accept_rates:
            document["tar_at_far"] = {f"{rate.far:g}": rate.tar for rate in self.accept_rates}
            document["thresholds"] = {f"{rate.far:g}": rate.threshold for rate in self.accept_rates}
        if self.cmc:
            document["identification_rate_at_rank"] = {str(point.rank): point.rate for point in self.cmc}
        return document


@dataclass(frozen=True, slots=True)
class Version:
    """A package or program that shapes figures."""

    name: str
    version: str


@dataclass(frozen=True, slots=True)
class Machine:
    """What it ran on."""

    cpu: str
    cores: int


@dataclass(frozen=True, slots=True)
class DatasetFacts:
    """A data set: its name, layout and folder, what it holds, and a SHA-256 over identities, names and contents.

    folder: as it was given on the command line. single: identities with one image.
    """

    name: str
    layout: str
    folder: str
    sha256: str
    images: int
    identities: int
    single: int
    duplicates: int
    unreadable: int


@dataclass(frozen=True, slots=True)
class Run:
    """One evaluation. created_at: UTC, ISO 8601; command: as it was typed, so that it can be run again."""

    id: str
    created_at: str
    command: str
    protocol: str
    dataset: DatasetFacts
    versions: tuple[Version, ...]
    machine: Machine
    seed: int
    seconds: float
    rows: tuple[Row, ...]
    failures: tuple[Failure, ...] = ()

    def to_json(self) -> str:
        """One JSON document; `from_json` gives the same run back."""
        return json.dumps({"format": FORMAT, **to_document(self)}, allow_nan=False) + "\n"

    @staticmethod
    def from_json(text: str) -> Run:
        """Raises `ValueError`, saying which field is not as it should be."""
        document = json.loads(text)
        if not isinstance(document, dict):
            raise ValueError("it is no JSON object")
        written = document.pop("format", None)
        if written != FORMAT:
            raise ValueError(f"its format is {written!r}, this version reads {FORMAT}")
        return from_document(Run, document)


def runs_folder() -> Path:
    """Where runs are stored."""
    return locations.home() / "runs"


def new_run_id(created_at: str) -> str:
    """A name that no other run has and that sorts by time; created_at: ISO 8601, UTC."""
    return re.sub(r"[-:]|\.\d+|\+00:00", "", created_at).rstrip("Z") + "Z-" + secrets.token_hex(4)


def save_run(run: Run) -> Path:
    """Store a run; returns its file."""
    folder = runs_folder()
    locations.make_own_folder(folder)
    path = folder / f"{run.id}.json"
    write_atomically(path, lambda file: file.write(run.to_json().encode("utf-8", "surrogateescape")))
    return path


def load_run(path: Path) -> Run:
    """A run from its file; raises `UsageError` if there is none, `FacesearchError` if it is damaged."""
    try:
        with open_regular(path) as file:
            data = file.read(_LARGEST + 1)
    except OSError as error:
        raise UsageError(f"{path} cannot be read ({(error.strerror or 'error').lower()})") from None
    if len(data) > _LARGEST:
        raise FacesearchError(f"{path} is too large for a run")
    try:
        run = Run.from_json(data.decode("utf-8", "surrogateescape"))
        check_numbers(to_document(run))
    except (ValueError, RecursionError) as error:  # JSON, UTF-8 and shape
        raise FacesearchError(f"{path} is no run of an evaluation ({error})") from None
    return run


def stored_runs() -> list[Run]:
    """All stored runs, oldest first; damaged ones are left out with a warning."""
    found = []
    for path in _run_files():
        try:
            found.append(load_run(path))
        except FacesearchError as error:
            _log.warning("%s", error)
    return found


def stored_ids() -> list[str]:
    """The ids of all stored runs, oldest first; none of them is read."""
    return [path.stem for path in _run_files()]


def find_run(name: str) -> Run:
    """The run with this id (or the beginning of only one), `latest`, or the run in this file; raises `UsageError`."""
    if name.endswith(".json"):
        return load_run(Path(name))
    files = _run_files()
    if not files:
        raise UsageError("no runs are stored yet: facesearch evaluate DIR")
    if name == "latest":
        return load_run(files[-1])
    matching = [path for path in files if path.stem.startswith(name)]
    if len(matching) != 1:
        what = "no stored run is" if not matching else f"{len(matching)} stored runs are"
        raise UsageError(f"{what} named {name}; facesearch report --list shows them")
    return load_run(matching[0])


def _run_files() -> list[Path]:
    try:
        entries = sorted(runs_folder().iterdir())
    except (FileNotFoundError, NotADirectoryError):
        return []
    return [entry for entry in entries if entry.suffix == ".json" and _NAME.fullmatch(entry.stem)]
