from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from command_line import Command

from facesearch.evaluation.results import find_run, load_run


def test_evaluate_prints_the_matrix_and_keeps_the_run(facesearch: Command, people_photos: Path) -> None:
    done = facesearch("evaluate", people_photos, "--index", "flat", "--index", "sq8", "--json")
    assert done.status == 0
    answer = json.loads(done.out)
    assert [row["index"] for row in answer["rows"]] == ["flat", "sq8"]
    for row in answer["rows"]:
        assert row["encoder"] == "mobilefacenet:fp32@onnx"
        assert row["protocol"] == "leave-one-out"
        assert row["images"] == row["probes"] == 36
        assert 0 <= row["top1_ci"][0] <= row["top1"] <= row["top1_ci"][1] <= 1
        assert row["encode_ms"] > 0
        assert row["search_ms"] > 0
        assert row["encoder_bytes"] > 2_000_000
        assert row["storage_saving"] == pytest.approx(1 - row["bytes_per_template"] / (4 * 192))
    kept = load_run(Path(answer["stored"]))
    assert kept == find_run("latest")
    assert kept.command.startswith("facesearch evaluate ")
    again = facesearch("evaluate", people_photos, "--protocol", "open-set")  # encoders are not timed again
    assert again.status == 0
    assert "18 searches of strangers" in again.out
    assert "FNIR@0.01 %" in again.out


def test_false_matches_are_told_by_groups(facesearch: Command, people_photos: Path, tmp_path: Path) -> None:
    photos = sorted(people_photos.glob("*/*_0001.jpg"))
    strangers = tmp_path / "strangers"
    strangers.mkdir()
    for number, photo in enumerate(photos):
        shutil.copyfile(photo, strangers / f"{20 + number}_{number % 2}_0_201701091505573{number:02d}.jpg")
    asked = ("evaluate", strangers, "--protocol", "false-match", "--layout", "photos")
    done = facesearch(*asked, "--json", "--no-store")
    assert done.status == 0, done.err
    (row,) = json.loads(done.out)["rows"]
    assert row["top1"] is None
    groups = {(group["label"], group["value"]): group for group in row["groups"]}
    assert {label for label, _ in groups} == {"all", "age", "sex", "origin"}
    assert groups["all", ""]["pairs"] == len(photos) * (len(photos) - 1) // 2
    for group in groups.values():
        assert 0 <= group["fmr_normalised"] <= group["fmr"] <= 1
    listing = tmp_path / "teams.csv"
    listing.write_text("path,team\n" + "".join(f"{path.name},red\n" for path in list(strangers.iterdir())[:4]))
    shown = facesearch(*asked, "--groups", listing)
    assert shown.status == 0, shown.err
    assert "false matches by group" in shown.out
    lines = [line.split() for line in shown.out.splitlines()]
    (red,) = (line for line in lines if line[2:4] == ["team", "red"])
    assert red[4:6] == ["4", "6"]  # photos and pairs
    refused = facesearch("evaluate", people_photos, "--groups", listing)
    assert (refused.status, "--groups goes with --protocol false-match" in refused.err) == (2, True)


def test_pairs_are_evaluated_from_a_list(facesearch: Command, people_photos: Path, tmp_path: Path) -> None:
    first, second = sorted(people_photos.iterdir())[:2]
    rows = ["a,b,same"]
    for one, other, same in (
        (first, first, "yes"),
        (first, second, "no"),
        (second, second, "yes"),
        (second, first, "no"),
    ):
        names = [f"{one.name}/{one.name}_0001.jpg", f"{other.name}/{other.name}_0002.jpg"]
        rows.append(",".join([*names, same]))
    listing = tmp_path / "pairs.csv"
    listing.write_text("\n".join(rows))
    done = facesearch("evaluate", people_photos, "--protocol", "pairs", "--pairs", listing, "--json", "--no-store")
    assert done.status == 0, done.err
    (row,) = json.loads(done.out)["rows"]
    assert 0 <= row["accuracy"] <= 1
    assert row["tar_at_far"]["0.1"] is None  # two impostors show no tenth
    assert row["probes"] == 4


@pytest.mark.parametrize(
    "words, status, what",
    [
        (("missing",), 2, "no such folder"),
        (("{people}", "--protocol", "best"), 2, "no protocol"),
        (("{people}", "--encoder", "dlib-resnet:int8"), 2, "encoders quantize"),
        (("{people}", "--index", "pq7"), 2, "does not fit"),
        (("{people}", "--min-images", "9"), 2, "no identity has 9 images"),
        (("{people}", "--layout", "celeba"), 2, "identity_CelebA.txt"),
        (("{people}", "--protocol", "pairs"), 2, "--pairs"),
        (("{people}", "--aligned", "dlib-chip"), 1, "not dlib-chip"),
        (("{people}", "--limit", "0"), 2, "--limit"),
    ],
)
def test_what_cannot_be_evaluated_ends_in_one_line(
    facesearch: Command, people_photos: Path, words: tuple[str, ...], status: int, what: str
) -> None:
    done = facesearch("evaluate", *(word.format(people=people_photos) for word in words), "--json")
    assert done.status == status
    assert done.err == f"error: {done.json['error']}\n"
    assert what in done.err
    assert done.err.count("\n") == 1


def test_calibrate_sets_the_threshold_and_query_warns_once_the_gallery_has_grown(
    facesearch: Command, people_photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FACESEARCH_GALLERY", str(tmp_path / "few"))
    people = sorted(people_photos.iterdir())
    for person in people[:2]:
        shutil.copytree(person, tmp_path / "known" / person.name)
    assert facesearch("enroll", tmp_path / "known").status == 0
    done = facesearch("calibrate", people_photos, "--fpir", "0.2", "--json")
    assert done.status == 0, done.err
    answer = json.loads(done.out)
    assert (answer["searches"], answer["templates"], answer["kept"]) == (30, 6, True)
    info = json.loads(facesearch("gallery", "info", "--json").out)
    assert info["threshold"] == answer["threshold"]
    photo = people[0] / f"{people[0].name}_0001.jpg"
    assert "calibrated" not in facesearch("query", photo).err
    assert facesearch("enroll", people_photos).status == 0
    assert "warning: the threshold was calibrated for an FPIR of 0.2 with 6 templates" in facesearch("query", photo).err
    refused = facesearch("calibrate", people_photos, "--fpir", "0.01")
    assert (refused.status, refused.err.count("\n")) == (2, 1)
