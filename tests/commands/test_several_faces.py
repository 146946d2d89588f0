"""Photos of several people: which face is asked about, compared and enrolled is said, or chosen."""

from __future__ import annotations

from pathlib import Path

import pytest
from command_line import Command
from PIL import Image

from facesearch.errors import NoFaceError, UsageError
from facesearch.faces import FaceChoice


def side_by_side(path: Path, *photos: tuple[Path, int]) -> Path:
    """Photos in squares of so many pixels, on the same ground line."""
    height, width = max(size for _, size in photos), sum(size for _, size in photos)
    whole, left = Image.new("RGB", (width, height), "white"), 0
    for photo, size in photos:
        whole.paste(Image.open(photo).convert("RGB").resize((size, size)), (left, height - size))
        left += size
    whole.save(path)
    return path


def photo(person: Path, number: int) -> Path:
    return sorted(person.iterdir())[number - 1]


@pytest.fixture
def couple(people: list[Path], tmp_path: Path) -> Path:
    """The first person on the left, the second on the right, of like size."""
    return side_by_side(tmp_path / "couple.png", (photo(people[0], 3), 320), (photo(people[1], 3), 320))


def test_an_answer_says_which_face_it_is_for(
    facesearch: Command, gallery: Path, couple: Path, people: list[Path]
) -> None:
    names = {people[0].name, people[1].name}
    one = facesearch("query", couple, "-k", 1).out.splitlines()[0]
    assert ", face 1 of 2 (" in one or ", face 2 of 2 (" in one
    found = facesearch("query", couple, "--all-faces", "--json").json["probes"][0]
    assert found["faces_found"] == 2
    assert [face["face"] for face in found["faces"]] == [1, 2]
    assert {face["candidates"][0]["identity"] for face in found["faces"]} == names
    for face in found["faces"]:
        x, y, w, h = face["box"]
        for chosen in (face["face"], f"{x + w / 2:.0f},{y + h / 2:.0f}"):
            asked = facesearch("query", couple, "--face", chosen, "--json").json["probes"][0]
            assert asked["faces_found"] == 2
            (only,) = asked["faces"]
            assert only["face"] == face["face"]
            assert only["candidates"][0]["similarity"] == pytest.approx(face["candidates"][0]["similarity"], abs=1e-5)
    missing = facesearch("query", couple, "--face", 3)
    assert (missing.status, missing.out) == (3, f"rejected {couple}: there is no face 3: 2 were found\n")
    assert "no face was found at 1,1" in facesearch("query", couple, "--face", "1,1").out
    alone = facesearch("query", photo(people[0], 3)).out
    assert "face 1 of" not in alone


def test_two_photos_are_the_same_person_if_any_two_of_their_faces_are(
    facesearch: Command, gallery: Path, couple: Path, people: list[Path]
) -> None:
    for number, person in enumerate(people[:2]):
        x = 160 + 320 * number
        done = facesearch("verify", couple, photo(person, 1), "--json").json
        assert done["same"]
        left, _, width, _ = done["faces"][0]["box"]
        assert left < x < left + width
        assert done["faces"][0]["faces_found"] == 2
        shown = facesearch("verify", couple, photo(person, 1)).out
        assert f"  compared face {done['faces'][0]['face']} of 2 in {couple} (" in shown
        other = facesearch("verify", couple, photo(person, 1), "--face-a", f"{480 - 320 * number},160", "--json").json
        assert not other["same"]
    assert not facesearch("verify", couple, photo(people[2], 1), "--json").json["same"]


def test_a_name_is_given_once_in_a_photo(
    facesearch: Command, gallery: Path, people: list[Path], tmp_path: Path
) -> None:
    twice = side_by_side(tmp_path / "twice.png", (photo(people[0], 1), 320), (photo(people[0], 3), 320))
    faces = facesearch("query", twice, "--all-faces", "--json").json["probes"][0]["faces"]
    assert sorted(face["decision"] for face in faces) == ["match", "unknown"]
    (named,) = [face for face in faces if face["decision"] == "match"]
    (other,) = [face for face in faces if face["decision"] == "unknown"]
    assert other["yields_to"] == named["face"]
    assert named["candidates"][0]["score"] > other["candidates"][0]["score"] >= other["threshold"]
    shown = facesearch("query", twice, "--all-faces").out
    assert f"unknown, as face {named['face']} is more like {people[0].name}" in shown


