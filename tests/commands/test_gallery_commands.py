"""facesearch gallery backup, restore and compact."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from command_line import Command, Outcome


def _document(outcome: Outcome) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(outcome.out)
    return document


def test_a_gallery_is_backed_up_restored_and_compacted(facesearch: Command, gallery: Path, tmp_path: Path) -> None:
    before = _document(facesearch("gallery", "info", "--json"))
    made = _document(facesearch("gallery", "backup", tmp_path / "b.zip", "--json"))
    assert made["templates"] == before["templates"]
    assert made["bytes"] == (tmp_path / "b.zip").stat().st_size
    assert facesearch("gallery", "backup", tmp_path / "b.zip").status == 2
    assert "backed up" in facesearch("gallery", "backup", tmp_path / "b.zip", "--force").out
    somebody = _document(facesearch("identities", "list", "--json"))["identities"][0]["name"]
    forgotten = facesearch("identities", "forget", somebody)
    assert "backups that still hold them were made on" in forgotten.out
    compacted = _document(facesearch("gallery", "compact", "--json"))
    assert compacted["wiped"] is True
    assert compacted["freed_bytes"] == compacted["before_bytes"] - compacted["after_bytes"]
    assert "on disk" in facesearch("gallery", "compact").out
    refused = facesearch("gallery", "restore", tmp_path / "b.zip")
    assert (refused.status, refused.out) == (2, "")
    back = _document(facesearch("gallery", "restore", tmp_path / "b.zip", "--replace", "--json"))
    assert back["templates"] == before["templates"]
    assert len(back["returned"]) == 1
    assert back["knows_forgotten"] is True
    restored = facesearch("gallery", "restore", tmp_path / "b.zip", "--gallery", tmp_path / "new")
    assert restored.status == 0
    assert "whoever was forgotten since then is back, and cannot be named here: forget them again" in restored.out
    assert facesearch("index", "check", "--gallery", tmp_path / "new").status == 0
    damaged = (tmp_path / "b.zip").read_bytes()[:-1]
    (tmp_path / "c.zip").write_bytes(damaged)
    refused = facesearch("gallery", "restore", tmp_path / "c.zip", "--gallery", tmp_path / "other")
    assert refused.status == 1
    assert refused.err.startswith("error: ")
    assert refused.err.count("\n") == 1


def test_how_a_gallery_decides_is_set(facesearch: Command, gallery: Path) -> None:
    steps = (
        (("--threshold", 0.55), 0.55, "normalised"),
        (("--score", "normalised"), 0.55, "normalised"),
        (("--score", "cosine"), 0.49, "cosine"),
        (("--score", "normalised", "--threshold", 0.4), 0.4, "normalised"),
        (("--default",), 0.49, "normalised"),
        (("--score", "cosine", "--threshold", -1), -1.0, "cosine"),
        (("--score", "normalised", "--default"), 0.49, "normalised"),
    )
    for options, threshold, score in steps:
        done = facesearch("gallery", "set", *options, "--json")
        assert (done.status, done.err) == (0, "")
        source = "encoder" if threshold == 0.49 else "set"
        assert done.json == {"threshold": threshold, "threshold_from": source, "score": score}
        info = _document(facesearch("gallery", "info", "--json"))
        assert (info["threshold"], info["threshold_from"], info["score"]) == (threshold, source, score)
    shown = "threshold  0.490, the default of the encoder\ndecides    by the similarity (cosine)\n"
    assert facesearch("gallery", "set", "--score", "cosine").out == shown
    assert shown in facesearch("gallery", "info").out
    assert "threshold  0.500, set by hand\n" in facesearch("gallery", "set", "--threshold", 0.5).out


def test_what_cannot_be_set_changes_nothing(facesearch: Command, gallery: Path) -> None:
    assert facesearch("gallery", "set", "--threshold", 0.55).status == 0
    before = _document(facesearch("gallery", "info", "--json"))
    for options in (("--score", "loud", "--default"), ("--score", "cosine", "--threshold", 2), ("--threshold", "high")):
        assert facesearch("gallery", "set", *options).status == 2
    assert _document(facesearch("gallery", "info", "--json")) == before


@pytest.mark.parametrize("suffix", ["parquet", "csv", "npz"])
def test_templates_are_exported_and_imported(
    suffix: str, facesearch: Command, gallery: Path, people: list[Path], tmp_path: Path
) -> None:
    file = tmp_path / f"x.{suffix}"
    made = _document(facesearch("gallery", "export", file, "--json"))
    assert made["bytes"] == file.stat().st_size
    assert facesearch("gallery", "export", file).status == 2
    assert "biometric data" in facesearch("gallery", "export", file, "--force").out
    new = ("--gallery", tmp_path / "new")
    came = _document(facesearch("gallery", "import", file, *new, "--json"))
    assert came["templates"] == came["gallery"]["templates"] == made["templates"]
    assert "imported 0 templates" in facesearch("gallery", "import", file, *new).out
    probe = sorted(people[0].iterdir())[-1]
    before, after = (facesearch("query", probe, "--json", *where).json["probes"] for where in ((), new))
    assert before == after
    assert (
        "exports that may hold their templates were made on"
        in facesearch("identities", "forget", people[0].name, "--yes").out
    )
    refused = facesearch("gallery", "import", file)
    assert refused.status == 3
    assert "who was forgotten" in refused.out
    assert facesearch("gallery", "import", file, "--again").status == 0


def test_a_wrong_file_starts_no_gallery(facesearch: Command, tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_text("identity,encoder,template\nAnn,mobilefacenet,\n")
    for file in ("x.csv", "missing.csv"):
        refused = facesearch("gallery", "import", tmp_path / file, "--gallery", tmp_path / "new")
        assert refused.status == 2
        assert refused.err.count("\n") == 1
    assert not (tmp_path / "new").exists()


def test_a_new_gallery_is_of_the_encoder_of_the_file(facesearch: Command, tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_text(f'identity,encoder,template\nAnn,dlib-resnet,"{[1.0] + [0.0] * 127}"\n')
    assert facesearch("gallery", "import", tmp_path / "x.csv", "--gallery", tmp_path / "new").status == 0
    assert "dlib-resnet:fp32@onnx" in facesearch("gallery", "info", "--gallery", tmp_path / "new").out
