from __future__ import annotations

import dataclasses
import json
import logging
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from facesearch.errors import FacesearchError, UsageError
from facesearch.evaluation.results import Row, Run, find_run, load_run, new_run_id, runs_folder, save_run, stored_runs

from .run_samples import full_row, full_run


@pytest.fixture(autouse=True)
def own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FACESEARCH_HOME", str(tmp_path / "home"))


def test_a_run_comes_back_from_its_json_as_it_was() -> None:
    run = full_run()
    for field in dataclasses.fields(Row):  # the sample leaves nothing out
        assert getattr(run.rows[0], field.name) not in (None, ()), field.name
    assert Run.from_json(run.to_json()) == run


def test_a_row_with_nothing_optional_comes_back_as_well() -> None:
    required = {f.name for f in dataclasses.fields(Row) if f.default is dataclasses.MISSING}
    row = Row(**{name: getattr(full_row(), name) for name in required})
    run = full_run("20261124T010203Z-0123abcd", row)
    assert Run.from_json(run.to_json()) == run


@given(st.floats(allow_nan=False, allow_infinity=False), st.integers(), st.text())
def test_no_digit_of_a_figure_is_lost(figure: float, count: int, text: str) -> None:
    row = dataclasses.replace(full_row(), top1=figure, images=count, dataset=text, top1_ci=(figure, figure))
    run = full_run("20261124T010203Z-0123abcd", row)
    assert Run.from_json(run.to_json()) == run


def test_a_figure_that_is_no_number_is_never_written() -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        full_run("20261124T010203Z-0123abcd", dataclasses.replace(full_row(), top1=float("nan"))).to_json()


def test_stored_runs_are_listed_oldest_first_and_found_by_the_beginning_of_their_name() -> None:
    runs = [full_run(f"20261124T01020{second}Z-{second}123abcd") for second in (2, 0, 1)]
    for run in runs:
        save_run(run)
    assert [run.id[14] for run in stored_runs()] == ["0", "1", "2"]
    assert find_run("20261124T010201Z") == runs[2]
    assert find_run("latest") == runs[0]
    assert find_run(str(runs_folder() / f"{runs[1].id}.json")) == runs[1]
    with pytest.raises(UsageError, match="3 stored runs are named 2026"):
        find_run("2026")
    with pytest.raises(UsageError, match="no stored run is named x"):
        find_run("x")


def test_without_any_run_the_command_that_makes_one_is_named() -> None:
    assert stored_runs() == []
    with pytest.raises(UsageError, match="facesearch evaluate"):
        find_run("latest")


@pytest.mark.parametrize(
    "text, what",
    [
        ("{", "Expecting"),
        ("[]", "no JSON object"),
        ('{"format": 99}', "format is 99"),
        ('{"format": 1, "id": 5}', r"Expected `str`, got `int` - at `\$.id`"),
        ('{"format": 1}', "missing required field `id`"),
        ("[" * 100_000, "recursion"),
        ("\udcff", "Expecting"),
    ],
)
def test_a_damaged_run_is_told_in_one_line_and_left_out_of_the_list(
    text: str, what: str, caplog: pytest.LogCaptureFixture
) -> None:
    good = save_run(full_run())
    bad = good.with_name("20261124T010204Z-0123abcd.json")
    bad.write_text(text, encoding="utf-8", errors="surrogateescape")
    with pytest.raises(FacesearchError, match=what) as error:
        load_run(bad)
    assert "\n" not in str(error.value)
    with caplog.at_level(logging.WARNING, logger="facesearch"):
        assert [run.id for run in stored_runs()] == [full_run().id]


def test_a_field_that_a_later_version_may_add_does_not_hide_the_run() -> None:
    document = json.loads(full_run().to_json()) | {"added": [1]}
    document["rows"][0]["added"] = {"later": None}
    assert Run.from_json(json.dumps(document)) == full_run()


def test_every_wrong_type_deep_inside_is_named() -> None:
    document = json.loads(full_run().to_json())
    document["rows"][0]["cmc"][1]["rate"] = "high"
    with pytest.raises(ValueError, match=r"Expected `float`, got `str` - at `\$.rows\[0\].cmc\[1\].rate`"):
        Run.from_json(json.dumps(document))


def test_the_document_of_a_row_has_the_keys_that_users_rely_on() -> None:
    document = full_row().document()
    assert document["fnir_at_fpir"] == {"0.1": 0.2, "0.001": None}
    assert document["tar_at_far"] == {"0.1": 0.98, "0.001": None}
    assert document["identification_rate_at_rank"] == {"1": 0.875, "5": 1.0}
    assert {"dataset", "protocol", "encoder", "index", "top1", "top1_ci", "storage_saving"} <= set(document)
    assert "cmc" not in full_row().document(curves=False)


def test_ids_of_runs_sort_by_time_and_differ() -> None:
    one, two = (new_run_id("2026-11-24T01:02:03.456+00:00") for _ in range(2))
    assert one != two
    assert one.startswith("20261124T010203Z-")


@pytest.mark.parametrize(
    ("change", "what"),
    [
        ({"encoder_bytes": 10**400}, "Expected a number within"),
        ({"storage_saving": 1e308}, "Expected a number within"),
        ({"cmc": [{"rank": 10**30, "rate": 0.5}]}, "Expected a number within"),
        ({"bytes_per_template": 5e-324}, "too small for a size or a time"),
        ({"search_ms": 5e-324}, "too small for a size or a time"),
        ({"codec_fidelity": {"mean": 1.0, "p1": 1.0, "histogram": {"edges": [], "counts": []}}}, "one edge more"),
        (
            {"codec_fidelity": {"mean": 1.0, "p1": 1.0, "histogram": {"edges": [0, 1], "counts": [1, 2]}}},
            "one edge more",
        ),
    ],
)
def test_figures_that_nothing_can_have_are_refused_in_one_line(
    change: dict[str, object], what: str, tmp_path: Path
) -> None:
    document = json.loads(full_run().to_json())
    document["rows"][0] |= change
    (tmp_path / "run.json").write_text(json.dumps(document))
    with pytest.raises(FacesearchError, match=what) as refused:
        load_run(tmp_path / "run.json")
    assert "\n" not in str(refused.value)


def test_a_pipe_in_place_of_a_run_is_refused_at_once(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "run.json")
    with pytest.raises(UsageError, match="it is no ordinary file"):
        load_run(tmp_path / "run.json")
