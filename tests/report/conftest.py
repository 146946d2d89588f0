from __future__ import annotations

from pathlib import Path

import pytest

from facesearch.evaluation.results import save_run

from .report_samples import sample_runs


@pytest.fixture
def stored(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The ids of runs that are stored, oldest first."""
    monkeypatch.setenv("FACESEARCH_HOME", str(tmp_path / "home"))
    runs = sample_runs()
    for run in runs:
        save_run(run)
    return [run.id for run in runs]
