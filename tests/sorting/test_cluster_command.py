"""facesearch cluster"""

from __future__ import annotations

import csv
import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from command_line import Command
from PIL import Image

from facesearch import PhotoClusters, cluster_photos
from facesearch.files.own_processes import environment
from facesearch.sorting import by_person


@pytest.fixture
def found_at_once(clustered: PhotoClusters, monkeypatch: pytest.MonkeyPatch) -> None:
    """The command gets what was found before."""
    monkeypatch.setattr(by_person, "cluster_photos", lambda *_, **__: clustered)


def test_without_options_a_table_is_printed(crowd: Path, facesearch: Command, found_at_once: None) -> None:
    done = facesearch("cluster", crowd)
    lines = done.out.splitlines()
    assert done.status == 3  # one photo cannot be read
    assert lines[0].split() == ["cluster", "photos", "for", "example"]
    assert [line.split()[:2] for line in lines[1:4]] == [["001", "3"], ["002", "3"], ["003", "2"]]
    assert "9 faces in 11 photos: 3 clusters of 8 faces, 1 alone" in lines
    assert "1 photo without a face; -v lists it" in lines
    assert "left out 1 file: 1 .txt" in lines
    assert any(line.startswith("left out") and "copy.jpg" in line for line in lines)
    assert any(line.startswith("rejected") and "torn.jpg: truncated" in line for line in lines)
    assert "wall.png" in facesearch("cluster", crowd, "-v").out


def test_json_is_what_was_agreed(crowd: Path, facesearch: Command, found_at_once: None) -> None:
    done = facesearch("cluster", crowd, "--json")
    assert done.status == 3
    assert {frozenset(face) for face in done.json["faces"]} >= {
        frozenset(("path", "box", "cluster", "face", "quality"))
    }
    for face in done.json["faces"]:
        assert isinstance(face["path"], str)
        assert len(face["box"]) == 4
        assert face["cluster"] is None or face["cluster"] in (1, 2, 3)
    assert [Path(item["path"]).name for item in done.json["rejected"]] == ["torn.jpg"]


def test_everything_can_be_written_at_once(
    crowd: Path, tmp_path: Path, facesearch: Command, found_at_once: None
) -> None:
    words = ("--to", tmp_path / "out", "--csv", tmp_path / "f.csv", "--sheet", tmp_path / "s.png", "--json")
    done = facesearch("cluster", crowd, *words)
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["001", "002", "003", "alone"]
    with (tmp_path / "f.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [row["path"] for row in rows] == [face["path"] for face in done.json["faces"]]
    with Image.open(tmp_path / "s.png") as sheet:
        assert sheet.height > 300
    assert (done.json["folder"], done.json["csv"]) == (str(tmp_path / "out"), str(tmp_path / "f.csv"))
    assert done.json["sheets"] == [str(tmp_path / "s.png")]
    again = facesearch("cluster", crowd, *words)
    assert again.status == 2
    assert "not empty" in again.json["error"]


@pytest.mark.parametrize(("option", "what"), [((), "copies of"), (("--link",), "links to")])
def test_photos_and_their_copies_are_counted_apart(
    crowd: Path, tmp_path: Path, facesearch: Command, found_at_once: None, option: tuple[str, ...], what: str
) -> None:
    done = facesearch("cluster", crowd, "--to", tmp_path / "out", *option)
    assert f"wrote {tmp_path / 'out'}: 9 {what} 8 photos in 4 folders" in done.out.splitlines()
    assert len([path for path in (tmp_path / "out").rglob("*") if not path.is_dir()]) == 9


def test_names_that_a_spreadsheet_would_run_are_text(
    tmp_path: Path, crowd: Path, facesearch: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    photos = tmp_path / "=cmd"
    photos.mkdir()
    (photos / "1\x1b.png").write_bytes((crowd / "both.png").read_bytes())
    monkeypatch.chdir(tmp_path)
    done = facesearch("cluster", "=cmd", "--csv", "f.csv")
    assert done.status == 0
    assert "\x1b" not in done.out
    assert (tmp_path / "f.csv").read_text().splitlines()[1].startswith("'=cmd/1")


def test_a_folder_without_faces_says_so_and_makes_nothing(tmp_path: Path, facesearch: Command) -> None:
    (tmp_path / "photos").mkdir()
    Image.new("RGB", (90, 90), (9, 90, 9)).save(tmp_path / "photos" / "wall.png")
    done = facesearch("cluster", tmp_path / "photos", "--to", tmp_path / "out", "--sheet", tmp_path / "s.png")
    assert done.status == 0
    assert "no faces in 1 photo\n" in done.out
    assert sorted(path.name for path in tmp_path.iterdir()) == ["photos"]


@pytest.mark.parametrize(
    ("words", "wrong"),
    [
        (["--link"], "--link goes with --to"),
        (["--to", "{photos}/out"], "lies in"),
        (["--to", "{photos}"], "not empty"),
        (["--sheet", "{photos}/zz/s.png"], "lies in"),
        (["--sheet", "sheet.txt"], "name it .png or .jpg"),
        (["--csv", "nowhere/f.csv"], "no folder for it"),
        (["--csv", "."], "is a folder"),
        (["--encoder", "nobody"], "nobody"),
        (["--threshold", "2"], "threshold"),
    ],
)
def test_wrong_words_are_refused_before_anything_is_looked_at(
    crowd: Path, tmp_path: Path, facesearch: Command, monkeypatch: pytest.MonkeyPatch, words: list[str], wrong: str
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(by_person, "every_face", lambda *_, **__: pytest.fail("photos were read"))
    done = facesearch("cluster", crowd, *(word.replace("{photos}", str(crowd)) for word in words))
    assert done.status == 2
    assert len(done.err.splitlines()) == 1
    assert wrong in done.err


def test_a_missing_folder_is_a_line(facesearch: Command) -> None:
    done = facesearch("cluster", "nowhere", "--json")
    assert (done.status, done.json) == (2, {"error": "nowhere: no such file or folder"})


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_command_that_is_ended_while_it_copies_leaves_nothing(tmp_path: Path, number: signal.Signals) -> None:
    source, target = tmp_path / "photo.jpg", tmp_path / "out"
    source.write_text("x")
    script = f"""
import signal, time
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs begin without
from pathlib import Path
from facesearch import ClusteredFace, PhotoClusters, write_folders
face = ClusteredFace(Path({str(source)!r}), (0, 0, 9, 9), 1, 1.0, 1)
def wait(done, total):
    print("copied", flush=True)
    time.sleep(60)
write_folders(PhotoClusters([face], 1, "", 0.5), Path({str(target)!r}), progress=wait)
"""
    process = subprocess.Popen(
        [sys.executable, "-c", script], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=environment()
    )
    assert process.stdout is not None
    assert process.stdout.readline() == b"copied\n"
    assert len(list(tmp_path.iterdir())) == 2  # the photo, and what is being written
    process.send_signal(number)
    try:
        assert process.wait(timeout=20) != 0
    finally:
        process.kill()
        process.stdout.close()
    assert list(tmp_path.iterdir()) == [source]


def test_photos_of_people_are_sorted_as_they_are_known(lfw: Path) -> None:
    people = ["Aaron_Peirsol", "Abdoulaye_Wade", "Adrien_Brody", "Abdullah_Gul"]
    found = cluster_photos([path for name in people for path in sorted((lfw / name).iterdir())[:3]])
    largest = [face for face in found.faces if face.number == 1]
    clusters = {(face.path.parent.name, face.cluster) for face in largest}
    assert len(clusters) == len(people) == len({number for _, number in clusters})
    assert json.dumps(found.document())
