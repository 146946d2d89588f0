"""Templates as files: out of one gallery and into another, and what is refused on the way."""

from __future__ import annotations

import json
import pickle
import stat
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from command_line import Command

from facesearch import EncoderMismatchError, Gallery, UsageError
from facesearch.gallery.table_files import read_table, write_table
from facesearch.gallery.template_table import COLUMNS, TemplateTable

from .doubles import DIMENSION, ProjectionEncoder, unit_vectors

NAMES = [f"person {row // 2}" for row in range(20)]
SUFFIXES = (".parquet", ".csv", ".npz")


def _gallery(folder: Path, **options: Any) -> Gallery:
    return Gallery.open(folder, encoder=options.pop("encoder", ProjectionEncoder()), **options)


@pytest.fixture
def vectors() -> np.ndarray:
    return unit_vectors(len(NAMES))


@pytest.fixture
def filled(tmp_path: Path, vectors: np.ndarray) -> Gallery:
    gallery = _gallery(tmp_path / "filled")
    gallery.enroll_templates(NAMES, vectors)
    return gallery


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize(("kind", "keep"), [("flat", None), ("sq8", None), ("flat", "fp16")])
def test_a_gallery_that_imports_answers_to_the_last_bit_as_the_one_exported(
    kind: str, keep: str | None, suffix: str, tmp_path: Path, vectors: np.ndarray
) -> None:
    probes = unit_vectors(8, seed=1)
    file = tmp_path / f"export{suffix}"
    with _gallery(tmp_path / "a", index=kind, keep=keep) as one, _gallery(tmp_path / "b", index=kind, keep=keep) as two:
        one.enroll_templates(NAMES, vectors)
        made = one.export(file)
        assert (made.templates, made.identities, made.is_exact) == (20, 10, True)
        assert made.bytes == file.stat().st_size
        report = two.import_templates(file)
        assert (report.templates, report.identities, report.skipped, report.rejected) == (20, 10, 0, [])
        assert two.search(probes, 5) == one.search(probes, 5)
        assert two.check() == []
        again = two.import_templates(file)
        assert (again.templates, again.skipped) == (0, 20)
        assert two.enroll_templates(NAMES, vectors).templates == 0  # known by their content


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_photos_keep_their_place_quality_box_and_hash(suffix: str, tmp_path: Path, people_photos: Path) -> None:
    person = sorted(people_photos.iterdir())[0]
    photos = sorted(person.iterdir())
    with _gallery(tmp_path / "a") as one, _gallery(tmp_path / "b") as two:
        one.enroll(person.name, photos)
        one.export(tmp_path / f"x{suffix}")
        two.import_templates(tmp_path / f"x{suffix}")
        for before, after in zip(one.templates(), two.templates(), strict=True):
            assert (after.identity, after.path, after.precision) == (before.identity, before.path, before.precision)
            assert (after.quality, after.box) == (before.quality, before.box)
        assert two.enroll(person.name, photos).skipped == len(photos)


def test_a_data_frame_has_the_columns_of_the_file(filled: Gallery, tmp_path: Path, vectors: np.ndarray) -> None:
    frame = filled.frame()
    assert tuple(frame.columns) == COLUMNS
    assert frame["identity"].tolist() == NAMES
    assert np.array_equal(np.stack(frame["template"].tolist()), vectors)
    assert set(frame["encoder"]) == {"projection:fp32@memory"}
    filled.export(tmp_path / "x.parquet")
    assert tuple(pd.read_parquet(tmp_path / "x.parquet").columns) == COLUMNS


def test_the_file_is_its_owners_alone_and_takes_no_place_unasked(filled: Gallery, tmp_path: Path) -> None:
    file = tmp_path / "x.npz"
    filled.export(file)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    with pytest.raises(UsageError, match="there is a file"):
        filled.export(file)
    filled.export(file, overwrite=True)
    with pytest.raises(UsageError, match=r"\.parquet, \.csv, \.npz"):
        filled.export(tmp_path / "x.xlsx")
    with pytest.raises(UsageError, match="gallery's own folder"):
        filled.export(tmp_path / "filled" / "x.npz")
    (tmp_path / "folder.npz").mkdir()
    with pytest.raises(UsageError, match="is a folder"):
        filled.export(tmp_path / "folder.npz")


