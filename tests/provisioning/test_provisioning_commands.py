"""facesearch encoders list, show, pull, import, remove."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from facesearch.encoders import catalog, load_encoder, registry
from facesearch.encoders.storage import models_folder, read_manifest
from facesearch.workshop import model_import

from . import web_server as web
from .small_models import user_onnx


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("no_proxy", "*")


@pytest.fixture
def onnx_file(tmp_path: Path) -> Path:
    path = tmp_path / "user.onnx"
    path.write_bytes(user_onnx())
    return path


def published(monkeypatch: pytest.MonkeyPatch, url: str, sha256: str | None) -> None:
    """Let the catalog say that EdgeFace-XXS is at `url`."""

    def changed(model: catalog.Model) -> catalog.Model:
        if model.name != "edgeface-xxs" or model.checkpoint is None:
            return model
        return replace(model, checkpoint=replace(model.checkpoint, url=url, sha256=sha256))

    entries = tuple(changed(model) for model in catalog.CATALOG)
    monkeypatch.setattr(model_import, "CATALOG", entries)
    monkeypatch.setattr(registry, "CATALOG", entries)
    monkeypatch.setattr(model_import, "download", _at_once)


def _at_once(*words: Any, **options: Any) -> Any:
    from facesearch.workshop.download import download

    return download(*words, waits=(0.0, 0.0), **options)


def in_folder() -> list[str]:
    folder = models_folder()
    return sorted(path.name for path in folder.iterdir() if path.name != ".lock") if folder.exists() else []


def test_list_shows_what_is_here_and_what_can_be_had(facesearch: Any) -> None:
    listed = facesearch("encoders", "list", "--json").json
    rows = {row["encoder"]: row for row in listed["encoders"]}
    assert rows["dlib-resnet:fp32@onnx"]["installed"] is True
    assert rows["edgeface-xs:fp32@onnx"]["installed"] is False
    assert rows["edgeface-xs:fp32@onnx"]["size_bytes"] == 4 * 1_770_492
    assert {row["commercial_use"] for row in rows.values()} == {True, False}
    models = {model["name"]: model for model in listed["models"]}
    assert models["dlib-resnet"]["precisions"] == ["fp32"]
    assert models["facenet-vggface2"]["url"].startswith("https://github.com/timesler/facenet-pytorch/")
    table = facesearch("encoders", "list").out
    assert all(name in table for name in models)


def test_show_says_how_to_get_a_model_that_is_not_here(facesearch: Any) -> None:
    shown = facesearch("encoders", "show", "edgeface-xs")
    assert "not on this machine: facesearch encoders pull edgeface-xs" in shown.out
    assert "CC BY-NC-SA 4.0; commercial use not cleared" in shown.out
    assert facesearch("encoders", "show", "edgeface-xs", "--json").json["variants"] == []
    assert "not measured for this model" not in shown.out
    assert "not measured for this model" in facesearch("encoders", "show", "edgeface-s").out


def test_import_show_list_and_remove(facesearch: Any, onnx_file: Path) -> None:
    done = facesearch("encoders", "import", onnx_file, "--family", "onnx", "--name", "mine", "--json")
    assert done.status == 0
    assert done.err.startswith("warning: mine tells synthetic people apart badly")
    assert done.json["self_test"]["passed"] is False
    assert done.json["source_sha256"] == hashlib.sha256(onnx_file.read_bytes()).hexdigest()
    assert [variant["encoder"] for variant in done.json["variants"]] == ["mine:fp32@onnx", "mine:fp32@openvino"]
    listed = facesearch("encoders", "list", "--json").json
    assert [row["installed"] for row in listed["encoders"] if row["model"] == "mine"] == [True, True]
    assert "not known; commercial use not cleared" in facesearch("encoders", "show", "mine").out
    assert facesearch("encoders", "import", onnx_file, "--family", "onnx", "--name", "mine").status == 2
    forced = facesearch("encoders", "import", onnx_file, "--family", "onnx", "--name", "mine", "--force", "-v")
    assert "mine: mine:fp32@onnx" in forced.out
    assert "converting user.onnx" in forced.err
    assert facesearch("encoders", "remove", "mine", "--json").json["freed_bytes"] > 1000
    assert in_folder() == []
    gone = facesearch("encoders", "remove", "mine")
    assert (gone.status, gone.err.splitlines()[0][:29]) == (2, "error: no model named 'mine';")


def test_threshold_and_licence_of_an_onnx_file_are_said_at_its_import(
    facesearch: Any, onnx_file: Path, checkpoint: Path
) -> None:
    own = ("encoders", "import", onnx_file, "--family", "onnx", "--name", "mine")
    onnx_file.with_name("user.onnx.json").write_text('{"colour": "bgr", "licence": "none"}')
    done = facesearch(*own, "--threshold", "0.35", "--licence", "Apache-2.0", "--commercial", "--json")
    assert done.status == 0, done.err
    assert (done.json["threshold"], done.json["licence"], done.json["commercial_use"]) == (0.35, "Apache-2.0", True)
    assert "BGR" in done.json["normalisation"]  # of the file beside it
    shown = facesearch("encoders", "show", "mine").out
    assert "threshold   0.350; given by the user at the import" in shown
    assert "Apache-2.0; commercial use allowed" in shown
    for words, said in (
        (("--threshold", "1.5"), "the option threshold is 1.5; give a number between -1 and 1"),
        (("--threshold", "nan"), "the option threshold is nan"),
        (("--threshold", "high"), "--threshold"),
        (("--licence", ""), "the option licence is not a text of one line"),
        (("--licence", "a\nb"), "the option licence is not a text of one line"),
    ):
        wrong = facesearch(*own, "--force", *words)
        assert (wrong.status, len(wrong.err.splitlines())) == (2, 1)
        assert said in wrong.err
    for given in ("--threshold 0.3", "--licence MIT", "--commercial"):
        refused = facesearch("encoders", "import", checkpoint, "--family", "edgeface-xxs", *given.split())
        assert (refused.status, len(refused.err.splitlines())) == (2, 1)
        assert "edgeface-xxs is a known model: leave out the options that are for ONNX files" in refused.err
    assert in_folder() == ["mine"]


@pytest.mark.parametrize("known", [True, False], ids=["known hash", "no hash known"])
def test_pull_fetches_checks_and_imports(
    known: bool, facesearch: Any, checkpoint: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = checkpoint.read_bytes()
    sha256 = hashlib.sha256(content).hexdigest()
    with web.serving(content, web.cut(50_000), web.ranged) as server:
        published(monkeypatch, server.url, sha256 if known else None)
        done = facesearch("encoders", "pull", "edgeface-xxs", "--json")
    assert done.status == 0, done.err
    assert ("no SHA-256 of edgeface-xxs is known to compare with; what came has " + sha256 in done.err) is not known
    assert any("tells synthetic people apart badly" in warning for warning in done.json["warnings"])  # untrained
    stored = read_manifest("edgeface-xxs")
    assert stored is not None and stored.source is not None
    assert (stored.source.url, stored.source.sha256) == (server.url, sha256)
    assert sorted(path.suffix for path in (models_folder() / "edgeface-xxs").iterdir()) == [
        ".json",
        ".onnx",
        ".safetensors",
    ]
    load_encoder("edgeface-xxs")
    again = facesearch("encoders", "pull", "edgeface-xxs")
    assert again.status == 0
    assert "is here already; --force pulls it again" in again.err


def test_pull_from_a_mirror_or_a_file_is_held_to_the_same_hash(
    facesearch: Any, checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = checkpoint.read_bytes()
    published(monkeypatch, "http://nowhere.invalid/edgeface_xxs.pt", hashlib.sha256(content).hexdigest())
    other = tmp_path / "edgeface_xxs.pt"
    other.write_bytes(content + b"x")
    done = facesearch("encoders", "pull", "edgeface-xxs", "--from", tmp_path)
    assert done.status == 1
    assert "is not the file that the authors of edgeface-xxs publish: SHA-256 is" in done.err
    with web.serving(content + b"x", web.whole) as server:
        done = facesearch("encoders", "pull", "edgeface-xxs", "--from", server.base)
        assert server.paths == ["/edgeface_xxs.pt"]
    assert done.status == 1
    assert "is not the file expected: SHA-256 is" in done.err
    assert in_folder() == []
    done = facesearch("encoders", "pull", "edgeface-xxs", "--from", checkpoint)
    assert done.status == 0, done.err
    stored = read_manifest("edgeface-xxs")
    assert stored is not None and stored.source is not None
    assert stored.source.url == "file"


def test_a_pull_that_fails_says_what_to_fetch_by_hand_and_leaves_nothing(
    facesearch: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    with web.serving(b"", web.status(404)) as server:
        published(monkeypatch, f"{server.base}/edgeface_xxs.pt", None)
        done = facesearch("encoders", "pull", "edgeface-xxs")
    assert done.status == 1
    assert len(done.err.splitlines()) == 1
    assert "the server answers 404" in done.err
    assert "fetch edgeface_xxs.pt elsewhere, then: facesearch encoders pull edgeface-xxs --from" in done.err
    with web.serving(b"<html>sign in</html>", web.whole) as server:
        published(monkeypatch, f"{server.base}/edgeface_xxs.pt", None)
        done = facesearch("encoders", "pull", "edgeface-xxs")
    assert done.status == 1
    assert "neither a safetensors file nor a PyTorch checkpoint" in done.err
    assert in_folder() == []


def test_what_is_secret_in_an_address_is_not_kept(
    facesearch: Any, checkpoint: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with web.serving(checkpoint.read_bytes(), web.whole) as server:
        address = f"{server.base}/edgeface_xxs.pt?token=secret"
        done = facesearch("encoders", "pull", "edgeface-xxs", "--from", address)
    assert done.status == 0, done.err
    stored = read_manifest("edgeface-xxs")
    assert stored is not None and stored.source is not None
    assert stored.source.url == f"{server.base}/edgeface_xxs.pt"
    assert "secret" not in (models_folder() / "edgeface-xxs" / "manifest.json").read_text()


def test_a_gallery_can_be_of_an_imported_model(facesearch: Any, onnx_file: Path, people_photos: Path) -> None:
    facesearch("encoders", "import", onnx_file, "--family", "onnx", "--name", "mine")
    done = facesearch("enroll", people_photos, "--encoder", "mine", "--json")
    assert done.json["templates"] > 30
    assert facesearch("gallery", "info", "--json").json["encoder"] == "mine:fp32@onnx"
    photo = sorted(people_photos.glob("*/*.jpg"))[0]
    (probe,) = facesearch("query", photo, "--json").json["probes"]
    assert probe["faces"][0]["candidates"][0]["identity"] == photo.parent.name
