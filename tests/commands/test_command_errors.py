"""Every mistake of a user ends as one line that says what, where and what to do; never as a traceback."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from command_line import Command

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(
    ("words", "status", "complaint"),
    [
        ("enroll", 2, "nothing to enrol"),
        ("enroll PEOPLE --manifest list.csv", 2, "--manifest goes without paths"),
        ("enroll --manifest /nowhere/list.csv", 2, "cannot be read (no such file or directory)"),
        ("enroll /nowhere", 2, "/nowhere: no such file or folder"),
        ("enroll PHOTO", 2, "say whose photo it is with --identity NAME"),
        ("enroll PEOPLE --encoder dlib-resnett", 2, "did you mean dlib-resnet?"),
        ("enroll PEOPLE --encoder dlib-resnet:int2", 2, "no encoder dlib-resnet:int2@onnx"),
        ("enroll PEOPLE --index sq8", 2, "facesearch index build --kind sq8"),
        ("enroll PEOPLE --aligned dlib-chip", 1, "takes arcface crops, not dlib-chip"),
        ("enroll PEOPLE --aligned nose", 2, "no kind of crop is named 'nose'"),
        ("enroll PEOPLE --min-face 3", 2, "--min-face"),
        ("enroll PEOPLE --device gramophone", 2, "ONNX Runtime has no device 'gramophone' here; there are:"),
        ("query PHOTO --device gramophone", 2, "ONNX Runtime has no device 'gramophone' here; there are:"),
        ("verify PHOTO PHOTO --device gramophone", 2, "ONNX Runtime has no device 'gramophone' here"),
        ("query PHOTO --gallery /nowhere", 2, "there is no gallery in /nowhere: start one with facesearch enroll"),
        ("query PHOTO --aligned dlib-chip", 1, "takes arcface crops, not dlib-chip"),
        ("query PHOTO --gallery PHOTO", 2, "is a file"),
        ("query", 2, "Missing argument"),
        ("query PHOTO --no-such-option", 2, "No such option"),
        ("verify PHOTO", 2, "Missing argument"),
        ("verify PHOTO /nowhere.jpg", 1, "/nowhere.jpg: no such file"),
        ("verify PHOTO PHOTO --aligned nose", 2, "no kind of crop is named 'nose'"),
        ("identities show Nobody", 2, "no identity 'Nobody' in the gallery"),
        ("identities forget Nobody", 2, "no identity 'Nobody' in the gallery"),
        ("identities rename Nobody Somebody", 2, "no identity 'Nobody'"),
        ("identities rename FIRST SECOND", 2, "there already is an identity"),
        ("identities merge FIRST FIRST", 2, "cannot be merged into itself"),
        ("identities list --gallery /nowhere", 2, "there is no gallery"),
        ("index build --kind kd-tree", 2, "unknown index kind 'kd-tree': use one of flat, fp16, sq8"),
        ("index build --kind pq7", 2, "pq7 does not fit dimension 192"),
        ("index build --kind pq16", 1, "needs at least 256 templates"),
        ("index build --keep-originals int2", 2, "no codec is named 'int2'"),
        ("index check --gallery /nowhere", 2, "there is no gallery"),
        ("gallery info --gallery /nowhere", 2, "there is no gallery"),
        ("gallery set", 2, "nothing to set: --threshold X, --default, or --score"),
        ("gallery set --threshold 0.5 --default", 2, "--threshold and --default contradict each other"),
        ("gallery set --score loud", 2, "a score is cosine or normalised, not 'loud'"),
        ("gallery set --threshold 1.5", 2, "--threshold"),
        ("gallery set --default --gallery /nowhere", 2, "there is no gallery"),
        ("query PHOTO --score loud", 2, "a score is cosine or normalised, not 'loud'"),
        ("verify PHOTO PHOTO --score loud", 2, "a score is cosine or normalised, not 'loud'"),
        ("verify PHOTO PHOTO --score loud --gallery /nowhere", 2, "a score is cosine or normalised, not 'loud'"),
        ("calibrate", 2, "name photos of people who are not enrolled (DIR), or a cohort (--cohort DIR)"),
        ("calibrate PEOPLE --score loud", 2, "a score is cosine or normalised, not 'loud'"),
        ("calibrate --cohort PEOPLE --dry-run", 2, "--dry-run does not go with --cohort"),
        ("calibrate --cohort /nowhere", 2, "/nowhere"),
        ("calibrate --cohort PEOPLE --gallery /nowhere", 2, "there is no gallery"),
        ("encoders show nonsense", 2, "no model named 'nonsense'"),
        ("encoders pull facenet-vggface2 --from ''", 2, "--from is empty"),
        ("identities negative FIRST ''", 2, "a negative is named by its number or its photo's path, not by nothing"),
        ("identities negative FIRST '' --off", 2, "not by nothing"),
        ("nonsense", 2, "No such command 'nonsense'"),
        ("demo --folder PEOPLE", 2, "is not empty and not a demo's"),
    ],
)
def test_a_mistake_is_answered_in_one_line(
    words: str, status: int, complaint: str, facesearch: Command, gallery: Path, people: list[Path]
) -> None:
    known = {
        "PEOPLE": people[0].parent,
        "PHOTO": sorted(people[0].iterdir())[2],
        "FIRST": people[0].name,
        "SECOND": people[1].name,
    }
    outcome = facesearch(*(known.get(word, word) for word in shlex.split(words)))
    assert outcome.err.startswith("error: ")
    assert complaint in outcome.err
    assert len(outcome.err.splitlines()) == 1
    assert outcome.status == status
    assert outcome.out == ""
    assert not Path("/nowhere").exists()


def test_a_group_without_a_command_shows_its_help(facesearch: Command) -> None:
    for words in ((), ("identities",), ("index",), ("gallery",), ("encoders",)):
        outcome = facesearch(*words)
        assert outcome.status == 2
        assert outcome.out.count("Usage") == 1
        assert outcome.err == ""


def test_a_wrong_request_for_a_new_gallery_leaves_nothing_on_disk(
    facesearch: Command, people_photos: Path, tmp_path: Path
) -> None:
    new = tmp_path / "new"
    for option in (("--encoder", "nonsense"), ("--index", "nonsense"), ("--index", "pq7")):
        assert facesearch("enroll", people_photos, "--gallery", new, *option).status == 2
        assert not new.exists()


def test_a_file_that_is_no_gallery_is_said_to_be_none(facesearch: Command, tmp_path: Path) -> None:
    (tmp_path / "gallery.db").write_text("something else entirely, and long enough to be looked at" * 10)
    outcome = facesearch("gallery", "info", "--gallery", tmp_path)
    assert outcome.status == 1
    assert "is not a facesearch gallery" in outcome.err
    assert len(outcome.err.splitlines()) == 1


def test_an_empty_gallery_says_what_to_do(facesearch: Command, people: list[Path], tmp_path: Path) -> None:
    assert facesearch("enroll", "--identity", "Ann", tmp_path / "missing.jpg").status == 3
    outcome = facesearch("query", sorted(people[0].iterdir())[0])
    assert outcome.status == 0
    assert "unknown" in outcome.out


@pytest.mark.parametrize("options", [[], ["--json"]])
def test_a_reader_of_the_output_that_leaves_early_is_no_error(options: list[str], gallery: Path) -> None:
    arguments = [sys.executable, "-m", "facesearch", "identities", "list", *options]
    with subprocess.Popen(arguments, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait(timeout=30) == 0


def test_an_interrupted_enrolment_says_that_what_was_confirmed_is_kept(people_photos: Path, tmp_path: Path) -> None:
    slow = (
        "import signal, sys, time\n"
        # whoever runs the tests may have told all its processes not to mind interrupts
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "from facesearch.pipeline.pipeline import Pipeline\n"
        "photo = Pipeline.photo\n"
        "def slowly(self, *given):\n"
        "    time.sleep(0.2)\n"
        "    return photo(self, *given)\n"
        "Pipeline.photo = slowly\n"
        "from facesearch.commands import main\n"
        "sys.argv[0] = 'facesearch'\n"
        "main()\n"
    )
    words = ["enroll", str(people_photos), "-v", "--workers", "1", "--gallery", str(tmp_path / "gallery")]
    with subprocess.Popen(
        [sys.executable, "-c", slow, *words], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stderr is not None
        assert process.stderr.readline().startswith("enrolled ")
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
    lines = err.splitlines()
    assert lines[-1] == "error: interrupted; what was confirmed is kept"
    assert all(line.startswith("enrolled ") for line in lines[:-1])
    assert (process.returncode, out) == (130, "")


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="the superuser may write everywhere")
def test_a_folder_without_write_permission_is_named(facesearch: Command, people_photos: Path, tmp_path: Path) -> None:
    tmp_path.chmod(0o555)
    try:
        outcome = facesearch("enroll", people_photos, "--gallery", tmp_path / "gallery")
    finally:
        tmp_path.chmod(0o755)
    assert outcome.status == 1
    assert len(outcome.err.splitlines()) == 1
    assert "permission denied" in outcome.err
