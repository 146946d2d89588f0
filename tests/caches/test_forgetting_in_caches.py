"""Who is forgotten is in no byte of what evaluations kept."""

from __future__ import annotations

import errno
import json
import shutil
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from command_line import Command
from evaluation.run_samples import full_run

from facesearch import Gallery
from facesearch.caches.in_use import in_use, others_at_work
from facesearch.caches.purging import purge
from facesearch.caches.stored_runs import Theirs
from facesearch.caches.template_cache import Shards
from facesearch.evaluation.results import load_run, save_run, stored_runs
from facesearch.files.locations import home
from facesearch.photos.decoding import sha256
from facesearch.photos.photo import Photo

WIDTH = 8


def _bytes() -> bytes:
    return b"".join(path.read_bytes() for path in sorted(home().rglob("*")) if path.is_file())


def _content(number: int) -> bytes:
    return sha256(str(number).encode())


def _shards(name: str = "set") -> Shards:
    return Shards(home() / "cache" / "templates" / "encoder" / name, WIDTH, np.float32)


def _row(number: int) -> npt.NDArray[np.float32]:
    return np.random.default_rng(number).normal(size=WIDTH).astype(np.float32)


def _files() -> list[Path]:
    return sorted((home() / "cache" / "templates").rglob("*.safetensors"))


def _theirs(*contents: bytes) -> Theirs:
    return Theirs(frozenset(), frozenset(), frozenset(contents))


@pytest.fixture
def people(people_photos: Path, tmp_path: Path) -> Path:
    """A few people, in a folder of this test."""
    for folder in sorted(people_photos.iterdir())[:4]:
        shutil.copytree(folder, tmp_path / "people" / folder.name)
    return tmp_path / "people"


def test_after_an_evaluation_and_forgetting_no_byte_of_the_person_is_left(people: Path, facesearch: Command) -> None:
    assert facesearch("enroll", people).status == 0
    assert facesearch("evaluate", people, "--index", "flat", "--index", "sq8").status == 0
    name = min(folder.name for folder in people.iterdir())
    hashes = [sha256(path.read_bytes()) for path in sorted((people / name).iterdir())]
    before = _bytes()
    assert all(each in before for each in hashes)
    with Gallery.open(home() / "gallery") as gallery:
        template = gallery.template(min((people / name).iterdir()))
    shards = [path for path in _files() if hashes[0] in path.read_bytes()]
    assert template.tobytes()[:32] in b"".join(path.read_bytes() for path in shards)
    outcome = facesearch("identities", "forget", name, "--json")
    assert outcome.status == 0
    purged = outcome.json["caches"]
    assert purged["rows"] == 2 * len(hashes)  # faces and templates
    assert purged["left"] == []
    assert not purged["at_work"]
    after = _bytes()
    assert not any(each in after for each in hashes)
    assert template.tobytes()[:32] not in after
    again = facesearch("evaluate", people, "--index", "flat", "--json")  # the others are still there
    assert again.json["rows"][0]["images"] == 12


def test_rows_of_others_stay_as_they_are() -> None:
    _shards().write([(_content(number), _row(number)) for number in range(5)])
    _shards("other").write([(_content(9), _row(9))])
    untouched = [path for path in _files() if "other" in str(path)]
    assert purge(_theirs(_content(2), _content(77))).rows == 1
    held = _shards().read()
    assert set(held) == {_content(number) for number in (0, 1, 3, 4)}
    assert all(np.array_equal(held[_content(number)], _row(number)) for number in (0, 1, 3, 4))
    assert [path for path in _files() if "other" in str(path)] == untouched
    assert _row(2).tobytes() not in _bytes()


def test_a_shard_of_one_person_alone_goes_whole() -> None:
    _shards().write([(_content(1), _row(1)), (_content(2), "no face found")])
    assert purge(_theirs(_content(1), _content(2))).rows == 2
    assert _files() == []


def test_files_that_cannot_be_told_apart_go_with_the_rows_and_only_then() -> None:
    for folder in ("searches", "codecs"):
        (home() / "cache" / folder).mkdir(parents=True)
        (home() / "cache" / folder / "a.index").write_bytes(b"codes")
    _shards().write([(_content(1), _row(1))])
    assert purge(_theirs(_content(5))).derived == 0
    assert purge(_theirs(_content(1))).derived == 2


@pytest.mark.parametrize("damage", ["bit", "short", "empty", "other version"])
def test_a_damaged_shard_is_deleted_because_it_may_hold_them(damage: str) -> None:
    _shards().write([(_content(1), _row(1))])
    (path,) = _files()
    data = bytearray(path.read_bytes())
    if damage == "bit":
        data[-1] ^= 1
    if damage == "other version":
        from safetensors.numpy import save

        from facesearch.caches.template_cache import _name

        path.unlink()
        data = bytearray(save({"hashes": np.zeros(3, np.uint8)}))
        path = path.with_name(_name(bytes(data)))
    content = bytes(data)
    path.write_bytes(content[:20] if damage == "short" else b"" if damage == "empty" else content)
    assert purge(_theirs(_content(5))).damaged == 1
    assert _files() == []


