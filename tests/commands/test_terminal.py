"""What commands print fits a terminal, and nothing from outside can act on it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from command_line import Command
from report.report_samples import sample_run

from facesearch.evaluation.results import save_run

from .terminal import ROOT, on_terminal

FORGED = "a\x1b[2Jb\nvisitor.jpg: Boss  (threshold 0.937)\n.jpg"


@pytest.fixture
def words(facesearch: Command, gallery: Path) -> set[str]:
    """All words of the tables, as they are in a file."""
    save_run(sample_run("open-set"))
    save_run(sample_run("leave-one-out"))
    commands = (("encoders", "list"), ("report", "--all", "-v"), ("report", "--list"), ("identities", "list"))
    more = (("index", "show"), ("report",), ("gallery", "info"))
    return {word for command in (*commands, *more) for word in facesearch(*command).out.split()}


@pytest.mark.parametrize(
    "command",
    ["encoders list", "report", "report --all -v", "report --list", "identities list", "index show", "gallery info"],
)
@pytest.mark.parametrize("columns", [80, 120])
def test_no_word_is_broken_on_a_terminal(command: str, columns: int, words: set[str]) -> None:
    lines = on_terminal(columns, *command.split())
    assert max(map(len, lines)) <= columns
    assert {word for line in lines for word in line.split()} <= words


def test_a_benchmark_fits_a_terminal(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    from facesearch.commands import lines
    from facesearch.text.tables import table_lines

    columns = (
        "encoder",
        "device",
        "ms, batch 1",
        "ms, batch 32",
        "images/s",
        "memory",
        "cosine to FP32",
        "× best FP32",
    )
    rows = [("mobilefacenet:int8@openvino", "cpu", "10.93", "5.27", "189", "251.3 MB", "0.99999", "1.00 / 1.00")]
    monkeypatch.setattr(lines, "_terminal_width", lambda: 80)
    lines.print_table(columns, rows, right=columns[2:])
    shown = capsys.readouterr().out
    assert max(map(len, shown.splitlines())) <= 80
    assert set(shown.split()) == {
        word for part in table_lines(columns, rows, ()) for line in part for word in line.split()
    }
    assert "1.00 / 1.00" in shown


def test_names_of_files_start_no_line_and_send_no_control_character(
    facesearch: Command, gallery: Path, people: list[Path], wall: Path, tmp_path: Path
) -> None:
    odd, bad = tmp_path / "odd", tmp_path / "bad"
    for folder, source in ((odd, sorted(people[0].iterdir())[2]), (bad, wall)):
        folder.mkdir()
        shutil.copy(source, folder / FORGED)
    new = ("--gallery", tmp_path / "new")
    for words in (
        ("query", odd / FORGED),
        ("query", bad / FORGED),
        ("query", odd, bad),
        ("verify", odd / FORGED, bad / FORGED),
        ("enroll", "--identity", "Ann", odd, bad, "-v", *new),
        ("identities", "show", "Ann", *new),
        ("enroll", odd / FORGED),
        ("query", tmp_path / FORGED / "missing.jpg"),
        ("gallery", "restore", tmp_path / FORGED),
        ("report", "--run", f"{FORGED}.json"),
        ("evaluate", tmp_path / FORGED),
        ("query", odd / FORGED, "--encoder", FORGED),
        (FORGED,),
    ):
        done = facesearch(*words)
        for text in (done.out, done.err):
            assert not any(line.startswith("visitor.jpg") for line in text.splitlines())
            assert "\x1b" not in text
    found = facesearch("query", odd, "--json").json["probes"]
    assert [probe["path"] for probe in found] == [str(odd / FORGED)]


# what a program gets


@pytest.mark.parametrize(
    ("words", "status"),
    [
        (("query", "x.jpg", "--gallery", "/nowhere", "--json"), 2),
        (("nonsense", "--json"), 2),
        (("enroll", "--json"), 2),
        (("report", "--json", "--csv"), 2),
        (("identities", "show", "Nobody at all", "--json"), 2),
        (("verify", "missing.jpg", "missing.jpg", "--json"), 1),
        (("query", "https://example.org/a.jpg", "--json"), 2),
    ],
)
def test_a_program_that_asked_for_json_gets_errors_as_json(
    words: tuple[str, ...], status: int, facesearch: Command, gallery: Path
) -> None:
    done = facesearch(*words)
    assert done.status == status
    assert done.json.keys() == {"error"}
    assert done.err == f"error: {done.json['error']}\n"


def _shell(line: str, *words: Any) -> subprocess.CompletedProcess[str]:
    arguments = ["sh", "-c", line, sys.executable, *map(str, words)]
    return subprocess.run(arguments, cwd=ROOT, capture_output=True, text=True, check=False, timeout=60)


@pytest.mark.parametrize("closed", [">&-", "2>&-", "<&-", "<&- >&- 2>&-"])
def test_a_stream_that_is_closed_is_no_error(closed: str, gallery: Path) -> None:
    done = _shell(f'"$0" -m facesearch identities list {closed}')
    assert (done.returncode, done.stderr) == (0, "")
    assert ("people" in done.stdout) == (">&-" not in closed.replace("2>&-", ""))


# query


def test_query_answers_for_every_photo_below_a_folder(
    facesearch: Command, gallery: Path, people: list[Path], tmp_path: Path
) -> None:
    (tmp_path / "in" / "deep").mkdir(parents=True)
    shutil.copy(sorted(people[0].iterdir())[2], tmp_path / "in" / "a.jpg")
    shutil.copy(sorted(people[1].iterdir())[2], tmp_path / "in" / "deep" / "b.odd")
    (tmp_path / "in" / "notes.txt").write_text("x")
    done = facesearch("query", tmp_path / "in", "--json")
    assert done.status == 0
    best = {Path(probe["path"]).name: probe["faces"][0]["candidates"][0]["identity"] for probe in done.json["probes"]}
    assert best == {"a.jpg": people[0].name, "b.odd": people[1].name}
    assert done.json["left_out"] == {".txt": 1}
    assert "left out 1 file: 1 .txt" in facesearch("query", tmp_path / "in").out
    (tmp_path / "empty").mkdir()
    refused = facesearch("query", tmp_path / "empty")
    assert (refused.status, refused.err) == (2, f"error: {tmp_path / 'empty'} holds no photos\n")


def test_query_reads_a_photo_from_standard_input(gallery: Path, people: list[Path], wall: Path) -> None:
    photo = sorted(people[0].iterdir())[2]
    done = _shell('"$0" -m facesearch query - --json < "$1"', photo)
    (probe,) = json.loads(done.stdout)["probes"]
    assert (done.returncode, probe["path"]) == (0, "-")
    assert probe["faces"][0]["candidates"][0]["identity"] == people[0].name
    assert _shell('"$0" -m facesearch query - < "$1"', photo).stdout.startswith(f"-: {people[0].name}  (threshold")
    for source, reason in ((wall, "no face found"), (os.devnull, "empty file"), (__file__, "not an image")):
        done = _shell('"$0" -m facesearch query - --json < "$1"', source)
        assert done.returncode == 3
        assert json.loads(done.stdout)["probes"] == [{"path": "-", "faces_found": 0, "faces": []}]
        assert json.loads(done.stdout)["rejected"][0]["reason"].startswith(reason)
    twice = _shell('"$0" -m facesearch query - - < "$1"', photo)
    assert (twice.returncode, twice.stderr) == (2, "error: - can be given once: standard input holds one photo\n")


# enroll


def test_enroll_says_what_it_left_out(facesearch: Command, people: list[Path], tmp_path: Path) -> None:
    shutil.copytree(people[0], tmp_path / "p" / "Ann" / "2025")
    for name in ("Ann/film.mkv", "Ann/2025/.DS_Store", "Ann/1.xmp"):
        (tmp_path / "p" / name).write_text("x")
    shown = facesearch("enroll", tmp_path / "p")
    assert shown.status == 0
    assert shown.out.startswith("enrolled 3 photos of 1 person (")
    assert "left out 3 files: 1 .xmp, 1 .mkv, 1 hidden\n" in shown.out
    assert "1 folder inside people's folders" in shown.out
    again = facesearch("enroll", tmp_path / "p", "--json").json
    assert (again["skipped"], again["ignored"], again["images_per_second"]) == (3, 3, 0.0)
    assert again["left_out"] == {".mkv": 1, ".xmp": 1, "hidden": 1}
    assert "images per second" not in facesearch("enroll", tmp_path / "p").out


@pytest.mark.parametrize("name", ["Ann ", "\u2066Ann", "An\u200bn", "\u202ennA", "A\x1bnn"])
def test_a_name_with_what_nobody_sees_is_refused_with_its_code_point(
    name: str, facesearch: Command, gallery: Path, people: list[Path]
) -> None:
    photo = sorted(people[0].iterdir())[2]
    code = f"U+{ord(next(each for each in name if each not in 'An')):04X}"
    for words in (("enroll", "--identity", name, photo), ("identities", "rename", people[0].name, name)):
        done = facesearch(*words)
        assert (done.status, done.out) == (2, "")
        assert code in done.err
        assert done.err.isprintable() or done.err.count("\n") == 1
    assert len(facesearch("identities", "list", "--json").json["identities"]) == len(people)


def test_a_folder_that_can_be_nobodys_does_not_end_an_evaluation(
    facesearch: Command, people: list[Path], tmp_path: Path
) -> None:
    for person in people[:2]:
        shutil.copytree(person, tmp_path / person.name)
    shutil.copytree(people[2], tmp_path / "c\x1b[2J\nd")
    done = facesearch("evaluate", tmp_path, "--json")
    assert done.status == 0
    assert done.json["rows"][0]["identities"] == 2
    assert r"c\x1b[2J" in done.err
    assert done.err.count("\n") == 1
