"""The whole matrix on people who do not exist, every figure against a brute-force computation of its own."""

from __future__ import annotations

import json
import logging
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from facesearch.encoders import EncoderSpec, load_encoder
from facesearch.errors import FacesearchError, RejectedImageError, UsageError
from facesearch.evaluation import extraction, matrix
from facesearch.evaluation.matrix import Request, evaluate
from facesearch.evaluation.results import Row, Run
from facesearch.evaluation.timing import EncoderCost
from facesearch.faces import Face, FaceDetector
from facesearch.photos.decoding import load_image
from facesearch.pipeline.finding import prominent_face
from facesearch.pipeline.pipeline import Pipeline
from indexes import create_index

PEOPLE, PHOTOS_PER_PERSON = 12, 3  # of people_photos


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One cache for the tests of this file."""
    return tmp_path_factory.mktemp("home")


@pytest.fixture(autouse=True)
def shared_home(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FACESEARCH_HOME", str(home))


@pytest.fixture(autouse=True)
def no_timing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Encoders are not timed, which starts processes; one test of the command does it."""

    def costs(specs: list[EncoderSpec], **_: object) -> dict[EncoderSpec, EncoderCost]:
        return {spec: EncoderCost(str(spec), 1000, 1.5, 2000) for spec in specs}

    monkeypatch.setattr(matrix, "encoder_costs", costs)


@pytest.fixture(scope="module")
def templates(people_photos: Path) -> tuple[list[str], np.ndarray]:
    """Identity and template of every photo, each photo by itself."""
    pipeline = Pipeline(load_encoder(), threads=1)
    paths = sorted(people_photos.glob("*/*.jpg"))
    found = [pipeline.prominent(load_image(path)).template for path in paths]
    return [path.parent.name for path in paths], np.stack(found)


def request(folder: Path, *kinds: str, protocol: str = "leave-one-out") -> Request:
    return Request(folder, ("dlib-resnet",), kinds or ("flat",), protocol)


def only(run: Run) -> Row:
    (row,) = run.rows
    return row


def untimed(row: Row) -> Row:
    return replace(row, search_ms=0.0, search_ms_p95=0.0)


def nearest_other(stored: np.ndarray, x: np.ndarray, row: int) -> int:
    scores = [(float(np.dot(stored[other], x[row])), -other) for other in range(len(x)) if other != row]
    return -max(scores)[1]


def test_leave_one_out_is_what_brute_force_gives(people_photos: Path, templates: tuple[list[str], np.ndarray]) -> None:
    names, x = templates
    run = evaluate(request(people_photos, "flat", "sq8"))
    for row in run.rows:
        index = create_index(row.index, x.shape[1])
        index.add(np.arange(len(x)), x)
        stored = index.reconstruct(np.arange(len(x)))
        right = [names[nearest_other(stored, x, probe)] == names[probe] for probe in range(len(x))]
        assert row.top1 == pytest.approx(np.mean(right))
        assert row.top1 is not None
        assert row.top1_ci is not None
        assert row.top1_ci[0] <= row.top1 <= row.top1_ci[1]
        cosines = [np.dot(a, b) / np.linalg.norm(a) / np.linalg.norm(b) for a, b in zip(x, stored, strict=True)]
        assert row.cosine_fidelity_codec == pytest.approx(np.mean(cosines), abs=1e-5)
        assert (row.images, row.probes, row.gallery_size, row.failed_to_enrol) == (len(x), len(x), len(x), 0)
        assert row.cosine_fidelity_encoder == pytest.approx(1.0)
    flat, sq8 = run.rows
    assert (flat.bytes_per_template, flat.storage_saving, flat.top1_delta_vs_fp32) == (512.0, 0.0, 0.0)
    shared = sq8.bytes_per_template * len(x) - 128 * len(x)
    assert 2 * 4 * 128 <= shared <= 2 * 4 * 128 + 128  # two numbers per component, and a line about them
    assert sq8.storage_saving == pytest.approx(1 - sq8.bytes_per_template / 512)
    assert flat.gallery_bytes is not None
    assert flat.database_bytes is not None
    assert flat.database_bytes > 512 * len(x)
    assert all(row.search_ms > 0 and row.encode_ms == 1.5 for row in run.rows)


def test_gallery_probe_is_what_brute_force_gives(people_photos: Path, templates: tuple[list[str], np.ndarray]) -> None:
    names, x = templates
    row = only(evaluate(request(people_photos, protocol="gallery-probe")))
    first = [names.index(name) for name in dict.fromkeys(names)]
    ranks = []
    for probe in (place for place in range(len(x)) if place not in first):
        order = sorted(first, key=lambda place: (-float(np.dot(x[place], x[probe])), place))
        ranks.append([names[place] for place in order].index(names[probe]) + 1)
    assert row.probes == len(ranks)
    assert row.gallery_size == len(first)
    for point in row.cmc:
        assert point.rate == pytest.approx(np.mean([rank <= point.rank for rank in ranks]))
    assert row.top1 == row.cmc[0].rate


