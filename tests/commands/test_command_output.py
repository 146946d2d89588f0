"""What scripts rely on: JSON documents with the agreed keys, and exit statuses."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from command_line import Command, Outcome
from PIL import Image

from facesearch import Gallery
from facesearch.workshop.sample_people import draw_people, group_photo

ROOT = Path(__file__).parents[2]


def _document(outcome: Outcome) -> dict[str, Any]:
    """The one JSON document on standard output; nothing else may be there."""
    document = json.loads(outcome.out)
    assert isinstance(document, dict)
    return document


def _has(document: dict[str, Any], keys: dict[str, type | tuple[type, ...]]) -> None:
    for key, kind in keys.items():
        assert isinstance(document[key], kind), key
        assert isinstance(document[key], bool) == (kind is bool), key


# enroll


def test_enroll_reports_what_it_did(facesearch: Command, people_photos: Path, people: list[Path]) -> None:
    outcome = facesearch("enroll", people_photos, "--json")
    assert (outcome.status, outcome.err) == (0, "")
    report = _document(outcome)
    _has(report, {"identities": int, "templates": int, "skipped": int, "rejected": list, "images_per_second": float})
    assert (report["identities"], report["templates"], report["skipped"]) == (len(people), 3 * len(people), 0)
    again = _document(facesearch("enroll", people_photos, "--json"))
    assert (again["identities"], again["templates"], again["skipped"]) == (0, 0, 3 * len(people))


def test_enroll_with_rejected_photos_ends_with_status_3_and_gives_the_reasons(
    facesearch: Command, people: list[Path], tmp_path: Path, wall: Path
) -> None:
    shutil.copytree(people[0], tmp_path / "people" / "Ann")
    shutil.copy(wall, tmp_path / "people" / "Ann")
    shutil.copy(wall, tmp_path / "people" / "stray.png")
    outcome = facesearch("enroll", tmp_path / "people", "--json")
    assert outcome.status == 3
    report = _document(outcome)
    assert report["templates"] == 3
    assert all(rejected.keys() == {"path", "reason", "reasons"} for rejected in report["rejected"])
    reasons = {Path(rejected["path"]).name: rejected["reason"] for rejected in report["rejected"]}
    assert reasons["wall.png"] == "no face found"
    assert "--identity NAME" in reasons["stray.png"]
    shown = facesearch("enroll", tmp_path / "people", "-v")
    assert shown.status == 3
    assert "rejected" in shown.out
    assert "no face found" in shown.out


def test_enroll_lists_ten_rejected_photos_and_all_where_more_is_asked_for(facesearch: Command, tmp_path: Path) -> None:
    (tmp_path / "Ann").mkdir()
    for number in range(12):
        (tmp_path / "Ann" / f"{number}.jpg").touch()
    shown = facesearch("enroll", tmp_path)
    assert shown.out.count("empty file") == 10
    assert "rejected 2 more; -v lists them all" in shown.out
    assert facesearch("enroll", tmp_path, "-v").out.count("empty file") == 12


def test_enroll_takes_files_of_one_person_and_lists(facesearch: Command, people: list[Path], tmp_path: Path) -> None:
    photos = sorted(people[0].iterdir())
    report = _document(facesearch("enroll", "--identity", "Zoë", *photos[:2], "--json"))
    assert (report["identities"], report["templates"]) == (1, 2)
    manifest = tmp_path / "people.csv"
    manifest.write_text(f"identity,path\nZoë,{photos[2]}\nZoë,{tmp_path / 'missing.jpg'}\n", encoding="utf-8-sig")
    outcome = facesearch("enroll", "--manifest", manifest, "--json")
    assert outcome.status == 3
    assert _document(outcome)["templates"] == 1
    names = _document(facesearch("identities", "list", "--json"))["identities"]
    assert [(person["name"], person["templates"]) for person in names] == [("Zoë", 3)]


def test_enroll_names_confirmed_photos_where_more_is_asked_for(facesearch: Command, people: list[Path]) -> None:
    photos = sorted(people[0].iterdir())
    outcome = facesearch("enroll", "--identity", "Ann", *photos, "-v", "--json")
    assert outcome.err.splitlines() == [f"enrolled {photo}" for photo in photos]
    assert _document(outcome)["templates"] == 3


# query


def test_query_names_people_with_all_agreed_keys(facesearch: Command, gallery: Path, people: list[Path]) -> None:
    probes = [sorted(person.iterdir())[2] for person in people]
    outcome = facesearch("query", *probes, "--json")
    assert (outcome.status, outcome.err) == (0, "")
    answer = _document(outcome)
    assert answer["timing_ms"].keys() >= {"detect", "encode", "search"}
    assert all(isinstance(spent, float) for spent in answer["timing_ms"].values())
    assert [probe["path"] for probe in answer["probes"]] == [str(path) for path in probes]
    for person, probe in zip(people, answer["probes"], strict=True):
        (face,) = probe["faces"]
        _has(face, {"box": list, "decision": str, "threshold": float, "candidates": list})
        assert len(face["box"]) == 4
        assert len(face["candidates"]) == 5
        for rank, candidate in enumerate(face["candidates"], start=1):
            assert candidate.keys() == {"rank", "identity", "similarity", "score", "template_id"}
            _has(candidate, {"rank": int, "identity": str, "template_id": int, "similarity": float, "score": float})
            assert candidate["rank"] == rank
            assert -1 <= candidate["similarity"] <= 1
            assert candidate["score"] <= candidate["similarity"]
        best = face["candidates"][0]
        assert best["identity"] == person.name
        assert face["decision"] == ("match" if best["score"] >= face["threshold"] else "unknown")


def test_query_answers_the_good_photos_where_one_is_bad_and_ends_with_status_3(
    facesearch: Command, gallery: Path, people: list[Path], wall: Path, tmp_path: Path
) -> None:
    first, last = sorted(people[0].iterdir())[2], sorted(people[1].iterdir())[2]
    outcome = facesearch("query", first, wall, tmp_path / "missing.jpg", last, "--json")
    assert outcome.status == 3
    answer = _document(outcome)
    assert [len(probe["faces"]) for probe in answer["probes"]] == [1, 0, 0, 1]
    assert [item["reason"] for item in answer["rejected"]] == ["no face found", "no such file"]
    shown = facesearch("query", first, wall)
    assert shown.status == 3
    assert people[0].name in shown.out
    assert f"rejected {wall}: no face found" in shown.out


def test_query_returns_as_many_candidates_as_asked_for(facesearch: Command, gallery: Path, people: list[Path]) -> None:
    probe = sorted(people[0].iterdir())[2]
    for k, expected in ((1, 1), (3, 3), (100, len(people))):
        (face,) = _document(facesearch("query", probe, "-k", k, "--json"))["probes"][0]["faces"]
        assert len({candidate["identity"] for candidate in face["candidates"]}) == expected
    assert facesearch("query", probe, "-k", 0).status == 2


def test_query_decides_by_the_threshold_given(facesearch: Command, gallery: Path, people: list[Path]) -> None:
    probe = sorted(people[0].iterdir())[2]
    for threshold, decision in ((1.0, "unknown"), (-1.0, "match")):
        (face,) = _document(facesearch("query", probe, "--threshold", threshold, "--json"))["probes"][0]["faces"]
        assert (face["threshold"], face["decision"]) == (threshold, decision)
    assert "unknown" in facesearch("query", probe, "--threshold", 1).out
    assert facesearch("query", probe, "--threshold", 1.5).status == 2


def test_query_decides_by_the_score_given(facesearch: Command, gallery: Path, people: list[Path]) -> None:
    probe = sorted(people[0].iterdir())[2]
    assert facesearch("gallery", "set", "--threshold", 0.2).status == 0
    with Gallery.open(gallery) as opened:
        opened.set_cohort(
            np.stack([opened.template(sorted(person.iterdir())[1]) for person in people[:1] * 5]), "alike"
        )
    answers = {}
    for score in ("cosine", "normalised"):
        (answers[score],) = _document(facesearch("query", probe, "--score", score, "--json"))["probes"][0]["faces"]
    (own,) = _document(facesearch("query", probe, "--json"))["probes"][0]["faces"]
    assert own == answers["normalised"]
    assert (own["threshold"], answers["cosine"]["threshold"]) == (0.2, 0.49)
    assert all(each["score"] == each["similarity"] for each in answers["cosine"]["candidates"])
    assert own["candidates"][0]["score"] < own["candidates"][0]["similarity"]
    shown = facesearch("query", probe, "--score", "cosine").out.splitlines()
    assert shown[1].split() == ["rank", "score", "similarity", "identity"]
    assert shown[2].split()[1] == shown[2].split()[2]


def test_query_answers_for_everybody_in_a_group_photo_where_asked_to(
    facesearch: Command, gallery: Path, tmp_path: Path
) -> None:
    people = draw_people(2)
    Image.fromarray(group_photo(people)).save(tmp_path / "group.png")
    (one,) = _document(facesearch("query", tmp_path / "group.png", "--json"))["probes"]
    assert len(one["faces"]) == 1
    (both,) = _document(facesearch("query", tmp_path / "group.png", "--all-faces", "--json"))["probes"]
    assert {face["candidates"][0]["identity"] for face in both["faces"]} == {person.identity for person in people}
    assert "face 2 of 2" in facesearch("query", tmp_path / "group.png", "--all-faces").out


def test_query_of_aligned_crops_detects_nothing(facesearch: Command, gallery: Path, tmp_path: Path) -> None:
    Image.effect_noise((112, 112), 60).convert("RGB").save(tmp_path / "crop.png")
    Image.effect_noise((112, 100), 60).convert("RGB").save(tmp_path / "wide.png")
    outcome = facesearch("query", tmp_path / "crop.png", tmp_path / "wide.png", "--aligned", "arcface", "--json")
    assert outcome.status == 3
    answer = _document(outcome)
    assert answer["probes"][0]["faces"][0]["box"] is None
    assert "square" in answer["rejected"][0]["reason"]


# verify


def test_verify_compares_two_photos(facesearch: Command, gallery: Path, people: list[Path]) -> None:
    first, second = (sorted(person.iterdir()) for person in people[:2])
    same = _document(facesearch("verify", first[0], first[1], "--json"))
    assert same.keys() == {"similarity", "score", "threshold", "same", "faces"}
    _has(same, {"similarity": float, "score": float, "threshold": float, "same": bool})
    assert same["same"] == (same["score"] >= same["threshold"])
    assert same["score"] <= same["similarity"]
    plain = _document(facesearch("verify", first[0], first[1], "--score", "cosine", "--json"))
    assert plain["score"] == plain["similarity"] == pytest.approx(same["similarity"])
    assert same["similarity"] > _document(facesearch("verify", first[0], second[0], "--json"))["similarity"]
    assert _document(facesearch("verify", first[0], second[0], "--threshold", -1, "--json"))["same"] is True
    shown = facesearch("verify", first[0], first[0])
    assert shown.out.startswith("the same person: score ")
    assert ", similarity 1.0000, threshold " in shown.out
    assert facesearch("verify", first[0], second[0], "--threshold", 1).out.startswith("not the same person")


def test_verify_needs_no_gallery_and_makes_none(
    facesearch: Command, people: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FACESEARCH_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("FACESEARCH_GALLERY", str(tmp_path / "home" / "gallery"))
    photos = sorted(people[0].iterdir())
    for score in ((), ("--score", "cosine")):
        done = _document(facesearch("verify", photos[0], photos[1], *score, "--json"))
        assert done["score"] == done["similarity"]
    assert facesearch("verify", photos[0], photos[1]).status == 0
    assert list(tmp_path.iterdir()) == []


def test_verify_uses_the_threshold_of_the_gallery_where_there_is_one(
    facesearch: Command, gallery: Path, people: list[Path]
) -> None:
    from facesearch import Gallery

    with Gallery.open(gallery) as opened:
        opened.set_threshold(0.123)
    photos = sorted(people[0].iterdir())
    assert _document(facesearch("verify", photos[0], photos[1], "--json"))["threshold"] == 0.123


def test_verify_names_the_photo_that_cannot_be_used(facesearch: Command, people: list[Path], wall: Path) -> None:
    outcome = facesearch("verify", sorted(people[0].iterdir())[0], wall)
    assert (outcome.status, outcome.out) == (1, "")
    assert outcome.err == f"error: {wall}: no face found\n"


# identities


def test_identities_are_listed_shown_renamed_merged_and_forgotten(
    facesearch: Command, gallery: Path, people: list[Path]
) -> None:
    first, second, third = (person.name for person in people[:3])
    listed = _document(facesearch("identities", "list", "--json"))["identities"]
    assert [person["name"] for person in listed] == [person.name for person in people]
    assert all(person["templates"] == person["images"] == 2 for person in listed)
    shown = _document(facesearch("identities", "show", first, "--json"))
    assert shown["name"] == first
    assert [Path(template["path"]).parent.name for template in shown["templates"]] == [first, first]

    renamed = _document(facesearch("identities", "rename", first, "Zoë", "--json"))
    assert renamed == {"renamed": first, "to": "Zoë", "paths_with_old_name": 2}
    merged = _document(facesearch("identities", "merge", second, "Zoë", "--json"))
    assert merged == {"merged": second, "into": "Zoë", "templates": 2, "template_ids": {second: [3, 4]}}
    receipt = _document(facesearch("identities", "forget", "Zoë", "--json"))
    assert receipt.items() >= {"identity": "Zoë", "templates": 4, "images": 4, "database_wiped": True}.items()
    assert receipt["index_rewritten"] is True
    assert len(_document(facesearch("identities", "list", "--json"))["identities"]) == len(people) - 2

    assert "forgot" in (told := facesearch("identities", "forget", third).out)
    assert "2 templates and 2 image records deleted" in told
    told = facesearch("identities", "rename", people[3].name, "Bob").out
    assert told.startswith(f"renamed {people[3].name} to Bob\n  2 photos keep their paths")
    merged_too = facesearch("identities", "merge", people[4].name, "Bob")
    back = f"facesearch templates move 9 10 --to {people[4].name}"
    assert merged_too.out.endswith(f"2 templates moved\n  {back} undoes it\n")
    assert merged_too.err.startswith(f"warning: {people[4].name} and Bob do not look alike (similarity ")
    assert merged_too.err.endswith(f": if they are two people, {back}\n") and merged_too.err.count("\n") == 1
    assert facesearch(*back.split()[1:]).status == 0  # as it was
    assert "Bob: 2 templates" in facesearch("identities", "show", "Bob").out
    assert facesearch("identities", "merge", people[4].name, "Bob").status == 0
    assert "Bob: 4 templates" in facesearch("identities", "show", "Bob").out
    assert f"{len(people) - 4} people" in facesearch("identities", "list").out


# index and gallery


def test_gallery_info_counts_bytes_as_they_are_on_disk(facesearch: Command, gallery: Path, people: list[Path]) -> None:
    info = _document(facesearch("gallery", "info", "--json"))
    keys: dict[str, type | tuple[type, ...]] = {"encoder": str, "index": str, "identities": int, "templates": int}
    _has(info, keys | {"database_bytes": int, "index_bytes": int})
    assert (info["encoder"], info["index"]) == ("mobilefacenet:fp32@onnx", "flat")
    assert (info["score"], info["cohort"]) == ("normalised", 0)
    assert (info["identities"], info["templates"]) == (len(people), 2 * len(people))
    assert info["database_bytes"] == (gallery / "gallery.db").stat().st_size
    assert info["index_bytes"] == next(gallery.glob("index-*.faiss")).stat().st_size
    shown = facesearch("gallery", "info", "--gallery", gallery).out
    assert "mobilefacenet:fp32@onnx" in shown
    assert f"{2 * len(people)} templates" in shown
    assert "threshold  0.490, the default of the encoder\ndecides    by normalised scores\n" in shown


def test_an_index_is_shown_switched_checked_damaged_and_repaired(facesearch: Command, gallery: Path) -> None:
    assert _document(facesearch("index", "show", "--json"))["answering"] == "flat"
    built = _document(facesearch("index", "build", "--kind", "sq8", "--json"))
    assert (built["index"], built["codec"]) == ("sq8", "int8")
    assert "sq8" in facesearch("index", "show").out
    assert _document(facesearch("index", "check", "--json")) == {"ok": True, "problems": []}

    file = next(gallery.glob("index-*.faiss"))
    os.truncate(file, 100)
    checked = facesearch("index", "check", "--json")
    assert checked.status == 1
    assert len(_document(checked)["problems"]) == 1
    told = facesearch("index", "check")
    assert (told.status, "facesearch index build" in told.out) == (1, True)
    queried = facesearch("index", "show")
    assert queried.err.startswith("warning: ")
    assert len(queried.err.splitlines()) == 1
    assert facesearch("index", "build").status == 0
    assert facesearch("index", "check").out == "database and index are sound and agree\n"
    assert "stored as fp32 now (before: int8)" in facesearch("index", "build", "--kind", "flat").out


def test_index_show_says_that_another_kind_answers_while_there_are_too_few_templates(
    facesearch: Command, people_photos: Path
) -> None:
    assert facesearch("enroll", people_photos, "--index", "pq16").status == 0
    shown = _document(facesearch("index", "show", "--json"))
    assert (shown["index"], shown["answering"], shown["file"]) == ("pq16", "flat", None)
    assert "too few templates for pq16: an exact flat index answers" in facesearch("index", "show").out
    refused = facesearch("index", "build")
    assert refused.status == 1
    assert refused.err.startswith("error: index pq16 needs at least 256 templates, this gallery has 36")
    assert len(refused.err.splitlines()) == 1


def test_index_show_counts_changes_that_are_replayed(facesearch: Command, gallery: Path) -> None:
    from facesearch.store import open_store

    with open_store(gallery) as store:
        store.identities.forget([store.identities.all()[0].name])
    assert _document(facesearch("index", "show", "--json"))["replayed"] == 2
    assert "2 changes since the file was written" in facesearch("index", "show").out


# names that outputs cannot show


def _program(*words: str | bytes | Path, **environment: str) -> subprocess.CompletedProcess[bytes]:
    arguments = [sys.executable, "-m", "facesearch", *words]
    return subprocess.run(arguments, cwd=ROOT, capture_output=True, check=False, env={**os.environ, **environment})


@pytest.mark.skipif(sys.platform != "linux", reason="file names are bytes on Linux only")
def test_a_file_name_that_is_not_utf_8_is_printed_escaped(gallery: Path, people: list[Path], tmp_path: Path) -> None:
    odd = os.fsencode(tmp_path) + b"/caf\xe9.jpg"
    shutil.copyfile(sorted(people[0].iterdir())[2], odd)
    done = _program("query", odd, "--json")
    assert (done.returncode, done.stderr) == (0, b"")
    assert os.fsencode(json.loads(done.stdout)["probes"][0]["path"]) == odd
    assert b"caf\\udce9.jpg" in _program("query", odd).stdout
    done = _program("enroll", "--identity", "Ann", odd, os.fsencode(tmp_path) + b"/\xff.jpg", "-v")
    assert done.returncode == 3
    assert b"Traceback" not in done.stderr
    assert b"enrolled" in done.stderr


def test_json_is_whole_where_the_output_is_not_utf_8(gallery: Path, people: list[Path]) -> None:
    assert _program("identities", "rename", people[0].name, "Zoë 李").returncode == 0
    for encoding in ("ascii", "latin-1"):
        done = _program("identities", "list", "--json", PYTHONIOENCODING=encoding)
        names = {person["name"] for person in json.loads(done.stdout)["identities"]}
        assert "Zoë 李" in names
    shown = _program("identities", "list", PYTHONIOENCODING="ascii")
    assert (shown.returncode, shown.stderr) == (0, b"")
    assert b"Zo\\xeb \\u674e" in shown.stdout