def test_what_is_set_aside_stays_here(filled: Gallery, tmp_path: Path) -> None:
    filled.remove_templates([1, 2])
    report = filled.export(tmp_path / "x.csv")
    assert (report.templates, report.set_aside, report.identities) == (18, 2, 9)
    assert len(filled.frame()) == 18
    with _gallery(tmp_path / "other") as other:
        assert other.import_templates(tmp_path / "x.csv").templates == 18


def test_a_template_that_is_set_aside_is_not_brought_back_by_its_file(filled: Gallery, tmp_path: Path) -> None:
    filled.export(tmp_path / "x.csv")
    filled.remove_templates([1])
    report = filled.import_templates(tmp_path / "x.csv")
    assert (report.templates, report.skipped, report.aside) == (0, 20, 1)


def test_both_are_in_the_audit_log_without_names(filled: Gallery, tmp_path: Path) -> None:
    filled.export(tmp_path / "x.csv")
    filled.forget("person 0")
    filled.import_templates(tmp_path / "x.csv", again=True)
    events = {event.action: json.loads(event.detail) for event in filled.parts.store.audit.events()}
    assert events["export"] == {"templates": 20, "identities": 10}
    assert events["import"] == {"templates": 2}


def test_people_who_were_forgotten_come_back_only_when_asked(filled: Gallery, tmp_path: Path) -> None:
    filled.export(tmp_path / "x.parquet")
    receipt = filled.forget("person 3")
    assert (len(receipt.exports), receipt.backups) == (1, ())
    assert receipt.document()["exports"] == list(receipt.exports)
    report = filled.import_templates(tmp_path / "x.parquet")
    assert (report.templates, report.skipped, len(report.rejected)) == (0, 18, 2)
    assert "who was forgotten on" in report.rejected[0].reason
    assert report.rejected[0].path == "template 7"
    assert filled.import_templates(tmp_path / "x.parquet", again=True).templates == 2
    assert filled.identity("person 3")[0].templates == 2


def test_a_photo_that_is_somebody_elses_here_is_rejected_and_not_moved(filled: Gallery, tmp_path: Path) -> None:
    filled.export(tmp_path / "x.parquet")
    filled.rename("person 0", "Ada")
    report = filled.import_templates(tmp_path / "x.parquet")
    assert [item.reason.split(";")[0] for item in report.rejected] == ["the same photo is enrolled as Ada"] * 2
    assert filled.identity("Ada")[0].templates == 2


def test_the_columns_of_the_contract_are_enough(filled: Gallery, tmp_path: Path, vectors: np.ndarray) -> None:
    wanted = ["identity", "path", "encoder", "quality", "added", "template"]
    filled.frame()[wanted].to_parquet(tmp_path / "x.parquet")
    with _gallery(tmp_path / "other") as other:
        assert other.import_templates(tmp_path / "x.parquet").templates == 20
        assert other.search(vectors, 2) == filled.search(vectors, 2)


def _table(**changes: Any) -> dict[str, Any]:
    vectors = unit_vectors(3, seed=5)
    columns = {"identity": ["Ann", "Bob", "Cy"], "encoder": ["projection:fp32@memory"] * 3, "template": list(vectors)}
    return {name: value for name, value in {**columns, **changes}.items() if value is not None}


