from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from command_line import Command

from facesearch.caches.template_cache import Shards
from facesearch.files.locations import home
from facesearch.photos.decoding import sha256


@pytest.fixture
def kept() -> Path:
    """Something of each kind."""
    shards = Shards(home() / "cache" / "templates" / "encoder" / "set", 4, np.float32)
    shards.write([(sha256(b"1"), np.ones(4, np.float32)), (sha256(b"2"), "no face found")])
    for name in (
        "cache/searches/a.safetensors",
        "cache/timings/a.json",
        "cache/codecs/a.index",
        "runs/a.json",
        "models/m",
    ):
        (home() / name).parent.mkdir(parents=True, exist_ok=True)
        (home() / name).write_bytes(b"12345")
    return home()


def test_info_counts_every_kind(kept: Path, facesearch: Command) -> None:
    kinds = {each["kind"]: each for each in facesearch("cache", "info", "--json").json["kinds"]}
    assert (kinds["templates"]["templates"], kinds["templates"]["files"]) == (1, 1)
    assert all(kinds[name]["bytes"] == 5 for name in ("codecs", "results", "timings", "runs", "models"))
    assert str(kept) in facesearch("cache", "info").out


def test_info_of_nothing(facesearch: Command) -> None:
    outcome = facesearch("cache", "info", "--json")
    assert outcome.status == 0
    assert sum(each["files"] for each in outcome.json["kinds"]) == 0
    assert not home().exists()


def test_clear_leaves_runs_and_models_unless_asked(kept: Path, facesearch: Command) -> None:
    assert facesearch("cache", "clear", "--json").json["files"] == 4
    assert sorted(path.name for path in kept.rglob("*") if path.is_file()) == ["a.json", "m"]
    assert facesearch("cache", "clear", "--all", "--json").json["files"] == 1
    assert (kept / "models" / "m").exists()


@pytest.mark.parametrize(("option", "gone"), [("templates", 2), ("results", 1), ("timings", 1), ("runs", 1)])
def test_clear_one_kind(kept: Path, facesearch: Command, option: str, gone: int) -> None:
    assert facesearch("cache", "clear", f"--{option}", "--yes", "--json").json["files"] == gone


def test_clear_follows_no_links(kept: Path, facesearch: Command, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "photo.jpg").write_bytes(b"x")
    (kept / "cache" / "searches" / "link").symlink_to(tmp_path / "mine")
    assert facesearch("cache", "clear", "--results").status == 0
    assert (tmp_path / "mine" / "photo.jpg").exists()
    assert not (kept / "cache" / "searches" / "link").is_symlink()


def test_damaged_files_are_counted_and_cleared(kept: Path, facesearch: Command) -> None:
    (kept / "cache" / "templates" / "x.safetensors").write_bytes(b"junk")
    assert facesearch("cache", "info").status == 0
    assert facesearch("cache", "clear", "--templates", "--json").json["files"] == 3