def test_a_cache_that_cannot_be_changed_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    _shards().write([(_content(1), _row(1))])
    (path,) = _files()

    def refused(*_: object) -> int:
        raise PermissionError(errno.EACCES, "denied", str(path))

    with monkeypatch.context() as patch:  # permissions would not stop root
        patch.setattr("facesearch.caches.template_cache.remove_files", refused)
        done = purge(_theirs(_content(1)))
    assert done.left == [str(path)]
    assert done.rows == 0


def test_a_running_evaluation_is_said_and_its_unfinished_files_are_left_alone() -> None:
    _shards().write([(_content(1), _row(1))])
    unfinished = _files()[0].with_name(".x.safetensors.0123456789abcdef.tmp")
    unfinished.write_bytes(b"half")
    with in_use():
        assert others_at_work()
        assert purge(_theirs(_content(1))).at_work
        assert unfinished.exists()
    assert not others_at_work()
    assert purge(_theirs()).damaged == 1
    assert not unfinished.exists()


def test_a_mark_that_a_killed_process_left_counts_no_longer() -> None:
    mark = home() / "cache" / "in-use" / "0123.lock"
    mark.parent.mkdir(parents=True)
    mark.touch()
    assert not others_at_work()
    assert not mark.exists()


def test_a_reader_that_listed_a_shard_which_is_gone_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    _shards().write([(_content(1), _row(1))])
    listed = _files()
    purge(_theirs(_content(1)))
    shards = _shards()
    monkeypatch.setattr(shards, "_files", lambda: listed)
    assert shards.read() == {}


def _names_in_runs() -> str:
    return "".join(path.read_text() for path in (home() / "runs").glob("*.json"))


def test_stored_runs_lose_entries_with_the_name_and_keep_figures() -> None:
    run = full_run()
    path = save_run(run)
    errors = [error for row in run.rows for error in row.hardest]
    assert errors
    done = purge(Theirs(frozenset({errors[0].identity}), frozenset(), frozenset()))
    assert done.errors >= 1
    after = load_run(path)
    assert all(error.identity != errors[0].identity for row in after.rows for error in row.hardest)
    assert [row.top1 for row in after.rows] == [row.top1 for row in run.rows]
    assert len(stored_runs()) == 1


def test_stored_runs_lose_entries_by_the_end_of_a_path() -> None:
    error = full_run().rows[0].hardest[0]
    save_run(full_run())
    assert purge(Theirs(frozenset(), frozenset({f"/photos/x/{error.probe}"}), frozenset())).errors >= 1
    assert error.probe not in _names_in_runs()


def test_stored_runs_lose_entries_by_content_after_the_photo_was_renamed(tmp_path: Path) -> None:
    path = save_run(full_run())
    document = json.loads(path.read_text())
    probe = document["rows"][0]["hardest"][0]["probe"]
    document["dataset"]["folder"] = str(tmp_path)
    path.write_text(json.dumps(document))
    (tmp_path / probe).parent.mkdir(parents=True)
    (tmp_path / probe).write_bytes(b"a photo")
    assert purge(Theirs(frozenset(), frozenset({"/elsewhere/new.jpg"}), frozenset({sha256(b"a photo")}))).errors >= 1


@pytest.mark.parametrize("content", ["{", '{"rows": 3}', "[" * 100_000, '{"rows": [null, 3, {"hardest": 7}]}'])
def test_a_damaged_run_stops_nothing(content: str) -> None:
    runs = home() / "runs"
    runs.mkdir(parents=True)
    (runs / "a.json").write_text(content)
    done = purge(Theirs(frozenset({"Ada"}), frozenset(), frozenset()))
    assert done.left == ([] if "null" in content else [str(runs / "a.json")])


def test_forgetting_without_caches_makes_none(people: Path, tmp_path: Path) -> None:
    with Gallery.open(tmp_path / "gallery") as gallery:
        gallery.enroll("Ada", min(min(people.iterdir()).iterdir()))
        receipt = gallery.forget("Ada")
    assert (receipt.purged.rows, receipt.purged.left) == (0, [])
    assert not (home() / "cache").exists()


def test_who_was_renamed_is_found_by_content(people: Path, tmp_path: Path) -> None:
    photo = min(min(people.iterdir()).iterdir())
    _shards().write([(Photo("Ada", photo).hash(), _row(1))])
    with Gallery.open(tmp_path / "gallery") as gallery:
        gallery.enroll("Ada", photo)
        gallery.rename("Ada", "Bea")
        assert gallery.forget("Bea").purged.rows == 1


def test_photos_whose_templates_were_deleted_before_are_found_by_their_hashes(people: Path, tmp_path: Path) -> None:
    ada, bea, *_ = sorted(people.iterdir())
    photos = sorted(ada.iterdir())
    for number, photo in enumerate([*photos, min(bea.iterdir())]):
        _shards().write([(Photo("Ada", photo).hash(), _row(number))])
    with Gallery.open(tmp_path / "gallery") as gallery:
        gallery.enroll("Ada", photos)
        gallery.enroll("Bea", min(bea.iterdir()))
        gallery.remove_templates([photos[0]])
        gallery.compact()
        gallery.thin(1)
        assert len(gallery.templates("Ada")) == 1
        gallery.rename("Ada", "Zoe")
        assert gallery.forget("Zoe").purged.rows == len(photos)
        assert gallery.forget("Bea", remember=False).purged.rows == 1
