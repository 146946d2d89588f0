"""Who is in a clip, and enrolling from one."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pytest
from command_line import Command
from film_clips import RGB, wandering, write_clip

from facesearch import Gallery, RejectedImageError
from facesearch.encoders import find_model, load_encoder
from facesearch.faces.face import overlap
from facesearch.gallery.answers import Candidate, TrackAnswer, named_once
from facesearch.gallery.clips import ClipOptions, _share_a_frame
from facesearch.photos.photo import Photo
from facesearch.pipeline.tracks import Likeness, Sight, Track, follow

pytest.importorskip("av")


def _sight(time: float, left: float, template: list[float], quality: float = 1.0) -> Sight:
    vector = np.array(template, np.float32)
    return Sight(time, int(time * 10), (left, 0.0, 50.0, 50.0), quality, vector / np.linalg.norm(vector))


def _followed(*frames: list[Sight]) -> list[Track]:
    tracks: list[Track] = []
    for sights in frames:
        follow(tracks, sights, Likeness(0.6, 0.1))
    return tracks


def test_a_face_is_followed_by_its_box_and_two_in_a_frame_are_two() -> None:
    tracks = _followed(
        [_sight(0, 0, [1, 0.1]), _sight(0, 100, [0.1, 1])],
        [_sight(0.3, 90, [0.2, 1]), _sight(0.3, 10, [1, 0.2])],
    )
    assert [[sight.box[0] for sight in track.sights] for track in tracks] == [[0, 10], [100, 90]]


def test_another_face_in_the_same_place_after_a_cut_is_another_track() -> None:
    assert len(_followed([_sight(0, 0, [1, 0])], [_sight(0.3, 0, [0, 1])])) == 2


def test_the_same_face_elsewhere_is_the_same_track_unless_it_was_away_long() -> None:
    assert len(_followed([_sight(0, 0, [1, 0])], [_sight(1, 500, [1, 0.1])])) == 1
    assert len(_followed([_sight(0, 0, [1, 0])], [_sight(9, 0, [1, 0])])) == 2


def test_frames_that_show_a_face_well_count_more() -> None:
    (track,) = _followed([_sight(0, 0, [1, 0.5], 1.0)], [_sight(0.3, 0, [0.5, 1], 0.1)])
    assert np.linalg.norm(track.template) == pytest.approx(1)
    assert track.template[0] > track.template[1]
    assert track.best.quality == 1.0


def test_overlap_of_boxes() -> None:
    assert overlap((0, 0, 10, 10), (0, 0, 10, 10)) == 1
    assert overlap((0, 0, 10, 10), (20, 0, 10, 10)) == 0
    assert overlap((0, 0, 0, 0), (0, 0, 0, 0)) == 0


@pytest.fixture
def clip(probes: list[Photo], tmp_path: Path) -> Path:
    """Two seconds of somebody who is enrolled."""
    return write_clip(tmp_path / "clip.mp4", wandering(probes[0].path, 20))


def _beside(one: list[RGB], other: list[RGB]) -> list[RGB]:
    return [np.concatenate(pair, axis=1) for pair in zip(one, other, strict=True)]


@pytest.fixture
def two(probes: list[Photo], tmp_path: Path) -> Path:
    """Two people side by side."""
    frames = _beside(wandering(probes[0].path, 12), wandering(probes[1].path, 12))
    return write_clip(tmp_path / "two.mp4", frames)


def test_a_face_of_a_clip_is_one_probe_with_times(everybody: Gallery, clip: Path, probes: list[Photo]) -> None:
    done: list[int] = []
    answer = everybody.identify_video(clip, 3, progress=done.append)
    (track,) = answer.tracks
    assert track.candidates[0].identity == probes[0].identity
    assert track.is_match
    assert (track.start, track.end) == (0.0, answer.seconds)
    assert len(track.boxes) == answer.frames == done[-1] == 6
    assert track.boxes[0][1][0] < track.boxes[-1][1][0]  # it goes to the right


def test_people_of_a_clip_are_told_apart(everybody: Gallery, two: Path, probes: list[Photo]) -> None:
    answer = everybody.identify_video(two)
    assert {track.candidates[0].identity for track in answer.tracks} == {probe.identity for probe in probes[:2]}
    assert len(everybody.identify_video(two, options=ClipOptions(everyone=False)).tracks) == 1
    (chosen,) = everybody.identify_video(two, options=ClipOptions(face=2)).tracks
    assert chosen.number == 2
    x, y, w, h = chosen.box or (0, 0, 0, 0)
    (same,) = everybody.identify_video(two, options=ClipOptions(face=(x + w / 2, y + h / 2))).tracks
    assert same.number == 2
    with pytest.raises(RejectedImageError, match="no face 3"):
        everybody.identify_video(two, options=ClipOptions(face=3))


def test_a_clip_is_enrolled_known_again_and_forgotten(everybody: Gallery, clip: Path, tmp_path: Path) -> None:
    report = everybody.enroll_video("Nova", clip, most=3)
    assert 1 <= report.templates <= 3
    times = report.times[str(clip)]
    assert len(times) == report.templates
    assert all(later - earlier >= 0.5 for earlier, later in itertools.pairwise(times))
    assert {info.path for info in everybody.templates("Nova")} == {str(clip)}
    assert everybody.enroll_video("Nova", clip).skipped == report.templates
    moved = clip.rename(tmp_path / "moved.mp4")
    assert everybody.enroll_video("Nova", moved).templates == 0
    assert {info.path for info in everybody.templates("Nova")} == {str(moved)}
    assert "the same image is enrolled as Nova" in everybody.enroll_video("Other", moved).rejected[0].reason
    assert everybody.forget("Nova").templates == report.templates
    (rejected,) = everybody.enroll_video("Nova", moved).rejected[:1]
    assert "forgotten" in rejected.reason
    assert everybody.enroll_video("Nova", moved, again=True).templates >= 1


def test_a_clip_of_several_people_is_rejected_unless_one_is_chosen(everybody: Gallery, two: Path) -> None:
    (rejected,) = everybody.enroll_video("Nova", two).rejected
    assert "it shows several people (face 1 at 0.0" in rejected.reason
    assert everybody.enroll_video("Nova", two, face=2, most=1).templates == 1


def test_a_clip_without_a_face_is_rejected(everybody: Gallery, tmp_path: Path) -> None:
    wall = write_clip(tmp_path / "wall.mp4", [np.full((120, 160, 3), 90, np.uint8)] * 4)
    with pytest.raises(RejectedImageError, match="no face found in 1 frame"):
        everybody.identify_video(wall)
    assert everybody.enroll_video("Nova", wall).templates == 0


def test_the_commands_take_clips_beside_photos(
    enrolled: Path, clip: Path, probes: list[Photo], facesearch: Command, tmp_path: Path
) -> None:
    (tmp_path / "bad.mkv").write_bytes(b"junk")
    asked = facesearch("query", clip, probes[1].path, tmp_path / "bad.mkv", "-g", enrolled, "--json")
    assert asked.status == 3
    found = {probe["path"]: probe for probe in asked.json["probes"]}
    (face,) = found[str(clip)]["faces"]
    assert face["candidates"][0]["identity"] == probes[0].identity
    assert face["decision"] == "match"
    assert face["start"] == 0.0 < face["end"]
    assert asked.json["rejected"][0]["reason"] == "damaged, or not a video"
    shown = facesearch("query", clip, "-g", enrolled)
    assert f"0.0–{face['end']:.1f} s" in shown.out
    done = facesearch("enroll", "--identity", "Nova", clip, probes[2].path, "-g", enrolled, "--frames", 1, "--json")
    assert (done.status, done.json["templates"]) == (0, 2)
    assert done.json["clips"][0]["path"] == str(clip)


def test_a_clip_in_a_folder_of_people_is_not_taken_out(
    everybody: Gallery, clip: Path, enrolled: Path, facesearch: Command, tmp_path: Path
) -> None:
    (tmp_path / "people" / "Nova").mkdir(parents=True)
    inside = clip.rename(tmp_path / "people" / "Nova" / "clip.mp4")
    assert everybody.enroll_video("Nova", inside, most=1).templates == 1
    assert facesearch("enroll", tmp_path / "people", "--sync", "-g", enrolled, "--json").json["gone"] == []
    inside.unlink()
    assert facesearch("enroll", tmp_path / "people", "--sync", "-g", enrolled, "--json").json["taken_out"] == 1


@pytest.mark.parametrize("model", ["mobilefacenet", "dlib-resnet"])
def test_likeness_is_on_the_scale_of_the_encoder(model: str) -> None:
    found = find_model(model)
    assert found.background is not None
    likeness = Likeness.of(load_encoder(model))
    assert found.background.reached[0] < likeness.against < found.threshold < likeness.alike


def _answer(number: int, score: float, *times: float) -> TrackAnswer:
    candidate = Candidate(1, "Ada", score, 1, score)
    boxes = tuple((time, (0.0, 0.0, 9.0, 9.0)) for time in times)
    return TrackAnswer(None, 0.5, (candidate,), number, 3, boxes=boxes)


def test_one_person_is_named_once_in_a_frame_and_again_later() -> None:
    answers = named_once([_answer(1, 0.6, 0, 1), _answer(2, 0.8, 1, 2), _answer(3, 0.7, 5, 6)], _share_a_frame)
    assert [answer.yields_to for answer in answers] == [2, None, None]
    assert [answer.is_match for answer in answers] == [False, True, True]


def test_a_cut_from_one_person_to_another_in_the_same_place_begins_another_face(
    everybody: Gallery, probes: list[Photo], tmp_path: Path
) -> None:
    frames = [frame for probe in probes[:2] for frame in [wandering(probe.path, 21)[10]] * 15]
    cut = write_clip(tmp_path / "cut.mp4", frames)
    answer = everybody.identify_video(cut)
    assert {track.candidates[0].identity for track in answer.tracks} == {probe.identity for probe in probes[:2]}
    (rejected,) = everybody.enroll_video("Nova", cut).rejected
    assert "several people" in rejected.reason