def _changed(row: int, value: float) -> np.ndarray:
    vectors = unit_vectors(3, seed=5)
    vectors[row] = value
    return vectors


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"template": _changed(1, np.nan)}, "row 2: its length is nan"),
        ({"template": _changed(1, 0.5)}, r"row 2: its length is 5\.66"),
        ({"template": _changed(2, 0)}, "row 3: its length is 0"),
        ({"template": [[1.0], [1.0, 0.0], [1.0]]}, "row 2: its template has 2 numbers, that of row 1 1"),
        ({"template": [[1.0], "x", [1.0]]}, "row 2: template is a list of numbers"),
        ({"template": [[1.0], None, [1.0]]}, "row 2: template is a list of numbers"),
        ({"template": np.zeros((3, 0), np.float32)}, "row 1: its length is 0"),
        ({"identity": ["Ann", " ", "Cy"]}, "row 2: the name of an identity cannot be empty"),
        ({"identity": ["Ann", "Bob", "Cy\u202e"]}, "row 3: the name .* holds U.202E"),
        ({"identity": ["Ann", "two\nlines", "Cy"]}, "row 2: the name"),
        ({"identity": ["Ann", 7, "Cy"]}, "row 2: identity is text, not a int"),
        ({"identity": ["Ann", "\ud800", "Cy"]}, "row 2: identity holds what is no character"),
        ({"identity": ["Ann"]}, "column encoder has 3 rows, column identity 1"),
        ({"identity": [], "encoder": [], "template": []}, "holds no templates"),
        ({"quality": [1, "much", 1]}, "row 2: quality is a number from 0 to 1, not 'much'"),
        ({"quality": [1, 1, -0.1]}, "row 3: quality"),
        ({"photo": ["", "0" * 63, ""]}, "row 2: photo is a SHA-256"),
        ({"box": [None, [1, 2, 3], None]}, "row 2: box is"),
        ({"box": [None, [1, 2, 3, np.inf], None]}, "row 2: box is"),
        ({"encoder": None}, "has no column encoder: its columns are 'identity', 'template'"),
    ],
)
def test_a_table_with_one_unsound_row_is_refused_as_a_whole(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        TemplateTable.of(_table(**changes), "x.npz")


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        (
            {"encoder": ["projection:fp32@memory", "other", "other"]},
            EncoderMismatchError,
            "row 2 is a template of other",
        ),
        ({"fingerprint": ["", "0" * 64, ""]}, EncoderMismatchError, "another encoder of the name projection"),
        ({"encoder": ["projection:int8@onnx"] * 3}, UsageError, "not installed here, and no fingerprint"),
        ({"encoder": ["VGG Face"] * 3}, UsageError, "is not an encoder name"),
        ({"encoder": ["two\nlines"] * 3}, UsageError, r"'two\\nlines' is not an encoder name"),
        ({"template": [[1.0]] * 3}, UsageError, f"the templates have 1 numbers, .* {DIMENSION}"),
    ],
)
def test_templates_of_another_encoder_change_nothing(
    changes: dict[str, Any], error: type[Exception], message: str, filled: Gallery
) -> None:
    table = TemplateTable.of(_table(**changes), "x.npz")
    before = filled.counts()
    with pytest.raises(error, match=message):
        filled.import_templates(table)
    assert filled.counts() == before


def test_one_photo_of_two_people_in_one_file_is_the_first_ones(filled: Gallery) -> None:
    table = TemplateTable.of(_table(photo=["ab" * 32] * 3, identity=["Ann", "Bob", "Ann"]), "x.npz")
    report = filled.import_templates(table)
    assert (report.templates, report.skipped) == (1, 1)
    assert [item.reason for item in report.rejected] == ["the same photo is in row 1 as Ann"]


def test_another_precision_of_the_model_may_come_in(filled: Gallery) -> None:
    table = TemplateTable.of(_table(encoder=["projection:int8@memory"] * 3, fingerprint=["ab" * 32] * 3), "x.npz")
    assert filled.import_templates(table).templates == 3
    assert filled.identity("Ann")[1][0].precision == "int8"


class _Bomb:
    def __reduce__(self) -> tuple[Any, ...]:
        return (Path("/nonexistent/opened").write_text, ("opened",))


def test_a_pickle_is_never_opened_whatever_it_is_called(filled: Gallery, tmp_path: Path) -> None:
    for name in ("representations_facenet.pkl", "x.npz", "x.csv", "x.parquet"):
        (tmp_path / name).write_bytes(pickle.dumps([_Bomb()]))
        with pytest.raises(UsageError, match=r"is a pickle, .* never opened"):
            filled.import_templates(tmp_path / name)
    objects = np.array([_Bomb()], object)
    np.savez(tmp_path / "objects.npz", identity=objects, encoder=objects, template=objects)
    with pytest.raises(UsageError, match=r"is no \.npz file"):
        filled.import_templates(tmp_path / "objects.npz")


