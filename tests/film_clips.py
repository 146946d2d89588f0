"""Clips of video for tests, made of photos that move."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

RGB = npt.NDArray[np.uint8]


def wandering(photo: Path, frames: int, *, size: tuple[int, int] = (320, 240), noise: float = 6.0) -> list[RGB]:
    """Pictures (h, w, 3) in which a photo wanders from left to right, with noise."""
    rng, side = np.random.default_rng(0), int(size[1] * 0.85)
    with Image.open(photo) as opened:
        picture = opened.convert("RGB").resize((side, side))
    found = []
    for number in range(frames):
        frame = Image.new("RGB", size, (90, 90, 90))
        left = int((size[0] - side) * number / max(frames - 1, 1))
        frame.paste(picture, (left, int(size[1] * 0.07)))
        noisy = np.asarray(frame).astype(np.float32) + rng.normal(0, noise, (size[1], size[0], 3))
        found.append(np.clip(noisy, 0, 255).astype(np.uint8))
    return found


def write_clip(path: Path, frames: Sequence[RGB], *, rate: int = 10, times: Sequence[float] | None = None) -> Path:
    """Write a clip; times: seconds of each frame, for a variable rate."""
    import av

    with av.open(str(path), "w") as container:
        stream: Any = container.add_stream("mpeg4", rate=rate)
        stream.height, stream.width = frames[0].shape[:2]
        stream.pix_fmt, stream.bit_rate = "yuv420p", 1_500_000
        stream.codec_context.time_base = Fraction(1, 1000)
        for number, pixels in enumerate(frames):
            frame = av.VideoFrame.from_ndarray(pixels, format="rgb24")
            at = number / rate if times is None else times[number]
            frame.pts, frame.time_base = round(at * 1000), Fraction(1, 1000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


def write_sound(path: Path) -> Path:
    """A file with sound and no pictures."""
    import av

    with av.open(str(path), "w") as container:
        stream: Any = container.add_stream("aac", rate=44100)
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
        frame.sample_rate, frame.pts = 44100, 0
        container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path