def test_open_set_is_what_brute_force_gives(people_photos: Path, templates: tuple[list[str], np.ndarray]) -> None:
    names, x = templates
    row = only(evaluate(request(people_photos, protocol="open-set")))
    people = list(dict.fromkeys(names))
    known = {people[place] for place in np.random.default_rng(0).permutation(len(people))[: len(people) // 2]}
    first = {name: names.index(name) for name in people if name in known}

    def best(probe: int) -> tuple[float, str]:
        return max((float(np.dot(x[place], x[probe])), name) for name, place in first.items())

    foreign = sorted((best(probe)[0] for probe in range(len(x)) if names[probe] not in known), reverse=True)
    mated = [
        (best(probe), names[probe]) for probe in range(len(x)) if names[probe] in known and probe not in first.values()
    ]
    assert (row.non_mated, row.probes) == (len(foreign), len(mated))
    assert row.fpir_floor == pytest.approx(3 / len(foreign))
    for point in row.operating_points:
        if point.fpir < 3 / len(foreign):
            assert (point.fnir, point.threshold) == (None, None)
            continue
        allowed = int(point.fpir * len(foreign))
        missed = [not (score > foreign[allowed] + 1e-7 and name == who) for (score, name), who in mated]
        assert point.fnir == pytest.approx(np.mean(missed))
        assert point.fnir_ci is not None
        assert point.observed_fpir is not None
        assert point.observed_fpir <= point.fpir
    assert {point.fpir for point in row.operating_points} == {0.1, 0.01, 0.003, 0.001}
    assert row.det


def test_pairs_are_what_brute_force_gives(
    people_photos: Path, templates: tuple[list[str], np.ndarray], tmp_path: Path
) -> None:
    names, x = templates
    paths = sorted(people_photos.glob("*/*.jpg"))
    rng = np.random.default_rng(1)
    lines, scores, same = ["a,b,same,fold"], [], []
    for number in range(60):
        a = int(rng.integers(len(x)))
        others = [b for b in range(len(x)) if b != a and (names[a] == names[b]) == (number % 2 == 0)]
        b = int(rng.choice(others))
        files = [str(paths[place].relative_to(people_photos)) for place in (a, b)]
        lines.append(",".join([*files, str(number % 2 == 0), str(number % 6)]))
        scores.append(float(np.dot(x[a], x[b])))
        same.append(number % 2 == 0)
    listing = tmp_path / "pairs.csv"
    listing.write_text("\n".join(lines))
    row = only(evaluate(replace(request(people_photos, protocol="pairs"), pairs=listing)))
    per_fold = []
    for fold in range(6):
        learn = [place for place in range(60) if place % 6 != fold]
        options = [-1.0, *((p + q) / 2 for p, q in zip(sorted(scores), sorted(scores)[1:], strict=False)), 2.0]
        rates = [sum((scores[place] >= option) == same[place] for place in learn) for option in options]
        best = [option for option, rate in zip(options, rates, strict=True) if rate == max(rates)]
        per_fold.append({np.mean([(scores[p] >= option) == same[p] for p in range(fold, 60, 6)]) for option in best})
    lowest, highest = (
        np.mean([pick(each) for each in per_fold]) for pick in (min, max)
    )  # thresholds may be equally good
    assert row.accuracy is not None
    assert lowest - 1e-9 <= row.accuracy <= highest + 1e-9
    assert row.probes == 60
    assert row.accept_rates[0].tar is not None


def test_a_second_run_computes_no_template_again_and_gives_the_same_figures(
    people_photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = evaluate(request(people_photos, "flat", "sq8"))

    def fail(*_: object, **__: object) -> None:
        raise AssertionError("computed again")

    monkeypatch.setattr(extraction, "load_encoder", fail)
    monkeypatch.setattr(extraction, "find_faces_of", fail)
    second = evaluate(request(people_photos, "flat", "sq8"))
    assert [untimed(row) for row in first.rows] == [untimed(row) for row in second.rows]
    assert first.dataset == second.dataset


def test_an_interrupted_run_goes_on_where_it_was(
    people_photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FACESEARCH_HOME", str(tmp_path / "other"))
    monkeypatch.setattr(extraction, "_CHUNK", 5)
    seen: list[Path] = []

    def counting(detector: FaceDetector, path: Path) -> tuple[Face, bytes]:
        if len(seen) == 12:
            raise KeyboardInterrupt
        seen.append(path)
        return prominent_face(detector, path)

    monkeypatch.setattr(extraction, "prominent_face", counting)
    with pytest.raises(KeyboardInterrupt):
        evaluate(request(people_photos))
    seen[:] = [Path()] * 13  # does not interrupt again
    run = evaluate(request(people_photos))
    assert len(seen) - 13 == only(run).images - 10  # two full chunks were kept


def test_a_damaged_file_of_the_cache_is_computed_again(
    people_photos: Path, home: Path, caplog: pytest.LogCaptureFixture
) -> None:
    before = evaluate(request(people_photos))
    (shard, *_) = (home / "cache" / "templates").rglob("*.safetensors")
    data = bytearray(shard.read_bytes())
    data[-5] ^= 1
    shard.write_bytes(data)
    with caplog.at_level(logging.WARNING, logger="facesearch"):
        after = evaluate(request(people_photos))
    assert "is damaged (its SHA-256 differs)" in caplog.text
    assert after.rows[0].top1 == before.rows[0].top1


def test_an_image_without_a_face_is_a_miss_and_is_named(people_photos: Path, tmp_path: Path) -> None:
    import shutil

    from PIL import Image

    folder = Path(shutil.copytree(people_photos, tmp_path / "people"))
    person = sorted(folder.iterdir())[0]
    Image.new("RGB", (200, 200), "white").save(person / "nobody.png")
    (person / "broken.jpg").write_bytes(b"no image")
    run = evaluate(request(folder))
    row = only(run)
    assert row.failed_to_enrol == 2
    assert row.probes == row.images
    assert row.gallery_size == row.images - 2
    assert {failure.path.split("/")[1] for failure in run.failures} == {"nobody.png", "broken.jpg"}
    whole = only(evaluate(request(people_photos)))
    assert whole.top1 is not None
    assert row.top1 == pytest.approx(whole.top1 * whole.probes / row.probes)


def test_codecs_learn_from_photos_of_others_or_as_galleries_do(people_photos: Path) -> None:
    assert "portraits of Congress" in only(evaluate(request(people_photos, "pca64,sq4"))).codec_training
    other = replace(request(people_photos, "tcq16"), codec_training=people_photos)
    with pytest.raises(UsageError, match=r"needs? 256 vectors to train, got 36"):
        evaluate(other)
    assert only(evaluate(replace(other, kinds=("sq8",)))).codec_training == ""  # learns nothing from anybody


@pytest.mark.parametrize(
    "change, what",
    [
        ({"encoders": ("nobody",)}, "no model named"),
        ({"encoders": ("dlib-resnet", "dlib-resnet:fp32@onnx")}, "given twice"),
        ({"encoders": ("dlib-resnet:int8",)}, "encoders quantize"),
        ({"kinds": ("flat", "flat")}, "given twice"),
        ({"kinds": ("pq7",)}, "pq7 does not fit"),
        ({"kinds": ("best",)}, "unknown index kind"),
        ({"protocol": "best"}, "no protocol"),
        ({"protocol": "cross-precision"}, "needs FP32 and another precision"),
        ({"aligned": "arcface"}, "dlib-chip crops, not arcface"),
        ({"aligned": "square"}, "no kind of crop"),
        ({"layout": "lfw"}, "no layout"),
        ({"pairs": Path("pairs.txt")}, "goes with --protocol pairs"),
        ({"limit": 0}, "--limit is 0"),
        ({"min_images": 9}, "no identity has 9 images"),
        ({"codec_training": Path("missing"), "kinds": ("tcq16",)}, "no such folder"),
    ],
)
def test_what_cannot_be_evaluated_is_told_in_one_line(
    people_photos: Path, change: dict[str, object], what: str
) -> None:
    with pytest.raises(FacesearchError, match=what) as error:
        evaluate(replace(request(people_photos), **change))  # type: ignore[arg-type]
    assert "\n" not in str(error.value)


def test_a_run_of_the_matrix_survives_being_stored(people_photos: Path) -> None:
    run = evaluate(request(people_photos, protocol="open-set"))
    assert Run.from_json(run.to_json()) == run
    assert json.loads(run.to_json())["dataset"]["sha256"] == run.dataset.sha256


def test_edgeface_or_the_default_on_real_photos_equals_brute_force(lfw: Path, tmp_path: Path) -> None:
    """Six people of LFW with several photos each."""
    import shutil

    folder = tmp_path / "lfw"
    chosen = [person for person in sorted(lfw.iterdir()) if person.is_dir() and 3 <= len(list(person.iterdir())) <= 5]
    for person in chosen[:12]:
        shutil.copytree(person, folder / person.name)
    row = only(evaluate(request(folder)))
    pipeline = Pipeline(load_encoder(), threads=1)
    names, found = [], []
    for path in sorted(folder.glob("*/*.jpg")):
        names.append(path.parent.name)
        try:
            found.append(pipeline.prominent(load_image(path)).template)
        except RejectedImageError:
            found.append(np.zeros(128, np.float32))
    x = np.stack(found)
    right = [names[nearest_other(x, x, probe)] == names[probe] and x[probe].any() for probe in range(len(x))]
    assert row.top1 == pytest.approx(np.mean(right))
    assert np.mean(right) >= 0.8