def test_other_programs_templates_are_refused_by_name(filled: Gallery, tmp_path: Path) -> None:
    faces = pd.DataFrame({"identity": ["a.jpg"], "hash": ["x"], "embedding": [[0.1] * 128], "target_x": [1]})
    faces.to_parquet(tmp_path / "deepface.parquet")
    old = pd.DataFrame({"identity": ["a.jpg"], "Facenet_representation": ["[0.1, 0.2]"]})
    old.to_csv(tmp_path / "deepface.csv", index=False)
    (tmp_path / "deepface.json").write_text(json.dumps([{"embedding": [0.1], "facial_area": {"x": 1}}]))
    np.save(tmp_path / "encodings.npy", np.zeros((3, 128)))
    np.savez(tmp_path / "encodings.npz", encodings=np.zeros((3, 128)), names=np.array(["a", "b", "c"]))
    for name, program in (
        ("deepface.parquet", "from deepface"),
        ("deepface.csv", "representations of Facenet from deepface"),
        ("deepface.json", "from deepface"),
        ("encodings.npy", "encodings of face_recognition"),
        ("encodings.npz", "encodings of face_recognition"),
    ):
        with pytest.raises(UsageError, match=program) as refused:
            filled.import_templates(tmp_path / name)
        assert "\n" not in str(refused.value)


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_damaged_files_are_refused_in_one_line(suffix: str, filled: Gallery, tmp_path: Path) -> None:
    filled.export(tmp_path / f"x{suffix}")
    content = (tmp_path / f"x{suffix}").read_bytes()
    before = filled.counts()
    footer = content[:-60] + b"\x0f" * 52 + content[-8:]
    broken = (b"", content[:100], content[: len(content) // 2], content[::-1], b"\0" * 50, footer)
    for number, damaged in enumerate(broken):
        (tmp_path / f"{number}{suffix}").write_bytes(damaged)
        with pytest.raises(UsageError) as refused:
            filled.import_templates(tmp_path / f"{number}{suffix}")
        assert "\n" not in str(refused.value)
    assert filled.counts() == before


def test_what_is_no_ordinary_file_is_not_waited_for(filled: Gallery, tmp_path: Path) -> None:
    import os

    os.mkfifo(tmp_path / "pipe.csv")
    for name in ("pipe.csv", "missing.csv", "."):
        with pytest.raises(UsageError, match="cannot be read"):
            filled.import_templates(tmp_path / name)


def test_an_archive_that_grows_beyond_all_measure_is_not_unpacked(filled: Gallery, tmp_path: Path) -> None:
    np.savez_compressed(tmp_path / "x.npz", **_table(template=np.zeros((3, 10**7), np.float32)))
    with pytest.raises(UsageError, match="grows so much"):
        filled.import_templates(tmp_path / "x.npz")


def test_names_and_paths_come_through_as_they_are(tmp_path: Path) -> None:
    names = ['=1+1, "quoted"', "NA", "Łukasz 名前"]
    table = TemplateTable.of(_table(identity=names, path=["a,b.jpg", "null", "1e5"]), "x.csv")
    for suffix in SUFFIXES:
        with (tmp_path / f"x{suffix}").open("wb") as file:
            write_table(table, suffix, file)
        back = read_table(tmp_path / f"x{suffix}")
        assert (back.identity, back.path) == (names, ["a,b.jpg", "null", "1e5"])
        assert np.array_equal(back.template, table.template)
        assert np.isnan(back.box).all()


def test_a_gallery_of_codes_says_that_its_export_is_not_exact(tmp_path: Path, vectors: np.ndarray) -> None:
    with _gallery(tmp_path / "a", index="sq4") as gallery:
        gallery.enroll_templates(NAMES, vectors)
        assert not gallery.export(tmp_path / "x.csv").is_exact


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("quality", np.ones((2, 2))),
        ("identity", np.zeros(10**6, "U0")),
        ("template", np.ones((2, 4), np.complex64)),
    ],
)
def test_columns_of_odd_kinds_are_refused_in_one_line(
    column: str, value: np.ndarray, tmp_path: Path, facesearch: Command
) -> None:
    columns: dict[str, Any] = {
        "identity": np.array(["A", "B"]),
        "encoder": np.array(["mobilefacenet"] * 2),
        "template": np.eye(2, 192),
    }
    np.savez_compressed(tmp_path / "odd.npz", **(columns | {column: value}))
    told = facesearch("gallery", "import", tmp_path / "odd.npz", "-g", tmp_path / "g")
    assert told.status in (1, 2)
    assert len(told.err.strip().splitlines()) == 1
    assert "Traceback" not in told.err


def test_templates_of_another_length_start_no_gallery(tmp_path: Path) -> None:
    with Gallery.open(tmp_path / "new", encoder=ProjectionEncoder()) as gallery:
        with pytest.raises(UsageError, match=f"the templates have 1 numbers, .* {DIMENSION}"):
            gallery.import_templates(TemplateTable.of(_table(template=[[1.0]] * 3), "x.npz"))
        assert gallery.parts.store.settings.read() is None
