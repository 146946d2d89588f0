"""INT8 on CPUs of which some cannot add products of 8 bits."""

from __future__ import annotations

import platform
from pathlib import Path
from typing import Any

import pytest

from facesearch.encoders.openvino_runtime import integers_add_up, precision_settings


def pretend(monkeypatch: pytest.MonkeyPatch, machine: str, cpuinfo: str | None) -> None:
    def read_text(path: Path, *_: Any, **__: Any) -> str:
        if cpuinfo is None:
            raise FileNotFoundError(path)
        return cpuinfo

    monkeypatch.setattr(platform, "machine", lambda: machine)
    monkeypatch.setattr(Path, "read_text", read_text)


@pytest.mark.parametrize(
    ("machine", "cpuinfo", "adds_up"),
    [
        ("x86_64", "flags : fpu avx2 fma", False),
        ("x86_64", "flags : fpu avx2 avx512_vnni", True),
        ("x86_64", "flags : fpu avx2 avx_vnni", True),
        ("AMD64", None, False),
        ("aarch64", "Features : asimd", True),
        ("arm64", None, True),
    ],
)
def test_int8_products_are_left_to_cpus_that_add_them_right(
    machine: str, cpuinfo: str | None, adds_up: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    pretend(monkeypatch, machine, cpuinfo)
    assert integers_add_up() is adds_up
    assert ("LP_TRANSFORMS_MODE" in precision_settings("CPU")) is not adds_up
    assert "LP_TRANSFORMS_MODE" not in precision_settings("GPU.0")
