"""Clips are read within bounds, whatever they are."""

from __future__ import annotations

import importlib.util
import struct
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from film_clips import RGB, write_clip, write_sound

from facesearch.errors import UnreadableImageError, UsageError
from facesearch.photos import video
from facesearch.photos.video import Frame, frames, video_hash

pytest.importorskip("av")


def pictures(count: int = 30) -> list[RGB]:
    """Grey that grows lighter, with a red corner at the top left."""
    found = [np.full((120, 160, 3), 40 + 5 * number, np.uint8) for number in range(count)]
    for picture in found:
        picture[:60, :80] = [250, 0, 0]
    return found


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    """Three seconds, ten frames each."""
    return write_clip(tmp_path / "clip.mp4", pictures())


def read(path: Path, per_second: float = 2.0) -> list[Frame]:
    with closing(frames(path, per_second)) as some:
        return list(some)


def refused(path: Path) -> str:
    with pytest.raises(UnreadableImageError) as caught:
        read(path)
    return str(caught.value)


def patched(clip: Path, box: bytes, offset: int, *numbers: int) -> Path:
    """The clip with numbers of four bytes written behind the name of a box."""
    data = bytearray(clip.read_bytes())
    at = data.index(box) + offset
    data[at : at + 4 * len(numbers)] = struct.pack(f">{len(numbers)}i", *numbers)
    other = clip.with_name("patched.mp4")
    other.write_bytes(data)
    return other


def test_frames_are_sampled_with_their_times(clip: Path) -> None:
    found = read(clip)
    assert [frame.time for frame in found] == [0.0, 0.5, 1.0, 1.5, 2.0, 2.5]
    assert found[0].pixels.shape == (120, 160, 3)
    assert found[0].pixels[5, 5, 0] > 200
    assert found[0].pixels[100, 100, 0] < found[-1].pixels[100, 100, 0]


def test_more_frames_than_there_are_gives_all(clip: Path) -> None:
    assert len(read(clip, 60)) == 30


def test_a_variable_rate_is_sampled_by_time(tmp_path: Path) -> None:
    clip = write_clip(tmp_path / "v.mp4", pictures(6), times=[0, 0.1, 0.2, 3, 3.1, 9])
    assert [frame.time for frame in read(clip)] == [0.0, 3.0, 9.0]


def test_a_clip_of_one_frame_lasts_no_time(tmp_path: Path) -> None:
    assert [frame.time for frame in read(write_clip(tmp_path / "one.mp4", pictures(1)))] == [0.0]


def test_what_was_held_sideways_is_turned_upright(clip: Path) -> None:
    turned = patched(clip, b"tkhd", 44, 0, 0x10000, 0, -0x10000, 0, 0, 0, 0, 0x40000000)  # 90 degrees to the right
    (first, *_) = read(turned)
    assert first.pixels.shape == (160, 120, 3)
    assert first.pixels[5, -5, 0] > 200 > first.pixels[5, 5, 0]


def test_a_file_that_claims_a_thousand_million_frames_is_refused_at_once(clip: Path) -> None:
    claims = patched(clip, b"stsz", 8, 1, 10**9)
    claims = patched(patched(claims, b"stts", 12, 10**9), b"stsc", 16, 10**9)
    assert refused(claims)


def test_what_is_no_clip_is_refused_with_the_reason(tmp_path: Path, clip: Path) -> None:
    (tmp_path / "empty.mp4").touch()
    assert refused(tmp_path / "empty.mp4") == "empty file"
    (tmp_path / "junk.mp4").write_bytes(b"junk" * 999)
    assert refused(tmp_path / "junk.mp4") == "damaged, or not a video"
    assert "only sound" in refused(write_sound(tmp_path / "sound.mp4"))
    assert "no such file" in refused(tmp_path / "nowhere.mp4")
    assert "directory" in refused(tmp_path)


def test_a_clip_that_breaks_off_gives_what_it_has(tmp_path: Path) -> None:
    whole = write_clip(tmp_path / "whole.mkv", pictures())
    (tmp_path / "half.mkv").write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])
    assert 0 < len(read(tmp_path / "half.mkv")) < len(read(whole))


@pytest.mark.parametrize("text", ["#EXTM3U\n#EXTINF:9,\n{}\n#EXT-X-ENDLIST\n", "ffconcat version 1.0\nfile '{}'\n"])
def test_a_list_that_leads_to_other_files_is_not_followed(clip: Path, text: str) -> None:
    playlist = clip.with_name("list.mp4")
    playlist.write_text(text.format(clip))
    assert refused(playlist) == "damaged, or not a video"


def test_large_frames_are_refused_before_they_are_decoded(clip: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(video, "MAX_FRAME_PIXELS", 100)
    assert "megapixels" in refused(clip)


def test_a_process_that_sends_nothing_is_given_up(clip: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(video, "_PATIENCE", 0.2)
    monkeypatch.setattr(video, "command", lambda *_: [sys.executable, "-c", "import time; time.sleep(60)"])
    assert refused(clip) == "it takes too long to read"


def test_whoever_stops_early_leaves_no_process(clip: Path) -> None:
    import psutil

    before = {child.pid for child in psutil.Process().children()}
    some = frames(clip, 10)
    next(some)
    some.close()
    assert {child.pid for child in psutil.Process().children()} <= before


def test_damaged_clips_never_break_anything(clip: Path, tmp_path: Path) -> None:
    data, rng = clip.read_bytes(), np.random.default_rng(0)
    for number in range(6):
        broken = bytearray(data)
        for place in rng.integers(0, len(broken), 40):
            broken[place] = rng.integers(256)
        (tmp_path / f"{number}.mp4").write_bytes(broken)
        try:
            assert all(frame.pixels.ndim == 3 for frame in read(tmp_path / f"{number}.mp4"))
        except UnreadableImageError as error:
            assert "\n" not in str(error)


def test_without_the_package_the_reason_names_the_extra(clip: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found: Any = importlib.util.find_spec
    monkeypatch.setattr(video, "find_spec", lambda name: None if name == "av" else found(name))
    assert "facesearch[video]" in refused(clip)


@pytest.mark.parametrize("rate", [0.0, -1.0, float("nan"), float("inf"), 61.0])
def test_no_rate_of_frames(clip: Path, rate: float) -> None:
    with pytest.raises(UsageError, match="frames per second"):
        read(clip, rate)


def test_the_hash_is_that_of_the_file(clip: Path) -> None:
    import hashlib

    assert video_hash(clip) == hashlib.sha256(clip.read_bytes()).digest()
