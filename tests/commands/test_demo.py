"""The demo, once, with as few people as it takes."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from command_line import Command
from evaluation.run_samples import full_row, full_run
from PIL import Image

from facesearch import Gallery
from facesearch.demo.main_job import DemoResult, KindRow, run_demo
from facesearch.errors import UsageError

LEAST = 86


def test_the_demo_enrols_asks_measures_and_draws(facesearch: Command, tmp_path: Path) -> None:
    folder = tmp_path / "demo"
    outcome = facesearch("demo", "--folder", folder, "--people", LEAST, "--json")
    assert (outcome.status, outcome.err) == (0, "")
    result = json.loads(outcome.out)
    counts = ("identities", "templates", "probes", "found_first", "matched", "strangers", "strangers_unknown")
    assert all(isinstance(result[name], int) for name in counts)
    assert (result["folder"], result["identities"]) == (str(folder), LEAST)
    assert result["templates"] > 2.8 * LEAST
    assert result["images_per_second"] > 0
    assert -1 <= result["threshold"] <= 1
    assert result["matched"] <= result["found_first"] <= result["probes"] <= LEAST
    assert result["found_first"] > 0.9 * result["probes"]
    assert result["strangers_unknown"] > 0.8 * result["strangers"]
    assert [row["index"] for row in result["kinds"]] == ["flat", "sq8", "pq16"]
    assert [row["codec"] for row in result["kinds"]] == ["fp32", "int8", "pq16@1"]
    assert result["kinds"][0]["index_bytes"] > result["kinds"][1]["index_bytes"]
    assert result["kinds"][0]["database_bytes"] > result["kinds"][1]["database_bytes"]
    assert all(0.8 < row["top1"] <= 1 for row in result["kinds"])
    with Image.open(result["contact_sheet"]) as sheet:
        sheet.load()
        assert sheet.format == "PNG"
        assert min(sheet.size) > 500
    assert facesearch("index", "check", "--gallery", folder / "gallery").status == 0
    assert [row["index"] for row in result["evaluation"]["rows"]] == ["flat", "sq8", "pq16"]
    assert result["evaluation"]["rows"][0]["top1"] > 0.9
    assert Path(result["report"]).read_text(encoding="utf-8").startswith("<!doctype html>")
    strangers = sorted((folder / "strangers").glob("*/*.jpg"))
    asked = json.loads(facesearch("query", *strangers, "--gallery", folder / "gallery", "--json").out)
    named = sum(face["decision"] == "match" for probe in asked["probes"] for face in probe["faces"])
    assert named == result["strangers"] - result["strangers_unknown"]  # the gallery decides as the demo did
    reported = facesearch("report", "--json")
    assert [row["top1"] for row in json.loads(reported.out)["rows"]] == [
        row["top1"] for row in result["evaluation"]["rows"]
    ]


def test_the_demo_tells_people_what_it_saw_and_what_to_try_next(
    facesearch: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    result = DemoResult(
        folder=tmp_path,
        gallery=f"{tmp_path}/gallery",
        contact_sheet=tmp_path / "contact-sheet.png",
        people=90,
        templates=269,
        images_per_second=55.4,
        threshold=0.951,
        probes=88,
        found=87,
        matched=80,
        strangers=30,
        unknown=29,
        kinds=(KindRow("flat", "fp32", 300_000, 140_000, 0.989), KindRow("sq8", "int8", 200_000, 40_000, 0.977)),
        run=full_run("20261124T010203Z-0123abcd", replace(full_row(), probes=270, top1=0.985, index="flat")),
        report=tmp_path / "report.html",
    )

    def instead(folder: Path, gallery: Path | None, **options: object) -> DemoResult:
        options["step"]("drawing")  # type: ignore[operator]
        return result

    monkeypatch.setattr("facesearch.demo.main_job.run_demo", instead)
    outcome = facesearch("demo", "--folder", tmp_path)
    assert (outcome.status, outcome.err) == (0, "drawing …\n")
    assert f"--gallery {tmp_path}/gallery\n" in outcome.out
    for part in ("269 photos of 90 people, 55 per second", "87 have the right person first", "threshold 0.951"):
        assert part in outcome.out
    assert "29 answered with unknown" in outcome.out
    assert "contact-sheet.png" in outcome.out
    assert "270 photos, each against all others: top-1 0.985, with flat" in outcome.out
    assert "report.html" in outcome.out
    assert "234.4 KB" in outcome.out
    assert f"facesearch query {tmp_path}/strangers" in outcome.out


def test_the_demo_writes_over_nothing_but_itself(tmp_path: Path) -> None:
    (tmp_path / "gallery").mkdir()
    (tmp_path / "gallery" / "precious.txt").touch()
    with pytest.raises(UsageError, match="is not empty and not a demo's: name another folder with --folder"):
        run_demo(tmp_path, people=LEAST, step=print, progress=lambda done, total: None)
    assert (tmp_path / "gallery" / "precious.txt").exists()


def test_fewer_people_than_the_smallest_index_needs_are_refused(facesearch: Command, tmp_path: Path) -> None:
    outcome = facesearch("demo", "--folder", tmp_path / "demo", "--people", LEAST - 1)
    assert (outcome.status, len(outcome.err.splitlines())) == (2, 1)
    assert not (tmp_path / "demo").exists()


@pytest.mark.slow
def test_the_demo_runs_with_a_gallery_on_a_server_and_leaves_other_people_alone(
    facesearch: Command, tmp_path: Path, gallery_url: str
) -> None:
    asked = ("demo", "--folder", tmp_path / "demo", "--people", LEAST, "--json", "--gallery", gallery_url)
    first = facesearch(*asked).json
    assert (first["identities"], first["templates"]) == (LEAST, 3 * LEAST)
    assert first["found_first"] > 0.9 * first["probes"]
    assert [row["index"] for row in first["kinds"]] == ["flat", "sq8", "pq16"]
    assert not (tmp_path / "demo" / "gallery").exists()
    photo = next((tmp_path / "demo" / "people").glob("*/*"))
    with Gallery.open(gallery_url) as gallery:
        gallery.rename(photo.parent.name, "Ada")
    refused = facesearch(*asked)
    assert refused.status == 2 and "the gallery holds other people: give the demo one of its own" in refused.err
