"""A checkpoint with untrained weights, made once; a command line; no self-test where it is not what is tested."""

from __future__ import annotations

import importlib.util
import json
import logging
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from facesearch.commands.app import run


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An EdgeFace-XXS checkpoint as its authors write them, but untrained."""
    torch = pytest.importorskip("torch")
    if importlib.util.find_spec("timm") is None:
        pytest.skip("needs timm: pip install 'facesearch[torch]'")
    from facesearch.encoders.families import build_network

    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("checkpoint") / "edgeface_xxs.pt"
    torch.save({f"model.{key}": value for key, value in build_network("edgeface-xxs").state_dict().items()}, path)
    return path


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a command left: exit status, standard output, standard error."""

    status: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


Command = Callable[..., Outcome]


@pytest.fixture
def facesearch(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Iterator[Command]:
    """Runs a command line in this process as the installed program does."""

    def call(*words: Any) -> Outcome:
        monkeypatch.setattr(sys, "argv", ["facesearch", *map(str, words)])
        capsys.readouterr()
        with pytest.raises(SystemExit) as left:
            run()
        out, err = capsys.readouterr()
        assert "Traceback" not in err
        status = left.value.code
        assert isinstance(status, int)
        return Outcome(status, out, err)

    yield call
    logger = logging.getLogger("facesearch")
    logger.handlers.clear()
    logger.propagate = True
    logger.setLevel(logging.NOTSET)
