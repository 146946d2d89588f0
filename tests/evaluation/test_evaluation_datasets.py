from __future__ import annotations

import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from facesearch.errors import UsageError
from facesearch.evaluation.datasets import read_dataset
from facesearch.evaluation.pairs import read_pairs


def picture(path: Path, shade: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.full((16, 16, 3), shade, np.uint8)).save(path)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    root = tmp_path / "people"
    for number, name in enumerate(["b/2.png", "b/1.png", "a/1.png", "c/1.png"]):
        picture(root / name, number)
    return root


def test_folders_of_people_are_read_in_order_of_name_and_path(folder: Path) -> None:
    (folder / "pairs.txt").write_text("no photo")
    found = read_dataset(folder)
    assert [(s.path, s.identity) for s in found.samples] == [
        ("a/1.png", "a"),
        ("b/1.png", "b"),
        ("b/2.png", "b"),
        ("c/1.png", "c"),
    ]
    assert found.name == "people"


def test_the_checker_counts_people_images_duplicates_and_unreadable_files(folder: Path) -> None:
    shutil.copy(folder / "b" / "1.png", folder / "c" / "copy.png")
    (folder / "a" / "empty.jpg").touch()
    found = read_dataset(folder)
    facts = found.facts()
    assert (facts.images, facts.identities, facts.single) == (6, 3, 0)
    assert (facts.duplicates, facts.unreadable) == (1, 1)
    (group,) = found.duplicates()
    assert [sample.path for sample in group] == ["b/1.png", "c/copy.png"]
    (unreadable,) = [sample for sample in found.samples if sample.sha256 is None]
    assert unreadable.reason == "empty file"


def test_vggface2s_parts_are_taken_together(folder: Path, tmp_path: Path) -> None:
    root = tmp_path / "vggface2"
    shutil.copytree(folder, root / "train")
    picture(root / "test" / "n000001" / "0001_01.png", 99)
    found = read_dataset(root)
    assert [sample.path for sample in found.samples][-1] == "test/n000001/0001_01.png"
    assert found.facts().identities == 4
    picture(root / "Ada" / "1.png", 7)  # now train is a person's name
    assert "Ada" in {sample.identity for sample in read_dataset(root).samples}


def test_the_hash_of_a_data_set_hangs_on_contents_names_and_identities_alone(folder: Path, tmp_path: Path) -> None:
    first = read_dataset(folder)
    copy = Path(shutil.copytree(folder, tmp_path / "elsewhere"))
    assert read_dataset(copy).sha256 == first.sha256
    (copy / "a" / "1.png").rename(copy / "a" / "0.png")
    assert read_dataset(copy).sha256 != first.sha256
    assert read_dataset(folder, limit=3).sha256 != first.sha256


def test_a_limit_takes_the_first_images(folder: Path) -> None:
    assert [sample.path for sample in read_dataset(folder, limit=2).samples] == ["a/1.png", "b/1.png"]


@pytest.mark.parametrize("place", ["{root}", "{root}/Anno", "{parent}"])
def test_celeba_is_read_by_its_list_of_identities(tmp_path: Path, place: str) -> None:
    root = tmp_path / "data" / "celeba"
    for number in range(3):
        picture(root / "img_align_celeba" / f"{number:06d}.png", number)
    listing = Path(place.format(root=root, parent=root.parent)) / "identity_CelebA.txt"
    listing.parent.mkdir(exist_ok=True)
    listing.write_text("000000.png 7\n000001.png 3\n\n000002.png 7\n")
    found = read_dataset(root, "celeba")
    assert [(s.path, s.identity) for s in found.samples] == [
        ("img_align_celeba/000001.png", "3"),
        ("img_align_celeba/000000.png", "7"),
        ("img_align_celeba/000002.png", "7"),
    ]


@pytest.mark.parametrize("line", ["000000.png", "../secret.png 3", "a b c"])
def test_a_damaged_list_of_celeba_is_told_with_its_line(tmp_path: Path, line: str) -> None:
    (tmp_path / "img_align_celeba").mkdir()
    (tmp_path / "identity_CelebA.txt").write_text(f"000001.png 2\n{line}\n")
    with pytest.raises(UsageError, match="line 2"):
        read_dataset(tmp_path, "celeba")