@pytest.mark.parametrize("sizes", [(320, 320), (200, 640)])
def test_of_somebody_enrolled_the_face_that_is_theirs_is_taken(
    facesearch: Command, gallery: Path, people: list[Path], tmp_path: Path, sizes: tuple[int, int]
) -> None:
    mine, theirs = people[0], people[1]
    both = side_by_side(tmp_path / "both.png", (photo(mine, 3), sizes[0]), (photo(theirs, 3), sizes[1]))
    done = facesearch("enroll", "--identity", mine.name, both)
    assert done.status == 0
    assert f"of 2 in {both}, as the one like the person's other photos" in done.out
    (info,) = facesearch("templates", "show", both, "--json").json["templates"]
    left, _, width, _ = info["box"]
    assert left < sizes[0] / 2 < left + width
    strangers = side_by_side(tmp_path / "strangers.png", (photo(people[2], 3), sizes[0]), (photo(theirs, 3), sizes[1]))
    refused = facesearch("enroll", "--identity", mine.name, strangers)
    assert refused.status == 3
    assert f"none of its 2 faces is taken for {mine.name}, who is enrolled" in refused.out
    taken = [f"face {number} is taken for {who}" for number, who in ((1, people[2].name), (2, theirs.name))]
    if sizes[1] > sizes[0]:
        taken = [f"face {number} is taken for {who}" for number, who in ((1, theirs.name), (2, people[2].name))]
    assert f"who is enrolled ({', '.join(taken)}): if one is theirs" in refused.out
    chosen = facesearch(
        "enroll", "--identity", people[2].name, strangers, "--face", f"{sizes[0] // 2},{sizes[1] - sizes[0] // 2}"
    )
    assert chosen.status == 0
    answer = facesearch("query", photo(people[2], 3), "-k", 1, "--json").json["probes"][0]["faces"][0]
    assert answer["candidates"][0]["similarity"] > 0.9


def test_people_whose_photos_come_together_are_known_by_those_that_show_them_alone(
    facesearch: Command, people: list[Path], tmp_path: Path
) -> None:
    root = tmp_path / "new"
    (root / "Ada").mkdir(parents=True)
    side_by_side(root / "Ada" / "0.png", (photo(people[0], 3), 320), (photo(people[1], 3), 320))
    Image.open(photo(people[0], 1)).save(root / "Ada" / "1.png")
    gallery = tmp_path / "own"
    done = facesearch("enroll", root, "--gallery", gallery, "--json")
    assert (done.status, done.json["templates"]) == (0, 2)
    (chosen,) = done.json["chosen"]
    assert (Path(chosen["path"]).name, chosen["faces_found"]) == ("0.png", 2)
    nobody = facesearch("query", photo(people[1], 3), "--gallery", gallery, "--json").json["probes"][0]["faces"][0]
    assert nobody["decision"] == "unknown"


def test_a_choice_is_a_number_or_a_point() -> None:
    assert FaceChoice.of("2") == FaceChoice.of(2) == FaceChoice(number=2)
    assert FaceChoice.of("10,20.5") == FaceChoice.of((10, 20.5)) == FaceChoice(point=(10.0, 20.5))
    for wrong in ("0", "-1", "x", "1,2,3", "", ",", "nan,1", "1e999,0", 0, True, 1.5, (1,), None):
        with pytest.raises(UsageError, match="a face is chosen by its number"):
            FaceChoice.of(wrong)  # type: ignore[arg-type]
    with pytest.raises(NoFaceError):
        FaceChoice.of(1).among([])


def test_a_face_is_chosen_for_one_person(facesearch: Command, gallery: Path, people: list[Path]) -> None:
    for asked in (
        ("enroll", people[0].parent, "--face", 1),
        ("query", photo(people[0], 1), "--face", 1, "--all-faces"),
    ):
        assert facesearch(*asked).status == 2
    assert facesearch("query", photo(people[0], 1), "--face", "left").status == 2


def test_a_query_draws_a_contact_sheet(
    facesearch: Command, gallery: Path, people: list[Path], wall: Path, tmp_path: Path
) -> None:
    from PIL import Image

    folder = tmp_path / "visitors"
    folder.mkdir()
    (folder / "a.jpg").write_bytes(sorted(people[0].iterdir())[-1].read_bytes())
    (folder / "wall.png").write_bytes(wall.read_bytes())
    for name, kind in (("sheet.png", "PNG"), ("sheet.JPG", "JPEG")):
        done = facesearch("query", folder, "--all-faces", "--sheet", tmp_path / name)
        assert done.status == 3
        assert f"wrote {tmp_path / name}" in done.out
        with Image.open(tmp_path / name) as sheet:
            assert sheet.format == kind
            assert sheet.height > 400
        assert (tmp_path / name).stat().st_mode & 0o777 == 0o600
    found = facesearch("query", folder, "--sheet", tmp_path / "b.png", "--json")
    assert found.json["sheets"] == [str(tmp_path / "b.png")]


@pytest.mark.parametrize("name", ["sheet.gif", "sheet", "missing/sheet.png", "folder.png"])
def test_a_sheet_that_cannot_be_written_is_refused_before_the_search(
    name: str, facesearch: Command, tmp_path: Path
) -> None:
    (tmp_path / "folder.png").mkdir()
    refused = facesearch("query", tmp_path / "x.jpg", "--sheet", tmp_path / name)
    assert (refused.status, refused.out) == (2, "")
    assert refused.err.count("\n") == 1
