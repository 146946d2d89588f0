"""What is measured is committed without what is of the machine."""

from __future__ import annotations

import tempfile
from pathlib import Path

from benchmarks.common import placeless


def test_folders_of_this_machine_and_ports_are_left_out() -> None:
    said = f'"{tempfile.gettempdir()}/made-1/files/a.zip", {Path.home()}/x/b.jpg at 127.0.0.1:5432/faces'
    assert placeless(said) == '"a.zip", b.jpg at 127.0.0.1/faces'


def test_names_of_layers_are_no_folders() -> None:
    assert placeless("/network/stages/stages.3/Add") == "/network/stages/stages.3/Add"