@pytest.mark.parametrize("identity", ["2", "7"])
def test_an_image_that_celebas_list_names_twice_is_told_with_both_lines(tmp_path: Path, identity: str) -> None:
    (tmp_path / "img_align_celeba").mkdir()
    (tmp_path / "identity_CelebA.txt").write_text(f"000001.png 2\n\n000002.png 2\n000001.png {identity}\n")
    with pytest.raises(UsageError, match=r"line 4: '000001\.png' is listed already, on line 1"):
        read_dataset(tmp_path, "celeba")


def test_a_list_that_is_a_pipe_is_refused_at_once(tmp_path: Path) -> None:
    for name in ("pairs.txt", "pairs.csv", "identity_CelebA.txt"):
        os.mkfifo(tmp_path / name)
    for listing in ("pairs.txt", "pairs.csv"):
        with pytest.raises(UsageError, match="it is no ordinary file"):
            read_pairs(tmp_path, tmp_path / listing)
    with pytest.raises(UsageError, match="has no identity_CelebA"):
        read_dataset(tmp_path, "celeba")


def test_a_folder_that_can_be_nobodys_is_left_out_with_a_warning(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    for name in ("a", "b", "c\x1b[2J"):
        picture(tmp_path / name / "1.png", 3)
    picture(tmp_path / "stray.png", 4)
    dataset = read_dataset(tmp_path)
    assert {sample.identity for sample in dataset.samples} == {"a", "b"}
    (warning,) = caplog.messages
    assert "2 entries of" in warning


def test_what_is_no_data_set_is_told(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no such folder"):
        read_dataset(tmp_path / "missing")
    with pytest.raises(UsageError, match="holds no images of people"):
        read_dataset(tmp_path)
    with pytest.raises(UsageError, match="has no identity_CelebA"):
        read_dataset(tmp_path, "celeba")
    with pytest.raises(UsageError, match="folders, celeba"):
        read_dataset(tmp_path, "lfw")


def small_lfw(tmp_path: Path, text: str) -> Path:
    for name in ("a", "b", "c"):
        for number in (1, 2):
            picture(tmp_path / name / f"{name}_{number:04d}.png", ord(name) + number)
    (tmp_path / "pairs.txt").write_text(text)
    return tmp_path


@pytest.mark.parametrize("suffix", [".jpg", ".webp", ".jfif", ".heic", ".tif"])
def test_lfws_pairs_find_photos_of_every_kind_that_enrolment_takes(tmp_path: Path, suffix: str) -> None:
    root = small_lfw(tmp_path, "1\na\t1\t2\na\t1\tb\t2\n")
    (root / "a" / "a_0001.png").rename(root / "a" / f"a_0001{suffix}")
    _, pairs = read_pairs(root)
    assert {pair.a for pair in pairs} == {f"a/a_0001{suffix}"}


def test_lfws_pairs_keep_their_folds(tmp_path: Path) -> None:
    root = small_lfw(tmp_path, "2\t1\na\t1\t2\na\t1\tb\t2\nb\t1\t2\nb\t1\tc\t1\n")
    dataset, pairs = read_pairs(root)
    assert [(pair.a, pair.b, pair.mated, pair.fold) for pair in pairs] == [
        ("a/a_0001.png", "a/a_0002.png", True, 0),
        ("a/a_0001.png", "b/b_0002.png", False, 0),
        ("b/b_0001.png", "b/b_0002.png", True, 1),
        ("b/b_0001.png", "c/c_0001.png", False, 1),
    ]
    assert len(dataset.samples) == 5
    assert {sample.identity for sample in dataset.samples} == {"a", "b", "c"}


def test_a_csv_list_is_read_with_images_beside_it_or_in_a_folder(tmp_path: Path) -> None:
    for number in range(4):
        picture(tmp_path / "images" / f"{number}.png", number)
    listing = tmp_path / "list.csv"
    listing.write_text("x,y,Decision\n0.png,1.png,Yes\n1.png,2.png,no\nimages/2.png,3.png,1\n")
    dataset, pairs = read_pairs(tmp_path, listing)
    assert [pair.mated for pair in pairs] == [True, False, True]
    assert pairs[0].a == "images/0.png"
    assert len(dataset.samples) == 4


def test_pairs_without_folds_are_spread_evenly_over_ten(tmp_path: Path) -> None:
    for number in range(2):
        picture(tmp_path / f"{number}.png", number)
    rows = ["0.png,1.png,Yes"] * 40 + ["0.png,1.png,No"] * 60
    (tmp_path / "list.csv").write_text("a,b,same\n" + "\n".join(rows) + "\n")
    _, pairs = read_pairs(tmp_path, tmp_path / "list.csv")
    for fold in range(10):
        inside = [pair.mated for pair in pairs if pair.fold == fold]
        assert (sum(inside), len(inside)) == (4, 10)


def test_a_limit_takes_pairs_evenly_from_the_list(lfw: Path) -> None:
    _, pairs = read_pairs(lfw, limit=600)
    assert len(pairs) == 600
    assert {pair.fold for pair in pairs} == set(range(10))
    assert 280 <= sum(pair.mated for pair in pairs) <= 320


@pytest.mark.parametrize(
    "name, text, what",
    [
        ("pairs.txt", "hello\n", "does not begin with the number of folds"),
        ("pairs.txt", "2 1\na 1 2\na 1 b 2\nb 1 2\n", "do not go into 2 folds"),
        ("pairs.txt", "1 1\na 1 2\na one b 2\n", "is no pair"),
        ("pairs.txt", "1 1\na 1 2\na 1 d 2\n", "names d/d_0002"),
        ("pairs.txt", "1 1\na 1 2\na 1 ../secret 2\n", "secret"),
        ("pairs.txt", "1 1\na 1 2\nb 1 2\n", "pairs of one person and pairs of two"),
        ("pairs.txt", "1 1\na 1 2\n\na 1 b \u00b2\n", r"pairs\.txt line 4: 'a 1 b ²' is no pair"),
        ("pairs.txt", f"1 1\na 1 2\na 1 b {'7' * 5000}\n", r"pairs\.txt line 3: 'a 1 b 7+…' is no pair"),
        ("pairs.txt", f"{'9' * 5000} 1\na 1 2\na 1 b 2\n", "does not begin with the number of folds"),
        ("pairs.txt", "\u0663 1\na 1 2\na 1 b 2\n", "does not begin with the number of folds"),
        ("pairs.txt", f"1 1\na 1 2\na 1 {'n' * 300} 2\n", r"pairs\.txt line 3 names n+…, which is not in"),
        ("pairs.txt", "1 1\na 1 2\na\t1\n", r"pairs\.txt line 3: 'a 1' is no pair"),
        ("pairs.txt", "1 1\na 1 2\na\0 1 2\n", r"pairs\.txt line 3 names a\0/"),
        ("pairs.txt", "", "does not begin with the number of folds"),
        ("list.csv", "", "three columns"),
        ("list.csv", "a,b,same\n", "holds a header and no pairs"),
        ("list.csv", "a,b,same,fold\na/a_0001.png,a/a_0002.png,1\n", r"list\.csv line 2 has 3 columns, 4 are needed"),
        ("list.csv", "fold,b,same\na/a_0001.png,a/a_0002.png\n", r"list\.csv line 2 has 2 columns, 3 are needed"),
        ("list.csv", "a,b,same,fold\n\na/a_0001.png,a/a_0002.png,1,\u00b2\n", "line 3: the fold is a number, not '²'"),
        ("list.csv", f"a,b,same\na,{'b' * 200_000},1\n", r"list\.csv line 2 is not CSV"),
        ("list.csv", f"a,b,same\na,{'b' * 300},1\n", r"list\.csv line 2 names a, which is not in"),
        ("list.csv", "a,b\n1,2\n", "three columns"),
        ("list.csv", "a,b,same\na/a_0001.png,b/b_0001.png,perhaps\n", "neither yes nor no"),
        ("list.csv", "a,b,same\n/etc/passwd,b/b_0001.png,yes\n", "not in"),
    ],
)
def test_a_list_that_cannot_be_used_is_told_in_one_line(tmp_path: Path, name: str, text: str, what: str) -> None:
    root = small_lfw(tmp_path, "")
    (root / name).write_text(text)
    with pytest.raises(UsageError, match=what) as error:
        read_pairs(root, root / name)
    assert "\n" not in str(error.value)


def test_a_missing_list_is_told_with_the_option_that_names_one(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="--pairs"):
        read_pairs(tmp_path)


def test_all_of_lfw_is_read_as_it_is_published(lfw: Path) -> None:
    facts = read_dataset(lfw).facts()
    assert (facts.images, facts.identities, facts.single, facts.unreadable) == (13_233, 5_749, 4_069, 0)
    _, pairs = read_pairs(lfw)
    assert len(pairs) == 6_000
    assert os.fspath(lfw) == facts.folder
